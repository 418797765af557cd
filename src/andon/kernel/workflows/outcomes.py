"""What a step answered or raised, as JSON that later releases can read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import ClassVar, cast

from andon.kernel.errors import AndonError
from andon.kernel.workflows.ports import Primitive

_PLAIN = (str, int, float, bool, type(None))


class StepFailed(AndonError):
    """A step raised something that is no :class:`AndonError`; ``kind`` is the name of what it was."""

    code: ClassVar[str] = "andon.step_failed"

    def __init__(self, message: str, *, kind: str, remedy: str = "", safe: str = "") -> None:
        super().__init__(message, remedy=remedy, safe=safe)
        self.kind = kind


def answered(value: object) -> str:
    """The record of an answer. Raises ``TypeError`` for what later releases could not read."""
    if not isinstance(value, _PLAIN):
        raise TypeError(f"a step answers text, a number, true, false or nothing, not {type(value).__name__}")
    return json.dumps({"answer": value})


def raised(error: AndonError) -> str:
    """The record of an error with all its plain attributes."""
    kept = {name: value for name, value in vars(error).items() if isinstance(value, _PLAIN)}
    return json.dumps({"error": f"{type(error).__module__}:{type(error).__qualname__}", "kept": kept})


def as_andon_error(error: Exception, step: str) -> AndonError:
    """``error`` itself, or wrapped: after a replay only what the record can tell is left, so that is what workflows
    see the first time, too."""
    if isinstance(error, AndonError):
        return error
    kind = type(error).__qualname__
    return StepFailed(f"The step {step!r} failed: {kind}: {error}", kind=kind)


def replay(record: str) -> Primitive:
    """The recorded answer; raises the recorded error."""
    outcome = json.loads(record)
    if "error" in outcome:
        raise _error(outcome["error"], outcome["kept"])
    return cast(Primitive, outcome["answer"])


def _error(name: str, kept: dict[str, Primitive]) -> AndonError:
    found = next((kind for kind in _kinds(AndonError) if f"{kind.__module__}:{kind.__qualname__}" == name), AndonError)
    # Not through __init__: each kind has its own arguments, and their order may change with a release.
    error = found.__new__(found)
    Exception.__init__(error, kept.get("message", ""))
    for attribute, value in {"message": "", "remedy": "", "safe": "", **kept}.items():
        setattr(error, attribute, value)
    return error


def _kinds(kind: type[AndonError]) -> Iterator[type[AndonError]]:
    yield kind
    for narrower in kind.__subclasses__():
        yield from _kinds(narrower)
