"""The reference of all events, written from their declarations.

``python -m andon.app.record.reference > docs/reference/events.md`` brings the page up to date; a test fails while it
is not.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import sys
from collections.abc import Iterator
from dataclasses import fields
from typing import Any, get_args, get_origin, get_type_hints

import andon
from andon.kernel.events.model import FACETS, Event, event_types

_HEAD = """# Events

<!-- Written by `python -m andon.app.record.reference`; a test keeps it equal to the code. -->

Every event says what has happened, in the past tense, and never changes. A changed shape is a new type: `….v2`.
`andon events --type dev.andon.run.finished.v1` shows one type, `--type 'dev.andon.deployment.*'` all that begin so.

On the wire, from `andon events --json` and from the API, an event is a CloudEvent. Its `data` holds the fields below.
Beside it stand `andonposition` (its place in the record), `andonactor` (who did it: `person:…`, `token:…` or
`system:andon`), `andonperson` (whom the act counts for) and, where the event has such a field, `andonservice`,
`andonenvironment`, `andonrun`, `andondeployment` and `andoncommit`, by which the record can be filtered. `andoncdevent`
names the CDEvents type that says the same, where there is one.

Times are UTC. A field that may be empty is marked *optional*. See [the record](../guide/the-record.md) for how events
are sealed and kept.
"""


def events_reference() -> str:
    """The page ``docs/reference/events.md``."""
    load_all_events()
    groups: dict[str, list[type[Event]]] = {}
    for name, kind in sorted(event_types().items()):
        if name.startswith("dev.andon.") and kind.__module__.startswith("andon."):
            groups.setdefault(name.split(".")[2], []).append(kind)
    lines = [_HEAD, "## All events", "", "| event | what it says |", "|---|---|"]
    for kinds in groups.values():
        lines += [f"| [`{kind.type}`](#{_anchor(kind.type)}) | {_said(kind)} |" for kind in kinds]
    for kinds in groups.values():
        for kind in kinds:
            lines += ["", *_section(kind)]
    return "\n".join(lines) + "\n"


def load_all_events() -> None:
    """Import every module that declares events, so that :func:`event_types` knows them all."""
    for module in pkgutil.walk_packages(andon.__path__, "andon."):
        if "contract" in module.name.split("."):
            importlib.import_module(module.name)


def _section(kind: type[Event]) -> Iterator[str]:
    yield f"## `{kind.type}`"
    yield ""
    yield inspect.cleandoc(_documented(kind) or _said(kind)).replace("``", "`")
    yield ""
    also = f" In CDEvents: `{kind.cdevents}`." if kind.cdevents else ""
    yield f"It is about `{kind.subject_field}`.{also}"
    yield ""
    yield "| field | holds |"
    yield "|---|---|"
    hints = get_type_hints(kind)
    for one in fields(kind):
        mark = ", for filtering" if one.name in FACETS else ""
        yield f"| `{one.name}` | {_holds(hints[one.name])}{mark} |"


def _documented(kind: type[Event]) -> str:
    """Its docstring, unless it is the signature that a dataclass without one is given."""
    text = kind.__doc__ or ""
    return "" if text.startswith(f"{kind.__name__}(") else text


def _said(kind: type[Event]) -> str:
    text = " ".join(inspect.cleandoc(_documented(kind)).split("\n\n", maxsplit=1)[0].split())
    if not text:
        words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", kind.__name__).lower()
        return f"{words[0].upper()}{words[1:]}."
    end = re.search(r"[.;:] ", text)
    return (text if end is None else text[: end.start()].rstrip(".;:") + ".").replace("``", "`")


_KINDS = {"str": "text", "int": "a whole number", "float": "a number", "bool": "true or false", "datetime": "a moment"}


def _holds(hint: Any) -> str:  # Any: what a type annotation is
    if type(None) in get_args(hint):
        kept = [one for one in get_args(hint) if one is not type(None)]
        return f"{_holds(kept[0])}, *optional*"
    if get_origin(hint) is tuple:
        return f"a list: {_holds(get_args(hint)[0])}"
    if hasattr(hint, "__supertype__"):  # a NewType: an id or a name
        return _holds(hint.__supertype__)
    if hasattr(hint, "__members__"):
        return ", ".join(f"`{one.value}`" for one in hint)
    return _KINDS.get(getattr(hint, "__name__", ""), str(getattr(hint, "__name__", hint)))


def _anchor(name: str) -> str:
    return re.sub(r"[^a-z0-9 _-]", "", name.lower()).replace(" ", "-")


if __name__ == "__main__":
    # not as __main__: events are known by the module that declares them
    sys.stdout.write(events_reference())
