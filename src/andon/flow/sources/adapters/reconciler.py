"""Compares repositories with the record: what a crash left untold is told, what came to nothing is closed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from datetime import timedelta

from andon.flow.sources import service
from andon.flow.sources.contract import PushId
from andon.flow.sources.git import Git
from andon.kernel.db import Database
from andon.kernel.errors import AndonError

GRACE = timedelta(seconds=30)
"""A push that git has not carried out so long after its announcement counts as broken off. Git needs milliseconds;
one that comes later still is recorded as what it is."""

_log = logging.getLogger(__name__)


def reconcile(
    database: Database,
    git: Git,
    *,
    active: Callable[[], Collection[PushId]] = tuple,
    grace: timedelta = GRACE,
) -> int:
    """Record what moved without having been recorded; how many refs and pushes were put right.

    ``active`` names the pushes this process is serving now; they are not given up. Safe to run at any time and in
    several processes at once. A repository that cannot be read is told of in the log and left out.
    """
    with database.reading() as reading:
        names = [one.service for one in service.all_repositories(reading)]
    mended = 0
    for name in names:
        try:
            git.sweep(name)
            with database.reading() as reading:
                behind = service.is_behind(reading, git, name)
            if behind:
                with database.transaction() as tx:
                    mended += service.catch_up(tx, git, name)
        except (AndonError, OSError) as error:
            _log.warning("repository %s cannot be compared with the record: %s", name, error)
    busy = active()
    with database.reading() as reading:
        open_ones = service.pushes_under_way(reading, reading.now - grace)
    for push in open_ones:
        if push not in busy:
            mended += settle(database, git, push, "Git did not carry it out.")
    return mended


def settle(database: Database, git: Git, push: PushId, reason: str) -> bool:
    """Close one announced push whose git has ended: record what moved, give up the rest; whether there was any."""
    with database.reading() as reading:
        name = service.service_of(reading, push)
    if name is None:
        return False
    try:
        with database.transaction() as tx:
            moved = service.catch_up(tx, git, name)
            return service.give_up(tx, push, reason) or moved > 0
    except AndonError as error:
        _log.warning("push %s to %s is left open: %s", push, name, error)
        return False


def tidy(database: Database, git: Git) -> None:
    """Join the small packs that pushes have left, repository by repository."""
    with database.reading() as reading:
        names = [one.service for one in service.all_repositories(reading)]
    for name in names:
        try:
            git.tidy(name)
        except AndonError as error:
            _log.warning("repository %s was not tidied: %s", name, error)
