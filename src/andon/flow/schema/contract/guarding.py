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


class ContractGuard(Protocol):
    """Somebody who may still need the old shape."""

    def objections(self, reading: Reading, asked: ContractAsked) -> tuple[str, ...]:
        """Whole sentences, each with what to do about it; none when nothing stands in the way."""
        ...
