"""What flags offer to the application."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from andon.flow.definition.contract import DefinitionReader
from andon.flow.environments.contract import Environments
from andon.flow.environments.contract.equipment import Equipper
from andon.flow.flags.api import flag_routes
from andon.flow.flags.contract import EvaluationsSeen, Flags, OpenGate, RampGate
from andon.flow.flags.contract.audiences import Segments
from andon.flow.flags.desk import Desk, NobodyCounts
from andon.flow.flags.equipping import FlagEquipper, FlagFolders
from andon.flow.flags.examining import Examination
from andon.flow.flags.files import FlagFiles
from andon.flow.flags.model.pretending import pretends_words
from andon.flow.flags.pages import pages_of
from andon.flow.flags.pages.drawing import flag_address
from andon.flow.flags.places import DefinedPlaces
from andon.flow.flags.ports import Authority
from andon.flow.flags.pushing import FlagsAnnouncer, FlagsAsCode
from andon.flow.flags.reaching import FolderReach
from andon.flow.flags.reactions import reactions
from andon.flow.flags.references import Remembered
from andon.flow.flags.service.audiences import AudienceService
from andon.flow.flags.service.code import CodeService
from andon.flow.flags.service.documents import Documents
from andon.flow.flags.service.flags import FlagService
from andon.flow.flags.service.pretending import PretenceService
from andon.flow.flags.service.segments import SegmentService
from andon.flow.flags.serving.admission import Admission
from andon.flow.flags.serving.asking import Asking
from andon.flow.flags.serving.door import DOCUMENT, REMOTE, STREAM, FlagDoor
from andon.flow.flags.serving.hub import Hub, Place
from andon.flow.flags.serving.regularly import Regularly
from andon.flow.flags.serving.sockets import FlagSockets
from andon.flow.flags.serving.tickets import Tickets
from andon.flow.flags.telling import TELLING
from andon.flow.pipelines.contract import Pretences
from andon.flow.sources.contract import Announcer, Service, Sources
from andon.kernel.access.contract import People
from andon.kernel.db import Database, Reading
from andon.kernel.events import Bell
from andon.web.room import Entry, Reconciler, Room
from andon.web.shell import NavItem

RAMPS_SECONDS = 1.0
FILES_SECONDS = 15.0
ASKED_SECONDS = 30.0


@dataclass(slots=True)
class BuiltFlags:
    """Flags, wired as far as other rooms of the First Way need them."""

    flags: FlagService
    segments: SegmentService
    code: FlagsAsCode
    announcer: Announcer
    places: DefinedPlaces
    documents: Documents
    seen: EvaluationsSeen

    @property
    def contract(self) -> Flags:
        return self.flags

    @property
    def audiences(self) -> Segments:
        """What rooms ask that give segments their traffic."""
        return AudienceService(self.documents, self.segments.changes)

    def judged_by(self, gate: RampGate) -> None:
        """Let an upper room judge ramps too."""
        self.flags.ramping.judged_by(gate)

    def note(self, reading: Reading, service: Service, environment: str) -> str:
        """What is to be said of an environment that serves other flags than its own; empty for one that does not."""
        said = pretends_words(self.flags.pretences(reading, service).get(environment))
        return f"Its flags are {said}. It serves its own again when the tests are over." if said else ""

    def counted_by(self, seen: EvaluationsSeen) -> None:
        """Let an upper room say when services last asked for a flag."""
        self.seen = seen

    def examination(self, doors: Path) -> Examination:
        """What looks for what is amiss; ``doors`` is the folder of Andon's own sockets."""
        return Examination(self.flags, self.segments, self.code.sources, FlagFolders(doors))


def flag_equipper(doors: Path) -> Equipper:
    """What gives sandboxes their flags; ``doors`` is the folder of Andon's own sockets."""
    return FlagEquipper(FlagFolders(doors))


def build_flags(
    database: Database,
    *,
    sources: Sources,
    definitions: DefinitionReader,
    environments: Environments,
    authority: Authority,
) -> BuiltFlags:
    documents = Documents()
    places = DefinedPlaces(sources, definitions, environments)
    flags = FlagService(documents, places, (OpenGate(),))
    code = FlagsAsCode(CodeService(flags), sources, authority)
    return BuiltFlags(
        flags=flags,
        segments=SegmentService(documents, places),
        code=code,
        announcer=FlagsAnnouncer(database, code),
        places=places,
        documents=documents,
        seen=NobodyCounts(),
    )


def build_pretences(built: BuiltFlags, doors: Path) -> Pretences:
    """What lets environments serve the flags that a stage's jobs ask for."""
    return PretenceService(built.documents, built.places, FolderReach(FlagFolders(doors)))


def flags_room(
    built: BuiltFlags,
    *,
    database: Database,
    bell: Bell,
    sources: Sources,
    environments: Environments,
    people: People,
    doors: Path,
) -> Room:
    flags, folders = built.flags, FlagFolders(doors)
    desk = Desk(
        flags=flags,
        segments=built.segments,
        sources=sources,
        people=people,
        code=Remembered(sources),
        seen=lambda: built.seen,
    )

    def running(reading: Reading) -> tuple[tuple[Service, str], ...]:
        return tuple((one.service, one.name) for one in environments.all(reading))

    def places() -> tuple[Place, ...]:
        with database.reading() as reading:
            return tuple(Place(service, name) for service, name in running(reading))

    def exists(place: Place) -> bool:
        with database.reading() as reading:
            known = place.service in sources.services(reading)
            return known and place.environment in flags.environments(reading, place.service)

    hub = Hub(database, bell, flags)
    asking = Asking(database, flags)
    door = FlagDoor(hub, Admission(database, bell), Tickets(), asking, exists)
    sockets = FlagSockets(door, folders, places)
    counting = Regularly("flags asked for", ASKED_SECONDS, asking.write)
    files = FlagFiles(database, flags, folders, running)

    def opened() -> None:
        hub.start()
        sockets.start()
        counting.start()

    def shut() -> None:
        counting.stop()
        sockets.stop()
        hub.stop()

    return Room(
        name="flags",
        templates="andon.flow.flags",
        handlers=(*flag_routes(desk), *pages_of(desk)),
        navigation=(NavItem("Flow", "Flags", "/flags", "flag", "f"),),
        entries=lambda reading, principal: [
            Entry(name, flag_address(service, name), "flag", service)
            for service, name in flags.names(reading, principal)
        ],
        telling=TELLING,
        reactions=reactions(built.code, files),
        reconcilers=(
            Reconciler("flag ramps", RAMPS_SECONDS, lambda: flags.ramping.turn(database)),
            Reconciler("flag files", FILES_SECONDS, files.sync),
        ),
        mounts={REMOTE: door, DOCUMENT: door, STREAM: door},
        open=opened,
        shut=shut,
        leave=hub.end_streams,
    )
