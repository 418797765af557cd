"""Changes to a database's schema while two versions use it: phases, and what a check of their SQL finds."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol


class Dialect(StrEnum):
    POSTGRESQL = "postgresql"
    SQLITE = "sqlite"


class Phase(StrEnum):
    EXPAND = "expand"
    """Before the new version starts: only adds, and the version that serves must not notice."""
    BACKFILL = "backfill"
    """After the switch, in batches: fills what expand has added."""
    CONTRACT = "contract"
    """Later, when somebody says so: removes what no version needs any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagNeed:
    """A contract migration may run once a flag gives everybody this variant."""

    flag: str
    variant: str


class Concern(StrEnum):
    """What kind of harm a statement does."""

    OLD_CODE = "old-code"
    """The version that serves meanwhile, or one that may come back, fails or reads something else than before."""
    LOCK = "lock"
    """It goes on serving, but waits for as long as the table is large."""
    FAILS = "fails"
    """The database will refuse the statement."""
    UNSEEN = "unseen"
    """What it does cannot be seen from the SQL."""
    OUTSIDE = "outside"
    """It reaches beyond the database: files, programs, other servers, the server itself."""
    PLACE = "place"
    """It belongs into another phase."""
    HINT = "hint"
    """Compatible, and there is something to know."""


class Rule(StrEnum):
    """What is looked for. The names stand in messages and in `-- andon: accept RULE`; they do not change."""

    DROP = "drop"
    RENAME = "rename"
    TYPE = "type"
    NOT_NULL = "not-null"
    CONSTRAINT = "constraint"
    UNIQUE = "unique"
    DEFAULT = "default"
    BEHAVIOUR = "behaviour"
    REPLACED = "replaced"
    ACCESS = "access"
    ROWS = "rows"

    REWRITE = "rewrite"
    SCAN = "scan"
    INDEX = "index"
    LOCK = "lock"

    FAILS = "fails"
    TRANSACTION = "transaction"

    UNPARSABLE = "unparsable"
    UNKNOWN = "unknown"
    HIDDEN = "hidden"
    OUTSIDE = "outside"

    PHASE = "phase"
    UNBOUNDED = "unbounded"

    LOCK_TIMEOUT = "lock-timeout"
    COLUMN_LIST = "column-list"
    NEW_VALUES = "new-values"
    BUSY = "busy"


CONCERN: dict[Rule, Concern] = {
    **dict.fromkeys(
        (
            Rule.DROP,
            Rule.RENAME,
            Rule.TYPE,
            Rule.NOT_NULL,
            Rule.CONSTRAINT,
            Rule.UNIQUE,
            Rule.DEFAULT,
            Rule.BEHAVIOUR,
            Rule.REPLACED,
            Rule.ACCESS,
        ),
        Concern.OLD_CODE,
    ),
    **dict.fromkeys((Rule.REWRITE, Rule.SCAN, Rule.INDEX, Rule.LOCK), Concern.LOCK),
    **dict.fromkeys((Rule.FAILS, Rule.TRANSACTION), Concern.FAILS),
    **dict.fromkeys((Rule.UNPARSABLE, Rule.UNKNOWN, Rule.HIDDEN), Concern.UNSEEN),
    Rule.OUTSIDE: Concern.OUTSIDE,
    **dict.fromkeys((Rule.ROWS, Rule.PHASE, Rule.UNBOUNDED), Concern.PLACE),
    **dict.fromkeys((Rule.LOCK_TIMEOUT, Rule.COLUMN_LIST, Rule.NEW_VALUES, Rule.BUSY), Concern.HINT),
}


class Weight(StrEnum):
    REFUSED = "refused"
    ACCEPTED = "accepted"
    """Would be refused, and the author said in the file why it may."""
    TOLD = "told"
    """What a contract takes away: meant so, and worth reading before somebody says yes."""
    HINT = "hint"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One file of SQL, or the output of a command that prints it."""

    file: str
    phase: Phase
    text: str
    judged: bool = True
    """``False``: it has run long ago and is only read, to know the tables that the others change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    rule: Rule
    weight: Weight
    file: str
    line: int
    """Of the statement's first word; 1 is the first line."""
    statement: str
    """Its beginning, on one line, at most 200 characters."""
    breaks: str
    """What breaks, and for whom: a sentence."""
    safe: str
    """The safe way: a sentence or two."""
    example: str = ""
    """The safe way as SQL; may be empty."""
    reason: str = ""
    """Why the author accepts it; only where ``weight`` says so."""

    @property
    def concern(self) -> Concern:
        return CONCERN[self.rule]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What was found in the files that were judged, in their order."""

    findings: tuple[Finding, ...] = ()
    statements: int = 0
    """How many were judged."""
    files: tuple[str, ...] = ()

    @property
    def refused(self) -> tuple[Finding, ...]:
        return tuple(one for one in self.findings if one.weight is Weight.REFUSED)


class SchemaCheck(Protocol):
    """Reads migrations and tells what the version that serves would not survive."""

    def below(self, tree: Path, folder: str, dialect: Dialect, *, judged: Collection[str] | None) -> Report:
        """Check the files below ``tree/folder``. ``judged`` are those that have not run yet, relative to ``tree``.

        ``None`` judges all of them. Never raises for what the files contain: they are hostile.
        """
        ...

    def printed(self, text: str, command: str, dialect: Dialect) -> Report:
        """Check what a command printed, as an expand migration that has not run yet."""
        ...
