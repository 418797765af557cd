"""The half of environments that is only recorded; what really runs stands on it."""

from __future__ import annotations

from andon.flow.definition.contract import EnvironmentDefinition
from andon.flow.environments.contract import EnvironmentView, SetId, SetSpec, SetView, Standing
from andon.flow.environments.service import EnvironmentService
from andon.flow.sources.contract import Service
from andon.kernel.access import Principal
from andon.kernel.db import Reading, Transaction
from andon.kernel.events import Actor


class RecordedEnvironments:
    """The methods of :class:`andon.flow.environments.contract.Environments` that have no effects."""

    def __init__(self, service: EnvironmentService) -> None:
        self._service = service

    @property
    def recorded(self) -> EnvironmentService:
        """What the room's own edges ask."""
        return self._service

    def ensure(
        self,
        tx: Transaction,
        principal: Principal,
        service: Service,
        definition: EnvironmentDefinition,
        *,
        like: str | None = None,
    ) -> EnvironmentView:
        return self._service.ensure(tx, principal, service, definition, like=like)

    def remove(self, tx: Transaction, service: Service, name: str, *, reason: str, by: Actor) -> None:
        self._service.remove(tx, service, name, reason=reason, by=by)

    def expired(self, reading: Reading) -> tuple[tuple[Service, str], ...]:
        return self._service.expired(reading)

    def is_over(self, tx: Transaction, service: Service, name: str) -> bool:
        return self._service.is_over(tx, service, name)

    def find(self, reading: Reading, service: Service, name: str) -> EnvironmentView | None:
        return self._service.find(reading, service, name)

    def all(self, reading: Reading, service: Service | None = None) -> tuple[EnvironmentView, ...]:
        return self._service.all(reading, service)

    def set(self, reading: Reading, set_id: SetId) -> SetView:
        return self._service.set(reading, set_id)

    def retired_running(self, reading: Reading, service: Service, name: str) -> tuple[SetId, ...]:
        return self._service.retired_running(reading, service, name)

    def prepare(self, tx: Transaction, spec: SetSpec) -> SetId:
        return self._service.prepare(tx, spec)

    def mark(self, tx: Transaction, set_id: SetId, standing: Standing, *, reason: str) -> None:
        self._service.mark(tx, set_id, standing, reason=reason)
