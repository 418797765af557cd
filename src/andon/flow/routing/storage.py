"""The table of routes."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from andon.flow.routing.contract import RouteView
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
)


def find(connection: Connection, service: Service, environment: str) -> RouteView | None:
    row = connection.execute(
        sa.select(routes).where(routes.c.service == service, routes.c.environment == environment).with_for_update()
    ).first()
    return None if row is None else RouteView(**row._mapping)


def every(connection: Connection) -> tuple[RouteView, ...]:
    rows = connection.execute(sa.select(routes).order_by(routes.c.service, routes.c.environment)).all()
    return tuple(RouteView(**row._mapping) for row in rows)


def put(connection: Connection, route: RouteView) -> None:
    remove(connection, route.service, route.environment)
    connection.execute(
        routes.insert().values(
            service=route.service,
            environment=route.environment,
            port=route.port,
            set=route.set,
            fence=route.fence,
        )
    )


def remove(connection: Connection, service: Service, environment: str) -> None:
    connection.execute(routes.delete().where(routes.c.service == service, routes.c.environment == environment))
