#!/usr/bin/env python3
"""schema.py SCHEMA: validates the JSON on standard input against tests/schemas/SCHEMA; says every fault."""
import json
import pathlib
import sys
import warnings

warnings.simplefilter("ignore")
import jsonschema  # noqa: E402

here = pathlib.Path(__file__).resolve().parent.parent / "schemas"
schema = json.loads((here / sys.argv[1]).read_text())
resolver = jsonschema.RefResolver(base_uri=here.as_uri() + "/", referrer=schema)
validator = jsonschema.Draft4Validator(schema, resolver=resolver)
faults = sorted(validator.iter_errors(json.load(sys.stdin)), key=lambda e: list(e.absolute_path))
for f in faults:
    print("%s: %s" % (".".join(map(str, f.absolute_path)) or "document", f.message))
sys.exit(bool(faults))
