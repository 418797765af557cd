"""A statement, what is said of it, and how a real database shows that it is so."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from andon.flow.schema.contract import Phase, Rule


class Proof(StrEnum):
    """What a database shows."""

    OLD = "old"
    """Old code's statements no longer give what they gave."""
    REWRITE = "rewrite"
    """The table lies in another file afterwards."""
    SCAN = "scan"
    """All rows of a table are read while others may not write to it."""
    LOCK = "lock"
    """Others may not write to a table until the transaction ends."""
    ROWS = "rows"
    """Every row of a table that was there is changed."""
    FAILS = "fails"
    """The database refuses the statement."""


@dataclass(frozen=True, slots=True)
class Case:
    name: str
    sql: str
    refused: tuple[Rule, ...] = ()
    """In any order; empty: may run."""
    proof: tuple[Proof, ...] = ()
    """Each must be seen; of what may run, none may be."""
    hints: tuple[Rule, ...] = ()
    told: tuple[Rule, ...] = ()
    phase: Phase = Phase.EXPAND
    runs: bool = True
    """``False``: it is not put to the database, because of what it would do, or what it needs."""
    unproven: str = ""
    """Why no proof is asked for though it is refused."""
