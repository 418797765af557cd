"""The tables of routes, and of what is forwarded to other services."""

from __future__ import annotations

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from andon.flow.routing.contract import Forwarding, Plan, RouteView
from andon.flow.sources.contract import Service
from andon.kernel.db import metadata

routes = sa.Table(
    "routes",
    metadata,
    sa.Column("service", sa.String(80), primary_key=True),
    sa.Column("environment", sa.String(80), primary_key=True),
    sa.Column("port", sa.Integer, nullable=False),
    sa.Column("set", sa.String(40), nullable=False),
    sa.Column("fence", sa.Integer, nullable=False),
    sa.Column("plan", sa.Text, nullable=True),  # JSON; none while one set has all the traffic
)

forwardings = sa.Table(
    "forwardings",
    metadata,
    sa.Column("service", sa.String(80), primary_key=True),
    sa.Column("environment", sa.String(80), primary_key=True),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("document", sa.Text, nullable=False),  # JSON
)

_VIEW = (routes.c.service, routes.c.environment, routes.c.port, routes.c.set, routes.c.fence)


def find(connection: Connection, service: Service, environment: str, *, lock: bool = False) -> RouteView | None:
    """``lock``: nobody else changes it until the transaction, which must not be a reading one, ends."""
    wanted = sa.select(*_VIEW).where(*_route(service, environment))
    row = connection.execute(wanted.with_for_update() if lock else wanted).first()
    return None if row is None else RouteView(**row._mapping)


def plan(connection: Connection, service: Service, environment: str) -> Plan | None:
    found = connection.execute(sa.select(routes.c.plan).where(*_route(service, environment))).scalar()
    return None if found is None else msgspec.json.decode(found, type=Plan)


def every(connection: Connection) -> tuple[tuple[RouteView, Plan | None], ...]:
    rows = connection.execute(
        sa.select(*_VIEW, routes.c.plan).order_by(routes.c.service, routes.c.environment)
    ).mappings()
    return tuple(
        (
            RouteView(**{name: value for name, value in row.items() if name != "plan"}),
            None if row["plan"] is None else msgspec.json.decode(row["plan"], type=Plan),
        )
        for row in rows
    )


def put(connection: Connection, route: RouteView, plan: Plan | None) -> None:
    remove(connection, route.service, route.environment)
    connection.execute(
        routes.insert().values(
            service=route.service,
            environment=route.environment,
            port=route.port,
            set=route.set,
            fence=route.fence,
            plan=None if plan is None else msgspec.json.encode(plan).decode(),
        )
    )


def remove(connection: Connection, service: Service, environment: str) -> None:
    connection.execute(routes.delete().where(*_route(service, environment)))


def forwarding(connection: Connection, service: Service, environment: str, *, lock: bool = False) -> Forwarding:
    """``lock`` as for :func:`find`."""
    wanted = sa.select(forwardings.c.document).where(*_forwarding(service, environment))
    found = connection.execute(wanted.with_for_update() if lock else wanted).scalar()
    return Forwarding() if found is None else msgspec.json.decode(found, type=Forwarding)


def every_forwarding(connection: Connection) -> dict[tuple[Service, str], Forwarding]:
    rows = connection.execute(sa.select(forwardings)).mappings()
    return {
        (Service(row["service"]), row["environment"]): msgspec.json.decode(row["document"], type=Forwarding)
        for row in rows
    }


def put_forwarding(connection: Connection, service: Service, environment: str, one: Forwarding) -> None:
    remove_forwarding(connection, service, environment)
    connection.execute(
        forwardings.insert().values(
            service=service,
            environment=environment,
            version=one.version,
            document=msgspec.json.encode(one).decode(),
        )
    )


def remove_forwarding(connection: Connection, service: Service, environment: str) -> None:
    connection.execute(forwardings.delete().where(*_forwarding(service, environment)))


def _route(service: Service, environment: str) -> tuple[sa.ColumnElement[bool], ...]:
    return (routes.c.service == service, routes.c.environment == environment)


def _forwarding(service: Service, environment: str) -> tuple[sa.ColumnElement[bool], ...]:
    return (forwardings.c.service == service, forwardings.c.environment == environment)
