"""Python's OpenFeature SDK with its OFREP provider. Runs where they are installed.

On standard input ``{"doors": [{"url", "token", "cases": [{"key", "kind", "default", "context"}]}]}``; on standard
output a list of what it was told for each door.
"""

# mypy: disable-error-code="import-not-found,import-untyped"
# (it runs in an environment of its own)

from __future__ import annotations

import json
import sys
from typing import Any

from openfeature import api
from openfeature.contrib.provider.ofrep import OFREPProvider
from openfeature.evaluation_context import EvaluationContext

METHODS = {
    "boolean": "get_boolean_details",
    "string": "get_string_details",
    "object": "get_object_details",
    "number": "get_integer_details",
    "fraction": "get_float_details",
}


def told(client: Any, case: dict[str, Any]) -> dict[str, Any]:
    context = dict(case["context"])
    who = EvaluationContext(context.pop("targetingKey", None), context)
    kind = "fraction" if isinstance(case["default"], float) else case["kind"]
    found = getattr(client, METHODS[kind])(case["key"], case["default"], who)
    return {
        "value": found.value,
        "variant": found.variant,
        "reason": None if found.reason is None else str(getattr(found.reason, "value", found.reason)),
        "error": None if found.error_code is None else found.error_code.value,
        "rule": (found.flag_metadata or {}).get("rule"),
        "says": found.error_message or "",
    }


def main() -> None:
    answers = []
    for number, door in enumerate(json.load(sys.stdin)["doors"]):
        headers = {"Authorization": f"Bearer {door['token']}"}
        provider = OFREPProvider(door["url"], headers_factory=headers.copy)
        api.set_provider(provider, f"door-{number}")
        client = api.get_client(f"door-{number}")
        answers.append([told(client, case) for case in door["cases"]])
    json.dump(answers, sys.stdout)


main()
