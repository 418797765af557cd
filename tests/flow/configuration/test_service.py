"""Values and secrets: versioned on both databases, sealed, shown to nobody."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
import sqlalchemy as sa

from andon.flow.configuration import storage
from andon.flow.configuration.contract import ConfigForgotten, ConfigSet, ConfigVersion, SecretSet
from andon.flow.configuration.model import ConfigInvalid
from andon.flow.configuration.sealing import FileSecretBox
from andon.flow.configuration.service import ConfigurationService
from andon.flow.definition.contract import EnvironmentDefinition
from andon.flow.sources.contract import Service
from andon.kernel.access import SYSTEM, Grant, PersonId, Principal, Role
from andon.kernel.db import Database
from andon.kernel.errors import Forbidden, NotFound, Unavailable
from andon.kernel.events import Actor, ActorKind, Facets, page

SHOP = Service("shop")
PLACE = EnvironmentDefinition(name="production", config={"GREETING": "hello", "REGION": "eu"}, secrets=("KEY", "OTHER"))


@pytest.fixture
def configuration(tmp_path: Path) -> ConfigurationService:
    return ConfigurationService(FileSecretBox(tmp_path / "keys" / "secrets.key"))


def principal(role: Role, service: str | None = None) -> Principal:
    actor = Actor(ActorKind.PERSON, "per_1", "Maxine")
    return Principal(actor=actor, person=PersonId("per_1"), grants=(Grant(role, service),))


def put(
    configuration: ConfigurationService, database: Database, name: str, value: str | None, *, secret: bool = False
) -> ConfigVersion:
    with database.transaction() as tx:
        return configuration.set(tx, SYSTEM, SHOP, "production", name, value, secret=secret)


def test_each_version_stays_what_it_was(database: Database, configuration: ConfigurationService) -> None:
    put(configuration, database, "REGION", "us")
    first = put(configuration, database, "KEY", "one", secret=True)
    put(configuration, database, "KEY", "two", secret=True)
    put(configuration, database, "UNDECLARED", "x", secret=True)
    last = put(configuration, database, "REGION", None)
    with database.reading() as reading:
        assert configuration.current_version(reading, SHOP, "production") == last == 5
        assert configuration.current_version(reading, SHOP, "other") == 0
        then = configuration.values(reading, SHOP, PLACE, first)
        now = configuration.values(reading, SHOP, PLACE, last)
        assert then.config == {"GREETING": "hello", "REGION": "us"}
        assert then.secrets == {"KEY": "one"}
        assert now.config == {"GREETING": "hello", "REGION": "eu"}
        assert now.secrets == {"KEY": "two"}
        assert "two" not in repr(now)
        assert configuration.missing_secrets(reading, SHOP, PLACE, last) == ("OTHER",)
        assert configuration.changed_names(reading, SHOP, "production", first, last) == ("KEY", "REGION", "UNDECLARED")


def test_setting_the_same_again_is_no_change(database: Database, configuration: ConfigurationService) -> None:
    put(configuration, database, "REGION", "us")
    first = put(configuration, database, "KEY", "one", secret=True)
    put(configuration, database, "KEY", "one", secret=True)
    last = put(configuration, database, "REGION", "us")
    with database.reading() as reading:
        assert configuration.changed_names(reading, SHOP, "production", first, last) == ()


def test_secrets_are_sealed_and_never_shown(database: Database, configuration: ConfigurationService) -> None:
    put(configuration, database, "KEY", "correct-horse", secret=True)
    put(configuration, database, "REGION", "us")
    with database.reading() as reading:
        for row in reading.connection.execute(sa.select(storage.values)).all():
            assert b"correct-horse" not in row.value
        shown = configuration.shown(reading, SYSTEM, SHOP, "production")
        assert [(one.name, one.value, one.secret) for one in shown] == [("KEY", None, True), ("REGION", "us", False)]
        told = [one.decode() for one in page(reading, Facets(), after=0, limit=10)]
    assert [type(one) for one in told] == [SecretSet, ConfigSet]
    assert "correct-horse" not in repr(told)


def test_a_sealed_value_opens_only_where_it_belongs(
    database: Database, configuration: ConfigurationService, tmp_path: Path
) -> None:
    put(configuration, database, "KEY", "correct-horse", secret=True)
    with database.transaction() as tx:
        (sealed,) = tx.connection.execute(sa.select(storage.values.c.value)).scalars()
        storage.add(
            tx.connection, SHOP, "staging", version=1, name="KEY", secret=True, value=sealed, person=None, now=tx.now
        )
    moved = EnvironmentDefinition(name="staging", secrets=("KEY",))
    with database.reading() as reading, pytest.raises(Unavailable, match="shop/staging/KEY"):
        configuration.values(reading, SHOP, moved, ConfigVersion(1))
    other = ConfigurationService(FileSecretBox(tmp_path / "other.key"))
    with database.reading() as reading, pytest.raises(Unavailable) as told:
        other.values(reading, SHOP, PLACE, ConfigVersion(1))
    assert "correct-horse" not in str(told.value)


def test_what_is_forgotten_is_gone_in_every_version(database: Database, configuration: ConfigurationService) -> None:
    put(configuration, database, "REGION", "us")
    put(configuration, database, "KEY", "one", secret=True)
    put(configuration, database, "KEY", "two", secret=True)
    put(configuration, database, "OLD", "x")
    put(configuration, database, "OLD", None)
    with database.transaction() as tx:
        configuration.set(tx, SYSTEM, SHOP, "staging", "REGION", "eu", secret=False)
        configuration.forget(tx, SHOP, "production", by=SYSTEM.actor)
        configuration.forget(tx, SHOP, "production", by=SYSTEM.actor)
    with database.reading() as reading:
        (left,) = reading.connection.execute(sa.select(storage.values)).all()
        assert left.environment == "staging", "others keep theirs"
        (told,) = page(reading, Facets(type=ConfigForgotten.type))
    expected = ConfigForgotten(environment="production", service=SHOP, settings=("REGION",), secrets=("KEY",))
    assert told.decode() == expected


def test_the_key_is_its_owners_alone_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "secrets.key"
    sealed = FileSecretBox(path).seal(b"x", context="a")
    assert FileSecretBox(path).open(sealed, context="a") == b"x"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for broken in (b"", sealed[:-1], b"\x02" + sealed[1:], sealed + b"x"):
        with pytest.raises(Unavailable):
            FileSecretBox(path).open(broken, context="a")
    path.write_bytes(b"short")
    with pytest.raises(Unavailable, match="holds no key"):
        FileSecretBox(path)


@pytest.mark.parametrize(
    "name", ["", "lower", "1A", "A-B", "A B", "PORT", "PATH", "LD_PRELOAD", "ANDON_DATA", "A" * 101, "A\n", "Ä"]
)
def test_names_no_process_would_take_are_refused(
    sqlite_database: Database, configuration: ConfigurationService, name: str
) -> None:
    with pytest.raises(ConfigInvalid):
        put(configuration, sqlite_database, name, "x")


@pytest.mark.parametrize("value", ["a\0b", "x" * 65537])
def test_values_no_process_would_take_are_refused_without_being_shown(
    sqlite_database: Database, configuration: ConfigurationService, value: str
) -> None:
    with pytest.raises(ConfigInvalid) as told:
        put(configuration, sqlite_database, "KEY", value, secret=True)
    assert value not in str(told.value)


def test_removing_what_is_not_set_is_refused(sqlite_database: Database, configuration: ConfigurationService) -> None:
    for _ in range(2):
        with pytest.raises(NotFound):
            put(configuration, sqlite_database, "REGION", None)
    put(configuration, sqlite_database, "REGION", "us")
    put(configuration, sqlite_database, "REGION", None)
    with pytest.raises(NotFound):
        put(configuration, sqlite_database, "REGION", None)


def test_who_may_set_what(sqlite_database: Database, configuration: ConfigurationService) -> None:
    put(configuration, sqlite_database, "KEY", "x", secret=True)
    with pytest.raises(NotFound, match="is a secret"):
        put(configuration, sqlite_database, "KEY", None)
    for role, kind in ((Role.DEVELOPER, False), (Role.VIEWER, True), (Role.CONTRIBUTOR, False)):
        with sqlite_database.transaction() as tx, pytest.raises(Forbidden):
            configuration.set(tx, principal(role), SHOP, "production", "A", "x", secret=kind)
    stranger = principal(Role.OPERATOR, "other")
    with sqlite_database.transaction() as tx, pytest.raises(NotFound):
        configuration.set(tx, stranger, SHOP, "production", "A", "x", secret=False)
    with sqlite_database.reading() as reading, pytest.raises(NotFound):
        configuration.shown(reading, stranger, SHOP, "production")
    with sqlite_database.transaction() as tx:
        assert configuration.set(tx, principal(Role.OPERATOR), SHOP, "production", "A", "x", secret=True) == 2


def test_two_changes_at_once_cannot_share_a_version(database: Database, configuration: ConfigurationService) -> None:
    put(configuration, database, "REGION", "us")
    with database.transaction() as tx:
        taken = storage.add(
            tx.connection, SHOP, "production", version=1, name="X", secret=False, value=b"x", person=None, now=tx.now
        )
        assert not taken
        assert configuration.set(tx, SYSTEM, SHOP, "production", "X", "y", secret=False) == 2
