"""What programs have of pretended flags: a test begins when each of them has said that it applied them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from andon.flow.definition.contract import EnvironmentDefinition, FlagState
from andon.flow.definition.reader import YamlDefinitionReader
from andon.flow.flags.equipping import FILE, SOCKET, FlagFolders
from andon.flow.flags.model.flag import Head
from andon.flow.flags.model.pretending import variant_when_on
from andon.flow.flags.places import DefinedPlaces
from andon.flow.flags.reaching import FolderReach, asked
from andon.flow.flags.room import build_pretences
from andon.flow.flags.service.documents import Documents
from andon.flow.flags.service.pretending import PretenceService
from andon.flow.pipelines.contract import RunId
from andon.flow.sources.contract import NO_COMMIT
from andon.kernel.access import SYSTEM
from andon.kernel.errors import Conflict
from andon.kernel.events import ANDON
from andon.kernel.files import write_whole
from andon_flags import Flags
from andon_flags.document import Kind
from tests.databases import Databases
from tests.flow.environments.place import wait_until
from tests.flow.flags.conftest import Flagged, flagged
from tests.flow.flags.serving import FLAGS, FlagSite, create_flag, open_flag_site
from tests.flow.installation import PASSWORD, STORE, Installation, definition

RUN = RunId("run_tests")


@pytest.fixture
def site(tmp_path: Path, databases: Databases) -> Iterator[FlagSite]:
    with open_flag_site(tmp_path, databases) as found:
        create_flag(found)
        with found.installation.database.transaction() as tx:
            found.installation.environments.ensure(tx, SYSTEM, STORE, EnvironmentDefinition(name="acceptance"))
        wait_until((FlagFolders(found.doors).folder(STORE, "acceptance") / SOCKET).exists)
        yield found


def begin(site: FlagSite, state: FlagState) -> int:
    with site.installation.database.transaction() as tx:
        revision = build_pretences(site.built, site.doors).begin(
            tx,
            service=STORE,
            environment="acceptance",
            state=state,
            like="production",
            run=RUN,
            stage=1,
            commit=NO_COMMIT,
            by=ANDON,
        )
    assert revision is not None
    return revision


def write_file(site: FlagSite) -> Path:
    """As the worker does."""
    folder = FlagFolders(site.doors).folder(STORE, "acceptance")
    with site.installation.database.reading() as reading:
        write_whole(folder / FILE, site.built.flags.document(reading, STORE, "acceptance").content)
    return folder


def test_a_test_begins_when_every_program_has_confirmed_and_pages_say_what_is_pretended(site: FlagSite) -> None:
    folder = write_file(site)
    reach = FolderReach(FlagFolders(site.doors))
    with Flags(url=f"unix:{folder / SOCKET}") as flags:
        assert flags.ready(60)
        wait_until(lambda: flags.status().connected)
        assert flags.boolean("new-checkout", {"targetingKey": "u1"}) is False
        revision = begin(site, FlagState.ALL_ON)
        write_file(site)
        assert reach.wait(STORE, "acceptance", revision, lambda: False) is None
        # no pause in between: it had applied them before it said so
        assert flags.boolean("new-checkout", {"targetingKey": "u1"}) is True
        found = asked(folder / SOCKET, revision)
        assert found is not None
        assert (found.listening, found.behind) == (1, 0)

        there = site.api().get(f"{FLAGS}/new-checkout").json()["flag"]["environments"]
        told = {one["environment"]: one["pretends"] for one in there}
        assert told["acceptance"] == f"all on, for tests of {NO_COMMIT[:7]} (run_tests)"
        assert told["production"] == ""
        maxine = site.serving.browser()
        assert maxine.sign_in("Maxine", PASSWORD).status_code == 303
        for address in ("/flags", "/flags/store", "/flags/store/new-checkout"):
            shown = maxine.get(address).text
            assert "the flags of acceptance are all on, for tests of" in " ".join(shown.split()).lower()

        with site.installation.database.transaction() as tx:
            build_pretences(site.built, site.doors).end(tx, RUN, why="over", by=ANDON)
        wait_until(lambda: flags.boolean("new-checkout", {"targetingKey": "u1"}) is False)


def test_a_program_that_does_not_confirm_keeps_the_test_from_beginning(site: FlagSite) -> None:
    folder = write_file(site)
    stuck = threading.Event()
    with Flags(url=f"unix:{folder / SOCKET}") as flags:
        assert flags.ready(60)
        wait_until(lambda: flags.status().connected)
        flags.on_change(lambda *_: stuck.wait(60) and None)
        revision = begin(site, FlagState.ALL_ON)
        write_file(site)
        try:
            reach = FolderReach(FlagFolders(site.doors), patience=0.5)
            assert reach.wait(STORE, "acceptance", revision, lambda: False) == (
                "1 of 1 programs in acceptance that follow its flags did not apply these within 0.5 s"
            )
            assert reach.wait(STORE, "acceptance", revision, lambda: True) is None
        finally:
            stuck.set()
        assert FolderReach(FlagFolders(site.doors)).wait(STORE, "acceptance", revision, lambda: False) is None


def test_whoever_looks_on_with_a_token_does_not_keep_the_test_from_beginning(site: FlagSite) -> None:
    write_file(site)
    place = {"service": "store", "environment": "acceptance"}
    looking = site.client(site.token("Wes"), **{"x-andon-listener": "0123456789abcdef"})
    with looking, looking.stream("GET", "/api/v1/flags/stream", params=place) as stream:
        assert any(line.startswith("data: ") for line in stream.iter_lines())
        revision = begin(site, FlagState.ALL_ON)
        folder = write_file(site)
        reach = FolderReach(FlagFolders(site.doors), patience=60.0, between=0.0)
        assert reach.wait(STORE, "acceptance", revision, lambda: False) is None
        found = asked(folder / SOCKET, revision)
        assert found is not None
        assert found.listening == 0


def test_without_a_program_that_follows_the_file_is_what_counts(tmp_path: Path) -> None:
    folders = FlagFolders(tmp_path)
    reach = FolderReach(folders, patience=0.2, between=0.0)
    assert reach.wait(STORE, "acceptance", 3, lambda: False) == (
        "the flags of acceptance could not be written within 0.2 s"
    )
    folder = folders.folder(STORE, "acceptance")
    folder.mkdir(parents=True)
    (folder / FILE).write_text('{"revision": 3}')
    assert reach.wait(STORE, "acceptance", 3, lambda: False) is None
    at_the_last_moment = FolderReach(folders, patience=0.0, between=0.1)
    assert at_the_last_moment.wait(STORE, "acceptance", 3, lambda: False) is None


def test_all_on_serves_true_or_the_first_variant_that_is_not_off() -> None:
    inverted = Head(kind=Kind.BOOLEAN, variants={"off": False, "on": True}, off="on")
    assert variant_when_on(inverted, "on") == "on"
    never = Head(kind=Kind.BOOLEAN, variants={"no": False}, off="no")
    assert variant_when_on(never, "no") == "no"
    colours = Head(kind=Kind.STRING, variants={"grey": "g", "red": "r", "blue": "b"}, off="grey")
    assert variant_when_on(colours, "grey") == "red"
    assert variant_when_on(colours, "red") == "grey"


def test_an_environment_that_asks_for_a_second_person_pretends_nothing(local: Installation) -> None:
    place = flagged(local, definition().replace("keep_warm: 1\n", "keep_warm: 1\n    flags: { second_person: true }\n"))
    places = DefinedPlaces(local.sources, YamlDefinitionReader(), local.environments)
    pretences = PretenceService(Documents(), places, FolderReach(FlagFolders(Path("/nowhere"))))
    with pytest.raises(Conflict, match="second person"), place.installation.database.transaction() as tx:
        pretences.begin(
            tx,
            service=STORE,
            environment="acceptance",
            state=FlagState.ALL_ON,
            like="production",
            run=RUN,
            stage=1,
            commit=NO_COMMIT,
            by=ANDON,
        )


def test_a_row_is_all_that_is_pretended_on_both_databases(place: Flagged) -> None:
    database, documents = place.installation.database, Documents()
    places = DefinedPlaces(place.installation.sources, YamlDefinitionReader(), place.installation.environments)
    pretences = PretenceService(documents, places, FolderReach(FlagFolders(Path("/nowhere"))))

    def begin_for(run: str, state: FlagState) -> int | None:
        with database.transaction() as tx:
            return pretences.begin(
                tx,
                service=STORE,
                environment="acceptance",
                state=state,
                like="production",
                run=RunId(run),
                stage=1,
                commit=NO_COMMIT,
                by=ANDON,
            )

    def said() -> tuple[int, str, bool]:
        with database.reading() as reading:
            built = documents.of(reading, STORE, "acceptance")
        return built.told.revision, str(built.document.flags["banner"].default), built.pretended

    with database.transaction() as tx:
        head = Head(kind=Kind.STRING, variants={"none": "", "sale": "Sale"})
        place.flags.create(tx, SYSTEM, STORE, "banner", head)
    own = said()
    first = begin_for("run_1", FlagState.ALL_ON)
    assert said() == (first, "sale", True)
    assert begin_for("run_1", FlagState.ALL_ON) == first, "it is safe to repeat"
    assert begin_for("run_2", FlagState.ALL_OFF) is None, "another run waits"
    second = begin_for("run_1", FlagState.AS_IN_PRODUCTION)
    assert second is not None
    assert said() == (second, "none", True)
    with database.transaction() as tx:
        pretences.end(tx, RunId("run_2"), why="not theirs", by=ANDON)
    assert said()[2]
    with database.transaction() as tx:
        pretences.end(tx, RunId("run_1"), why="over", by=ANDON)
    assert said() == (second + 1, own[1], False)
    with database.reading() as reading:
        assert pretences.held(reading) == ()
