"""What flags do because something happened."""

from __future__ import annotations

from andon.flow.environments.contract import EnvironmentCreated
from andon.flow.flags.contract import (
    FlagArchived,
    FlagChanged,
    FlagCreated,
    FlagKilled,
    FlagRestored,
    FlagRevived,
    SegmentChanged,
)
from andon.flow.flags.files import FlagFiles
from andon.flow.flags.pushing import FlagsAsCode
from andon.flow.pipelines.contract import FlagsGivenBack, FlagsPretended
from andon.flow.sources.contract import BranchPushed
from andon.kernel.db import Transaction
from andon.kernel.events import Envelope, Reaction


def reactions(code: FlagsAsCode, files: FlagFiles) -> tuple[Reaction, ...]:
    def apply(tx: Transaction, envelope: Envelope) -> None:
        happened = envelope.decode()
        assert isinstance(happened, BranchPushed)  # noqa: S101 - the reaction's only type
        code.react(tx, happened, envelope.actor)

    def write(tx: Transaction, envelope: Envelope) -> None:
        # a file that is written again is the same file; what this transaction cannot see yet the reconciler writes
        files.sync_from(tx)

    return (
        Reaction("flags.code", (BranchPushed,), apply, from_beginning=False),
        Reaction(
            "flags.files",
            (
                FlagCreated,
                FlagChanged,
                FlagKilled,
                FlagRevived,
                FlagArchived,
                FlagRestored,
                FlagsPretended,
                FlagsGivenBack,
                SegmentChanged,
                EnvironmentCreated,
            ),
            write,
            from_beginning=False,
        ),
    )
