"""The API of configuration and secrets."""

from __future__ import annotations

from andon.flow.configuration.model import check_environment
from andon.flow.configuration.service import ConfigurationService
from andon.flow.configuration.views import ConfigShape, ConfigValues, SecretValue, ValueShape
from andon.flow.sources.contract import Service, Sources
from andon.kernel.access import Principal
from andon.kernel.db import Reading
from andon.kernel.errors import Invalid, NotFound
from andon.web.http import api
from andon.web.http.api import Call, Handlers

_PLACE = "/services/{service:str}/environments/{environment:str}"
_MOST = 200


def configuration_routes(configuration: ConfigurationService, sources: Sources) -> Handlers:
    def known(reading: Reading, principal: Principal, service: str) -> Service:
        principal.require_sight(service)
        found = Service(service)
        if found not in sources.services(reading):
            raise NotFound(
                f"There is no service {service[:80]!r}.", remedy="See which there are: andon repository list"
            )
        return found

    def shape(reading: Reading, principal: Principal, service: Service, environment: str) -> ConfigShape:
        check_environment(environment)
        return ConfigShape(
            service=service,
            environment=environment,
            version=configuration.current_version(reading, service, environment),
            values=[ValueShape.of(one) for one in configuration.shown(reading, principal, service, environment)],
        )

    @api.get(_PLACE + "/config")
    def show_config(call: Call, service: str, environment: str) -> ConfigShape:
        """What is set for an environment, beside its definition; of secrets only that they are."""
        with call.database.reading() as reading:
            return shape(reading, call.principal, known(reading, call.principal, service), environment)

    @api.put(_PLACE + "/config")
    def set_config(call: Call, service: str, environment: str, data: ConfigValues) -> ConfigShape:
        """Set values, all or none; the next deployment takes them up."""
        if not 0 < len(data.values) <= _MOST:
            raise Invalid(f"Send between 1 and {_MOST} values.", safe="Nothing was changed.")
        with call.database.transaction() as tx:
            owner = known(tx, call.principal, service)
            for name, value in data.values.items():
                configuration.set(tx, call.principal, owner, environment, name, value, secret=False)
            return shape(tx, call.principal, owner, environment)

    @api.delete(_PLACE + "/config/{name:str}")
    def unset_config(call: Call, service: str, environment: str, name: str) -> None:
        """Remove a value; what the definition says of it counts again, if it says anything."""
        with call.database.transaction() as tx:
            owner = known(tx, call.principal, service)
            configuration.set(tx, call.principal, owner, environment, name, None, secret=False)

    @api.put(_PLACE + "/secrets/{name:str}")
    def set_secret(call: Call, service: str, environment: str, name: str, data: SecretValue) -> ConfigShape:
        """Set a secret; it is sealed at once and never shown again. The next deployment takes it up."""
        with call.database.transaction() as tx:
            owner = known(tx, call.principal, service)
            configuration.set(tx, call.principal, owner, environment, name, data.value, secret=True)
            return shape(tx, call.principal, owner, environment)

    @api.delete(_PLACE + "/secrets/{name:str}")
    def unset_secret(call: Call, service: str, environment: str, name: str) -> None:
        """Remove a secret."""
        with call.database.transaction() as tx:
            owner = known(tx, call.principal, service)
            configuration.set(tx, call.principal, owner, environment, name, None, secret=True)

    return [show_config, set_config, unset_config, set_secret, unset_secret]
