# Of "nft list ruleset" what commands have made: without the sets that packets fill, and without the table of shortcuts,
# which comes with the first guest and goes with the last network (51-shortcuts.bats looks at it).
/^table / { shortcuts = $2 == "netdev" && $3 ~ /^vzrun/ }
/^\tset (asked|asking|served)[46] \{/ { filled = 1 }
!filled && !shortcuts
/^\t\}/ { filled = 0 }
