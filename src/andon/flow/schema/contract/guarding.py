"""What stands in the way of a contract migration: an extension point, asked when it is wanted and when it begins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from andon.flow.schema.contract import FlagNeed
from andon.flow.sources.contract import CommitHash, Service

if TYPE_CHECKING:  # the command line shows what is told here, and knows no database
    from andon.kernel.db import Reading


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractAsked:
    """A contract migration that somebody wants to run."""

    service: Service
    environment: str
    commit: CommitHash
    """The live version, whose contract migration it is."""
    needs: tuple[FlagNeed, ...]
    """What the comments of its files ask of flags."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Objection:
    """Somebody still needs the old shape."""

    sentence: str
    """Whole, without a full stop at its end where it ends in a command."""
    href: str = ""
    """The console's page where something can be done about it."""


class ContractGuard(Protocol):
    """Somebody who may still need the old shape."""

    def objections(self, reading: Reading, asked: ContractAsked) -> tuple[Objection, ...]:
        """None when nothing stands in the way."""
        ...


class ContractQuestions(Protocol):
    """Whoever carries contract migrations out, and has asked the guards."""

    def contract_objections(
        self, reading: Reading, service: Service, environment: str, commit: CommitHash
    ) -> tuple[Objection, ...]:
        """What still needs what the contract migration of ``commit`` takes away; rollback targets are not among it."""
        ...
