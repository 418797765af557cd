"""When environments end, and giving one more time."""

from __future__ import annotations

from datetime import datetime, timedelta

from andon.flow.environments import storage
from andon.flow.environments.contract import LONGEST_LIFE, EnvironmentExtended
from andon.flow.environments.model import EndMoved, TooFarAhead, extended
from andon.flow.sources.contract import Service
from andon.kernel.access import Permission, Principal
from andon.kernel.db import Reading, Transaction
from andon.kernel.errors import Invalid, NotFound
from andon.kernel.events import append


class EnvironmentEnds:
    """Whoever ends an environment because its time is over, and whoever extends it, wait for each other at its row."""

    def expired(self, reading: Reading) -> tuple[tuple[Service, str], ...]:
        return storage.expired(reading.connection, reading.now)

    def is_over(self, tx: Transaction, service: Service, name: str) -> bool:
        row = storage.lock_environment(tx.connection, service, name)
        ends: datetime | None = None if row is None else row._mapping["expires_at"]
        return ends is not None and ends <= tx.now

    def extend(
        self,
        tx: Transaction,
        principal: Principal,
        service: Service,
        name: str,
        seconds: float,
        *,
        ending: datetime | None = None,
    ) -> datetime:
        """Let an environment live longer than it would, by so many seconds; its new end.

        ``ending`` is when whoever asks believes that it ends; :class:`EndMoved` when somebody has changed that.

        Whoever may make an environment may extend one: those made by hand need the same permission as making them,
        those of ``andon.yaml`` the one to deploy there. Raises ``Forbidden``, ``NotFound``, ``Invalid`` for no
        length of time, and what :func:`andon.flow.environments.model.extended` does.
        """
        principal.require_sight(service)
        row = storage.lock_environment(tx.connection, service, name)
        if row is None:
            raise NotFound(
                f"There is no environment {name[:80]!r} of {service}: it has ended, or there never was one.",
                safe="Nothing was changed.",
                remedy="See which there are: andon env list",
            )
        principal.require(self.extending(str(row._mapping["like"]), name), service, name)
        if not seconds > 0:
            raise Invalid("An environment is extended by more than nothing.", remedy="Write it as 30m, 8h or 2d.")
        if seconds > LONGEST_LIFE:
            raise TooFarAhead(
                f"That is more than {LONGEST_LIFE / 86400:.0f} days.",
                safe="Nothing was changed.",
                remedy="Choose a shorter time. It can be extended again later.",
            )
        before: datetime | None = row._mapping["expires_at"]
        if before is not None and ending is not None and before != ending:
            raise EndMoved(
                f"{service}/{name} has been extended in the meantime: it ends at {before:%Y-%m-%d %H:%M} UTC now.",
                safe="Nothing was changed.",
                remedy="Look again whether that is long enough.",
            )
        ends = extended(before, timedelta(seconds=seconds), tx.now, name=f"{service}/{name}")
        assert before is not None  # noqa: S101 - else it could not have been extended
        storage.update_environment(tx.connection, service, name, expires_at=ends)
        append(
            tx,
            EnvironmentExtended(environment=name, service=service, expires_at=ends, expired_at=before),
            by=principal.actor,
        )
        return ends

    @staticmethod
    def extending(like: str, name: str) -> Permission:
        """What somebody needs to extend an environment; ``like`` is the one it is made from."""
        return Permission.DEPLOY if like == name else Permission.CREATE_ENVIRONMENT
