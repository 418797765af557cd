"""What can go wrong between Andon and a keeper."""

from __future__ import annotations

from andon.kernel.errors import AndonError, Conflict, NotFound, Unavailable


class AlreadyKept(Conflict):
    """A keeper with this id is running; two would run the program twice."""

    code = "andon.keeper.already_kept"


class NotKept(NotFound):
    """There is no keeper with this id, or it has ended."""

    code = "andon.keeper.not_kept"


class KeeperFailed(AndonError):
    """The keeper or its program could not be started."""

    code = "andon.keeper.failed"


class KeeperSilent(Unavailable):
    """A keeper runs but does not answer."""

    code = "andon.keeper.silent"
