#!/usr/bin/env bats
# The parser of every file that vzrun reads, against another one.

@test "what it refuses and what it understands is what Python's parser does" {
	python3 "$BATS_TEST_DIRNAME/05-json.py" "${VZRUN_BUILD:-$BATS_TEST_DIRNAME/../../build}/tools/jsontool" 1
	python3 "$BATS_TEST_DIRNAME/05-json.py" "${VZRUN_BUILD:-$BATS_TEST_DIRNAME/../../build}/tools/jsontool" "$RANDOM"
}
