# Of "nft list ruleset" what commands have made: without the sets that packets fill.
/^\tset (asked|asking|served)[46] \{/ { filled = 1 }
!filled
/^\t\}/ { filled = 0 }
