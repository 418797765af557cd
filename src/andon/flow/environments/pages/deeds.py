"""What people do to an environment from its pages."""

from __future__ import annotations

from datetime import datetime

from andon.flow.deployments.contract import EnvironmentEnd
from andon.flow.environments.pages.instance import member
from andon.flow.environments.pages.show import PLACE, Places, draw
from andon.flow.environments.pages.words import LIST, instance_address, place_address
from andon.flow.sources.contract import Service
from andon.kernel.errors import Invalid
from andon.web.http.pages import Handlers, Html, PageContext, deed

CONFIGURATION = "#configuration"


def environment_deeds(places: Places, end: EnvironmentEnd) -> Handlers:
    def set_value(context: PageContext, service: str, environment: str, value: str | None, *, secret: bool) -> Html:
        name = context.form.get("name", "").strip()
        try:
            with context.database.transaction() as tx:
                place = places.find(tx, context.principal, service, environment)
                places.configuration.set(tx, context.principal, place.service, place.name, name, value, secret=secret)
        except Invalid as error:
            # The form comes back with what was typed, but for a secret: that is never sent to a browser.
            wrong = {"form": "secret" if secret else "config", "name": name, "why": str(error)}
            if not secret:
                wrong["value"] = value or ""
            return draw(places, context, service, environment, wrong=wrong, status=400)
        return context.go(place_address(service, environment) + CONFIGURATION)

    @deed(f"{PLACE}/config")
    def set_config(context: PageContext, service: str, environment: str) -> Html:
        return set_value(context, service, environment, context.form.get("value", ""), secret=False)

    @deed(f"{PLACE}/secrets")
    def set_secret(context: PageContext, service: str, environment: str) -> Html:
        return set_value(context, service, environment, context.form.get("value", ""), secret=True)

    @deed(f"{PLACE}/config/remove")
    def remove_config(context: PageContext, service: str, environment: str) -> Html:
        return set_value(context, service, environment, None, secret=False)

    @deed(f"{PLACE}/secrets/remove")
    def remove_secret(context: PageContext, service: str, environment: str) -> Html:
        _confirmed(context, context.required("name"))
        return set_value(context, service, environment, None, secret=True)

    @deed(f"{PLACE}/destroy")
    def destroy(context: PageContext, service: str, environment: str) -> Html:
        with context.database.transaction() as tx:
            place = places.find(tx, context.principal, service, environment)
            _confirmed(context, place.name)
            end.destroy(tx, context.principal, Service(service), environment, reason="on request")
        return context.go(LIST)

    @deed(f"{PLACE}/extend")
    def extend(context: PageContext, service: str, environment: str) -> Html:
        by, ending = _number(context.required("by")), _moment(context.required("ends"))
        with context.database.transaction() as tx:
            places.environments.extend(tx, context.principal, Service(service), environment, by, ending=ending)
        return context.go(place_address(service, environment))

    @deed(f"{PLACE}/instances/{{instance:str}}/replace")
    def replace(context: PageContext, service: str, environment: str, instance: str) -> Html:
        with context.database.transaction() as tx:
            _place, _of, one = member(places, tx, context.principal, service, environment, instance)
            places.environments.request_replacement(tx, context.principal, one.id)
        return context.go(instance_address(service, environment, one.id))

    return [set_config, set_secret, remove_config, remove_secret, destroy, extend, replace]


def _number(text: str) -> float:
    if not text.isdecimal() or len(text) > 9:
        raise Invalid("That is no number of seconds.", safe="Nothing was changed.", remedy="Choose one from the list.")
    return float(text)


def _moment(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise Invalid("That is no moment.", safe="Nothing was changed.", remedy="Open the page again.")
    return found


def _confirmed(context: PageContext, name: str) -> None:
    if context.form.get("confirm", "").strip() != name:
        raise Invalid(
            "The name typed is not the right one.",
            safe="Nothing was changed.",
            remedy=f"Go back and type {name}.",
        )
