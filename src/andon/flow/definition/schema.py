"""The JSON Schema of ``andon.yaml``, for editors: they complete keys, show what each means and mark mistakes.

It is made from the same description as the reader. What it accepts may still be refused by the reader, which
also knows ranges with units and rules across the file; what it refuses, the reader refuses too.
"""

from __future__ import annotations

import json

from andon.flow.definition.kinds import Json, plain
from andon.flow.definition.shape import ROOT

SCHEMA_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema(*, address: str | None = None) -> bytes:
    """The schema as JSON (UTF-8, two spaces of indentation); ``address`` becomes its ``$id``."""
    schema: dict[str, Json] = {"$schema": SCHEMA_DIALECT}
    if address is not None:
        schema["$id"] = address
    schema |= ROOT.definition()
    schema["title"] = "andon.yaml"
    schema["description"] = plain(ROOT.about)
    schema["$defs"] = {record.slug(): record.definition() for record in ROOT.records() if record != ROOT}
    return (json.dumps(schema, indent=2, ensure_ascii=False) + "\n").encode()
