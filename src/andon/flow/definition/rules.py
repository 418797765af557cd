"""Rules that look at more than one place of ``andon.yaml`` at a time.

They run on whatever could be read, also when other things are wrong, so that all faults come at once. Each
carries the sentence that stands for it in the reference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from andon.flow.definition.contract import (
    PARTS,
    Audience,
    Definition,
    MigrationDefinition,
    StageDefinition,
    Strategy,
    Unit,
)
from andon.flow.definition.kinds import Path, Percent, Reading, listing, nearest_word
from andon.flow.schema.contract import Dialect

Check = Callable[[Definition, Reading], None]
_SHARE = Percent("5%")
_OURS = ("andon-", "__host-andon-", "x-envoy-", "x-forwarded-", "x-request-id")


@dataclass(frozen=True, slots=True)
class Rule:
    about: str
    """One sentence for the reference, in Markdown."""
    check: Check


RULES: list[Rule] = []


def rule(about: str) -> Callable[[Check], Check]:
    def register(check: Check) -> Check:
        RULES.append(Rule(about, check))
        return check

    return register


def check(definition: Definition, reading: Reading) -> None:
    """Note every broken rule in ``reading``."""
    for one in RULES:
        one.check(definition, reading)


def _unknown(reading: Reading, path: Path, what: str, word: str, known: Iterable[str], declared_in: str) -> None:
    words = list(known)
    shown = words if len(words) <= 12 else [*words[:11], "…"]
    expected = listing(shown) if words else f"an entry {word!r} in {declared_in!r}"
    reading.fault(
        reading.value(path),
        path,
        f"there is no {what} {word!r}",
        expected=expected,
        nearest=nearest_word(word, words),
    )


def _at(reading: Reading, path: Path, word: str) -> Path:
    """The place of ``word`` in the list at ``path``."""
    index = 0
    while (*path, index) in reading.values:
        if reading.texts.get((*path, index)) == word:
            return (*path, index)
        index += 1
    return path


@rule("`needs` names jobs of the same stage, and no job waits for itself, not even by way of others.")
def needs_lead_somewhere(definition: Definition, reading: Reading) -> None:
    for stage in definition.stages:
        names = [job.name for job in stage.jobs]
        elsewhere = {job.name: other.name for other in definition.stages for job in other.jobs if other != stage}
        for job in stage.jobs:
            path: Path = ("stages", stage.name, "jobs", job.name, "needs")
            for need in job.needs:
                if need in names:
                    continue
                here = _at(reading, path, need)
                if need in elsewhere:
                    reading.fault(
                        reading.value(here),
                        here,
                        f"the job {need!r} is in stage {elsewhere[need]!r}, not in {stage.name!r}",
                        expected="a job of the same stage; stages wait for each other anyway",
                    )
                else:
                    others = [name for name in names if name != job.name]
                    _unknown(reading, here, "job", need, others, "jobs")
        for cycle in _cycles(stage):
            path = ("stages", stage.name, "jobs", cycle[0], "needs")
            here = _at(reading, path, cycle[1])
            message = (
                f"the job {cycle[0]!r} needs itself"
                if len(cycle) == 2
                else f"jobs wait for each other in a circle: {' → '.join(cycle)}"
            )
            reading.fault(reading.value(here), here, message, expected="an order in which the jobs can run")


def _cycles(stage: StageDefinition) -> list[tuple[str, ...]]:
    """Circles among the jobs of ``stage``, each once, beginning and ending with its first job in the file."""
    needs = {job.name: job.needs for job in stage.jobs}
    order = {name: index for index, name in enumerate(needs)}
    done: set[str] = set()
    cycles: list[tuple[str, ...]] = []
    for start in needs:
        # Depth first without recursion: a chain of a thousand jobs is allowed.
        path: list[str] = []
        on_path: set[str] = set()
        todo: list[tuple[str, bool]] = [(start, True)]
        while todo:
            name, entering = todo.pop()
            if not entering:
                path.pop()
                on_path.discard(name)
                done.add(name)
            elif name in on_path:
                circle = path[path.index(name) :]
                first = circle.index(min(circle, key=lambda one: order[one]))
                circle = circle[first:] + circle[:first]
                cycles.append((*circle, circle[0]))
            elif name not in done:
                path.append(name)
                on_path.add(name)
                todo.append((name, False))
                todo += [(need, True) for need in reversed(needs[name]) if need in needs]
    return cycles


@rule("A job's `services` are entries of `services`.")
def services_exist(definition: Definition, reading: Reading) -> None:
    known = [service.name for service in definition.services]
    for stage in definition.stages:
        for job in stage.jobs:
            path: Path = ("stages", stage.name, "jobs", job.name, "services")
            for name in job.services:
                if name not in known:
                    _unknown(reading, _at(reading, path, name), "service", name, known, "services")


@rule("A stage's `environment` is an entry of `environments`.")
def environments_exist(definition: Definition, reading: Reading) -> None:
    known = [environment.name for environment in definition.environments]
    for stage in definition.stages:
        if stage.environment is not None and stage.environment not in known:
            path: Path = ("stages", stage.name, "environment")
            _unknown(reading, path, "environment", stage.environment, known, "environments")


@rule("Migrations that are checked name their `database`, and the first stage leaves the name `migrations` to them.")
def checked_migrations_name_their_database(definition: Definition, reading: Reading) -> None:
    migrations = definition.migrations
    checked = migrations.folder or migrations.sql
    path: Path = ("migrations",)
    if checked and migrations.database is None and not reading.given((*path, "database")):
        here: Path = (*path, "folder" if migrations.folder else "sql")
        reading.fault(
            reading.key(here),
            here,
            "nothing says which database the SQL is written for",
            expected=f"database: {listing(one.value for one in Dialect)}",
        )
    if migrations.database is not None and not checked:
        reading.fault(
            reading.key((*path, "database")),
            (*path, "database"),
            "'database' is about SQL that is checked, and there is none",
            expected="'folder' or 'sql' beside it",
        )
    if migrations.batch != MigrationDefinition().batch and migrations.backfill is None:
        reading.fault(
            reading.key((*path, "batch")),
            (*path, "batch"),
            "'batch' is about a backfill, and there is none",
            expected="'backfill' beside it",
        )
    jobs: Path = ("stages", definition.stages[0].name, "jobs", "migrations") if definition.stages else ()
    if checked and jobs and any(job.name == "migrations" for job in definition.stages[0].jobs):
        reading.fault(
            reading.key(jobs),
            jobs,
            "the check of the migrations is called 'migrations', and so is this job of the same stage",
            expected="another name",
        )


@rule("A stage that deploys needs something to deploy: `package`, and at least one entry of `run`.")
def deploying_needs_a_package(definition: Definition, reading: Reading) -> None:
    for stage in definition.stages:
        if stage.environment is None:
            continue
        path: Path = ("stages", stage.name, "environment")
        if not reading.given(("package",)):
            reading.fault(
                reading.key(path),
                path,
                f"stage {stage.name!r} deploys, and the file has no 'package'",
                expected="package: {files: [...]}, which says what is deployed",
            )
        if not definition.processes and (not reading.given(("run",)) or reading.empty(("run",))):
            reading.fault(
                reading.key(path),
                path,
                f"stage {stage.name!r} deploys, and the file has no 'run'",
                expected="run: {web: {command: ...}}, which says how the package runs",
            )


@rule("The first stage does not deploy: the package is built after it.")
def first_stage_does_not_deploy(definition: Definition, reading: Reading) -> None:
    if definition.stages and definition.stages[0].environment is not None:
        path: Path = ("stages", definition.stages[0].name, "environment")
        reading.fault(
            reading.key(path),
            path,
            "the first stage deploys, but the package is built after it",
            expected="a stage with jobs before it, such as commit: {jobs: {test: {run: make test}}}",
        )


@rule("A stage has jobs, or deploys; `when` is only for one that deploys.")
def stages_do_something(definition: Definition, reading: Reading) -> None:
    for stage in definition.stages:
        path: Path = ("stages", stage.name)
        if reading.empty((*path, "jobs")) and stage.environment is None:
            reading.fault(
                reading.key((*path, "jobs")),
                (*path, "jobs"),
                f"stage {stage.name!r} does nothing",
                expected="at least one job, such as test: {run: make test}",
            )
        if reading.given((*path, "when")) and not reading.given((*path, "environment")):
            reading.fault(
                reading.key((*path, "when")),
                (*path, "when"),
                "'when' is for stages that deploy, and this one does not",
                expected="'environment' beside it, or no 'when'",
            )


@rule("`flags` is for a stage that deploys to an environment before production, and has jobs.")
def production_never_pretends(definition: Definition, reading: Reading) -> None:
    for stage in definition.stages:
        if not stage.flags:
            continue
        path: Path = ("stages", stage.name, "flags")
        if stage.environment is None:
            reading.fault(
                reading.key(path),
                path,
                "'flags' is about those of an environment, and this stage deploys to none",
                expected="'environment' beside it, or no 'flags'",
            )
        elif stage.environment in {definition.production, "production"}:
            reading.fault(
                reading.key(path),
                path,
                f"{stage.environment!r} is where a change comes to last: customers would get these flags",
                expected="'flags' at a stage before it, such as one that deploys to acceptance",
            )
        elif not stage.jobs:
            reading.fault(
                reading.key(path),
                path,
                f"stage {stage.name!r} has no jobs that could run with these flags",
                expected="at least one job, such as journeys: {run: make journeys}",
            )


@rule("At most one kind of process is routed.")
def one_process_is_routed(definition: Definition, reading: Reading) -> None:
    routed = [process.name for process in definition.processes if process.routed]
    for name in routed[1:]:
        path: Path = ("run", name)
        reading.fault(
            reading.key(path),
            path,
            f"{name!r} and {routed[0]!r} are both routed, and a request can only go to one",
            expected="routed: false for the one that works in the background",
        )


@rule("A routed process listens on a port or a socket, and only one that listens has a `health` check.")
def health_needs_an_address(definition: Definition, reading: Reading) -> None:
    for process in definition.processes:
        path: Path = ("run", process.name, "health")
        listens = any(reading.given(("run", process.name, key)) for key in ("port", "socket"))
        if reading.given(path) and not process.routed and not listens:
            reading.fault(
                reading.key(path),
                path,
                f"{process.name!r} listens nowhere, so that nobody can ask for its health",
                expected="'port' or 'socket' beside it, or no 'health'",
            )


@rule("`instances` names kinds of process that are in `run`, and leaves at least one routed instance.")
def instances_are_of_known_processes(definition: Definition, reading: Reading) -> None:
    known = [process.name for process in definition.processes]
    routed = [process.name for process in definition.processes if process.routed]
    for environment in definition.environments:
        path: Path = ("environments", environment.name, "instances")
        for name in environment.instances:
            if name not in known:
                here: Path = (*path, name)
                reading.fault(
                    reading.key(here),
                    here,
                    f"there is no process {name!r}",
                    expected=listing(known) if known else f"an entry {name!r} in 'run'",
                    nearest=nearest_word(name, known),
                )
        if routed and not any(environment.instances.get(name, 0) for name in routed):
            reading.fault(
                reading.value(path),
                path,
                f"no instance of {listing(routed)} would run in {environment.name!r}, and nothing would answer",
                expected="at least 1",
            )


@rule("No two environments have the same `port`.")
def ports_differ(definition: Definition, reading: Reading) -> None:
    first: dict[int, str] = {}
    for environment in definition.environments:
        if environment.port is None:
            continue
        other = first.setdefault(environment.port, environment.name)
        if other != environment.name:
            path: Path = ("environments", environment.name, "port")
            reading.fault(
                reading.value(path),
                path,
                f"port {environment.port} is already that of {other!r}",
                expected="a port of its own, or none: Andon then chooses a free one",
            )


@rule("A name is in `secrets` or in `config`, not in both.")
def secrets_are_not_config(definition: Definition, reading: Reading) -> None:
    for environment in definition.environments:
        path: Path = ("environments", environment.name)
        for name in environment.secrets:
            if name in environment.config:
                here: Path = (*path, "config", name)
                reading.fault(
                    reading.key(here),
                    here,
                    f"{name!r} is a secret, and its value stands here for everybody to read",
                    expected=f"no {name!r} here; set it with `andon secret set`, and change it if it was real",
                )


@rule("`stages` are for the strategy `canary`; their shares grow, and stay below 100%: after the last one all follow.")
def shares_grow(definition: Definition, reading: Reading) -> None:
    for environment in definition.environments:
        release = environment.release
        place: Path = ("environments", environment.name, "release")
        if release.strategy is not Strategy.CANARY:
            for key in ("stages", "baseline"):
                here: Path = (*place, key)
                if reading.given(here):
                    reading.fault(
                        reading.key(here),
                        here,
                        f"{key!r} means nothing where all customers get a version at once",
                        expected="strategy: canary beside it",
                    )
            continue
        before = 0
        for stage in release.stages:
            if stage.parts is None:
                continue
            here = (*place, "stages", stage.name, "share")
            if stage.parts <= before or stage.parts >= PARTS:
                told = "a share that is larger than the one before" if stage.parts <= before else "less than 100%"
                reading.fault(
                    reading.value(here),
                    here,
                    f"{_SHARE.text(stage.parts)} follows on {_SHARE.text(before)}",
                    expected=told,
                )
            before = max(before, stage.parts)


@rule("The steps of a mirror grow.")
def mirrors_grow(definition: Definition, reading: Reading) -> None:
    for environment in definition.environments:
        mirror, before = environment.release.mirror, 0
        for step in () if mirror is None else mirror.steps:
            if step.parts <= before:
                here: Path = ("environments", environment.name, "release", "mirror", "steps", step.name, "share")
                reading.fault(
                    reading.value(here),
                    here,
                    f"{_SHARE.text(step.parts)} follows on {_SHARE.text(before)}",
                    expected="a share that is larger than the one before",
                )
            before = max(before, step.parts)


@rule("No header or cookie of the router's own chooses an audience.")
def audiences_are_the_services_own(definition: Definition, reading: Reading) -> None:
    for environment in definition.environments:
        release: Path = ("environments", environment.name, "release")
        chosen: list[tuple[Path, Audience | Unit | None]] = [((*release, "unit"), environment.release.unit)]
        chosen += [((*release, "stages", one.name, "to"), one.audience) for one in environment.release.stages]
        for place, one in chosen:
            for key, name in () if one is None else (("header", one.header), ("cookie", one.cookie)):
                if name is not None and (name.lower().startswith(_OURS) or (key, name.lower()) == ("header", "cookie")):
                    here = (*place, key)
                    reading.fault(
                        reading.value(here), here, f"{name!r} is one of Andon's own", expected="a name of the service's"
                    )


@rule("A stage that goes to a segment needs the release's `unit`.")
def segments_know_whom(definition: Definition, reading: Reading) -> None:
    for environment in definition.environments:
        if environment.release.unit is not None:
            continue
        for stage in environment.release.stages:
            if stage.audience is not None and stage.audience.segment is not None:
                here: Path = ("environments", environment.name, "release", "stages", stage.name, "to", "segment")
                reading.fault(
                    reading.value(here),
                    here,
                    "nothing says by what the members of a segment are known",
                    expected="unit: {cookie: user} in this release, with the cookie that says who it is",
                )
