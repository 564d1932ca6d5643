"""The JSON Schema (2020-12) of the spec, made from the same table that checks it.

For editors, through the `$schema` line, and for whoever generates specs. Checked in as `schemas/spec-v1.schema.json`
and tested to be this. It describes form alone: what depends on more than one value is in the codes. This module
refuses to validate anything.
"""

import json

from reconciler.spec.language import SPEC
from reconciler.spec.shape import Schema

__all__ = ["json_schema", "text"]


def json_schema() -> Schema:
    """The schema as a document."""
    defs: dict[str, Schema] = {}
    spec = SPEC.schema(defs)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "ptctl spec, version 1",
        **{key: value for key, value in spec.items() if key != "title"},
        "$defs": dict(sorted(defs.items())),
    }


def text() -> str:
    """The schema as the text of its file."""
    return json.dumps(json_schema(), ensure_ascii=False, indent=2) + "\n"


if __name__ == "__main__":
    import sys

    sys.stdout.write(text())
