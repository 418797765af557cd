"""Names, updates of refs, and what is allowed: values and pure functions."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from andon.flow.sources.contract import NO_COMMIT, CommitHash, PushId, Service
from andon.kernel.errors import Invalid
from andon.kernel.events import Actor

BRANCHES = "refs/heads/"
TAGS = "refs/tags/"
REFS_IN_A_PUSH = 5000

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")
_HASH = re.compile(r"[0-9a-f]{40}")
# What git itself forbids in a ref's name (git check-ref-format), and what could pass for an option or a revision.
_FORBIDDEN_IN_REF = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|/\.|\.lock(?:/|$)|\.(?:/|$)|/$")


def service_name(text: str) -> Service:
    """``text`` as a repository's name. Raises :class:`Invalid` for anything but lower case, digits and dashes."""
    if _NAME.fullmatch(text):
        return Service(text)
    raise Invalid(
        f"{printable(text[:60])!r} cannot be a repository's name.",
        safe="Nothing was created.",
        remedy="Use lower-case letters, digits and dashes, at most 40, with a letter or digit at both ends.",
    )


def is_service_name(text: str) -> bool:
    return _NAME.fullmatch(text) is not None


def is_hash(text: str) -> bool:
    return _HASH.fullmatch(text) is not None


def is_ref_part(text: str) -> bool:
    """Whether ``text`` may stand behind ``refs/heads/``: what git allows, without a leading dash or dot."""
    if not 0 < len(text.encode("utf-8", "replace")) <= 200 or text[0] in "-./" or text == "@":
        return False
    return _FORBIDDEN_IN_REF.search(text) is None


def branch_name(text: str) -> str:
    """``text`` as a branch's name. Raises :class:`Invalid` when git would not take it."""
    if is_ref_part(text) and text != "HEAD":
        return text
    raise Invalid(
        f"{printable(text[:60])!r} cannot be a branch's name.",
        safe="Nothing was changed.",
        remedy="Use letters, digits, dashes and single slashes, such as 'main' or 'release/2'.",
    )


class UpdateState(StrEnum):
    """What has become of one ref of a push."""

    ANNOUNCED = "announced"
    """Git was given leave to move it."""
    MOVED = "moved"
    """It has moved, and the record says so. Final."""
    ABANDONED = "abandoned"
    """It has not moved. Should git move it after all (its process outlived Andon), it still becomes moved."""


UPDATE_TRANSITIONS: Mapping[UpdateState, frozenset[UpdateState]] = {
    UpdateState.ANNOUNCED: frozenset({UpdateState.MOVED, UpdateState.ABANDONED}),
    UpdateState.ABANDONED: frozenset({UpdateState.MOVED}),
    UpdateState.MOVED: frozenset(),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    service: Service
    default_branch: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One ref going from one object to another, as git reports it."""

    ref: str
    before: str
    after: str

    @property
    def creates(self) -> bool:
        return self.before == NO_COMMIT

    @property
    def deletes(self) -> bool:
        return self.after == NO_COMMIT


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """A move that has been looked at."""

    move: Move
    commit: CommitHash
    """The commit the ref will lead to, through an annotated tag if need be; ``NO_COMMIT`` for a deletion."""
    forced: bool
    """Whether what was there before is no longer reachable from the ref."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    """An announced push."""

    id: PushId
    service: Service
    actor: Actor
    at: datetime


def parse_move(line: str) -> Move:
    """A line such as git gives to its hooks. Raises :class:`Invalid` for what is no sound ref or hash."""
    before, _, rest = line.partition(" ")
    after, _, ref = rest.partition(" ")
    if not (is_hash(before) and is_hash(after)):
        raise Invalid("Git reported a ref in a form Andon does not know.", safe="Nothing was changed.")
    kept = next((prefix for prefix in (BRANCHES, TAGS) if ref.startswith(prefix)), None)
    if kept is None:
        raise Invalid(
            f"Andon keeps branches and tags; {printable(ref[:80])!r} is neither.",
            safe="Nothing was changed.",
            remedy="Push to refs/heads/… or refs/tags/….",
        )
    if not is_ref_part(ref.removeprefix(kept)):
        raise Invalid(
            f"{printable(ref[:80])!r} is not a name Andon takes for a branch or tag.",
            safe="Nothing was changed.",
            remedy="Use letters, digits, dashes and single slashes.",
        )
    return Move(ref=ref, before=before, after=after)


def needs_force(update: Update, default_branch: str) -> str | None:
    """Why ``update`` takes something away that others rely on; ``None`` when it does not."""
    ref = update.move.ref
    if ref == BRANCHES + default_branch:
        if update.move.deletes:
            return f"would delete {default_branch}, the branch that goes to production"
        if update.forced:
            return f"would take commits away from {default_branch}, the branch that goes to production"
    if ref.startswith(TAGS) and not update.move.creates:
        verb = "delete" if update.move.deletes else "move"
        return f"would {verb} the tag {ref.removeprefix(TAGS)}, which others may have deployed"
    return None


def printable(text: str) -> str:
    """``text`` with everything that could steer a terminal, or hide, written out."""
    return "".join(_visible(character) for character in text)


def _visible(character: str) -> str:
    if character == "\t":
        return " "
    if unicodedata.category(character)[0] == "C" or character in "\u2028\u2029":
        return character.encode("unicode_escape", "backslashreplace").decode("ascii")
    return character


def lines_of(texts: Iterable[str]) -> list[str]:
    """Texts as single printable lines."""
    return [printable(line) for text in texts for line in text.splitlines()]
