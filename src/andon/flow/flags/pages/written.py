"""What people write as YAML in forms, read with bounds."""

from __future__ import annotations

from io import StringIO
from typing import TypeVar

import msgspec
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from andon.flow.flags.model.flag import StoredSegment
from andon.flow.flags.views.settings import ConditionShape
from andon.kernel.errors import Invalid

_LARGEST = 100_000
_T = TypeVar("_T")


def read_yaml(text: str, kind: type[_T], what: str) -> _T:
    """Raises ``Invalid``; ``what`` it was to be stands in its sentence."""
    if len(text) > _LARGEST:
        raise Invalid("This is more than anybody reads.", safe="Nothing was changed.")
    if "&" in text and "*" in text:
        raise Invalid("Write it without aliases (*name).", safe="Nothing was changed.")
    try:
        return msgspec.convert(YAML(typ="safe", pure=True).load(text), kind)
    except (YAMLError, msgspec.ValidationError, ValueError, RecursionError) as error:
        said = " ".join(str(error).split())[:300]
        raise Invalid(f"This is no {what}: {said}.", safe="Nothing was changed.") from error


def write_yaml(value: object) -> str:
    out = StringIO()
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = None
    yaml.width = 100
    yaml.dump(value, out)
    return out.getvalue()


def conditions_of(segment: StoredSegment) -> str:
    """A segment's conditions as somebody edits them; empty where it has none."""
    if not segment.when:
        return ""
    return write_yaml([[msgspec.to_builtins(ConditionShape.of(one)) for one in every] for every in segment.when])


def lines_of(text: str) -> list[str]:
    """One a line, blank ones left out, each once."""
    return list(dict.fromkeys(found for one in text.splitlines() if (found := one.strip())))
