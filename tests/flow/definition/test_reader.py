"""What andon.yaml is refused for, where, and in which words; and what comes out of a sound one."""

from __future__ import annotations

import pytest

from andon.flow.definition.contract import (
    Audience,
    Definition,
    DefinitionInvalid,
    DefinitionReader,
    Fault,
    FlagState,
    Harm,
    HttpMethod,
    Ignored,
    MirrorDefinition,
    MirrorStep,
    Network,
    OnNewerPush,
    ReleaseDefinition,
    Sticky,
    Strategy,
    Trigger,
    Unit,
    Varying,
    share_text,
)
from andon.flow.definition.reader import YamlDefinitionReader
from andon.flow.definition.reference import EXAMPLE
from andon.kernel.errors import Invalid

READER: DefinitionReader = YamlDefinitionReader()

JOB = "stages: {commit: {jobs: {test: {run: make test}}}}\n"
DEPLOYS = """\
stages:
  commit: {jobs: {test: {run: make test}}}
  production: {environment: production}
package: {files: ['**']}
run: {web: {command: python3 -m store}}
environments: {production: {}}
"""


def read(text: str) -> Definition:
    return READER.read(text.encode())


def refused(text: str | bytes) -> tuple[Fault, ...]:
    with pytest.raises(DefinitionInvalid) as caught:
        READER.read(text if isinstance(text, bytes) else text.encode())
    return caught.value.faults


def marked(text: str) -> tuple[str, list[tuple[int, int]]]:
    """``text`` without its ``»``, and the line and column of what stood behind each."""
    lines, places = [], []
    for number, line in enumerate(text.split("\n"), start=1):
        parts = line.split("»")
        column = 1
        for part in parts[:-1]:
            column += len(part)
            places.append((number, column))
        lines.append("".join(parts))
    return "\n".join(lines), places


def test_everything_a_file_can_say_arrives() -> None:
    definition = read(EXAMPLE)
    commit, acceptance, production = definition.stages
    lint, test = commit.jobs
    assert (lint.name, lint.command, lint.network) == ("lint", "make lint", Network.NONE)
    assert test.command == "createdb store\npython3 -m unittest\n"
    assert test.needs == ("lint",)
    assert test.services == ("postgres",)
    assert test.environment == {"PGHOST": "/tmp"}
    assert test.reports == ("reports/*.xml",)
    assert acceptance.environment == "acceptance"
    assert (production.jobs, production.trigger) == ((), Trigger.MANUAL)
    assert definition.services[0].ready == "pg_isready"
    assert definition.package is not None
    assert definition.package.files == ("store/**", "migrations/**")
    web, mailer = definition.processes
    assert (web.port, web.health.path, web.routed) == (8000, "/health", True)
    assert (mailer.port, mailer.socket, mailer.routed) == (None, None, False)
    page, order = definition.smoke_tests
    assert (page.name, page.path, page.contains, page.method) == ("front page", "/", "Parts Unlimited", HttpMethod.GET)
    assert order.cleanup == "python3 -m store.smoke --cleanup"
    assert definition.migrations.contract == "python3 -m store.migrate contract"
    here = definition.environment("production")
    assert here is not None
    assert here.instances == {"web": 2, "mailer": 1}
    assert (here.port, here.config, here.secrets) == (8080, {"GREETING": "hello"}, ("PAYMENT_KEY",))
    assert definition.on_newer_push is OnNewerPush.KEEP
    release = here.release
    assert (release.strategy, release.sticky, release.baseline) == (Strategy.CANARY, Sticky.COOKIE, False)
    employees, few, quarter = release.stages
    assert (employees.parts, employees.audience, employees.seconds) == (None, Audience(header="x-employee"), 120)
    assert (few.parts, few.audience, few.seconds, few.requests) == (1_000, None, 600, 500)
    assert (quarter.name, quarter.parts) == ("quarter", 25_000)
    assert release.watch == {"payment.refused": Harm.RISE}
    assert here.flags.second_person


def test_a_stage_may_go_to_the_members_of_a_segment() -> None:
    text = "{release: {strategy: canary, unit: {cookie: user}, stages: {ours: {to: {segment: employees}}}}}"
    release = read(DEPLOYS.replace("{}", text)).environments[0].release
    assert release.unit == Unit(cookie="user")
    assert release.stages[0].audience == Audience(segment="employees")


def test_a_release_that_says_nothing_is_blue_green_and_a_canary_has_usual_stages() -> None:
    silent, short = read(DEPLOYS), read(DEPLOYS.replace("{}", "{release: {strategy: canary}}"))
    assert silent.environments[0].release == ReleaseDefinition()
    assert [(one.name, one.parts) for one in short.environments[0].release.stages] == [("few", 5_000), ("half", 50_000)]


def test_shares_are_read_to_a_thousandth_of_a_percent() -> None:
    text = DEPLOYS.replace("{}", "{release: {strategy: canary, mirror: {share: 0.001%, methods: [GET, POST]}}}")
    mirror = read(text).environments[0].release.mirror
    assert mirror == MirrorDefinition(parts=1, methods=("GET", "POST"))


def test_a_mirror_has_one_share_or_steps() -> None:
    steps = "{steps: {little: {share: 1%, for: 1m}, half: {share: 50%, requests: 200}}, "
    steps += "ignore: {fields: [id], values: [uuid]}, differing: 0.5%}"
    mirror = read(DEPLOYS.replace("{}", f"{{release: {{mirror: {steps}}}}}")).environments[0].release.mirror
    little, half = (
        MirrorStep(name="little", parts=1_000, seconds=60),
        MirrorStep(name="half", parts=50_000, requests=200),
    )
    assert mirror == MirrorDefinition(
        parts=1_000, steps=(little, half), ignore=Ignored(fields=("id",), values=(Varying.UUID,)), differing=500
    )


def test_a_share_is_written_with_no_more_digits_than_it_has() -> None:
    assert [share_text(parts) for parts in (1, 500, 33_333, 100_000)] == ["0.001 %", "0.5 %", "33.333 %", "100 %"]


@pytest.mark.parametrize(
    ("release", "message", "expected"),
    [
        ("{strategy: canary, stages: {few: {share: »5}}}", "5 has no unit", "5%"),
        ("{strategy: canary, stages: {few: {share: »0%}}}", "0% is out of range", "0.001%"),
        ("{strategy: canary, stages: {few: {share: »101%}}}", "101% is out of range", "100%"),
        ("{strategy: canary, stages: {few: {share: »1.0001%}}}", "is not a share", "5%"),
        ("{strategy: canary, stages: {all: {share: 5%}}}", "reserved word", "another name"),
        ("{strategy: canary, stages: {few: {share: »100%}}}", "100% follows on 0%", "less than 100%"),
        ("{strategy: canary, stages: {a: {share: 5%}, b: {share: »5%}}}", "5% follows on 5%", "larger"),
        ("{strategy: canary, stages: {a: {for: 5m}}}", "needs share or to", "share"),
        ("{strategy: canary, stages: {a: {to: {is: x}}}}", "needs header, cookie or segment", "header"),
        ("{strategy: canary, stages: {a: {to: {header: x, »cookie: y}}}}", "both given", "either"),
        ("{strategy: canary, stages: {a: {to: {cookie: »andon-session-1}}}}", "one of Andon's own", "service's"),
        ("{strategy: canary, stages: {a: {to: {header: »X-Forwarded-For}}}}", "one of Andon's own", "service's"),
        ("{strategy: canary, stages: {a: {to: {segment: »staff}}}}", "by what the members", "unit: {cookie: user}"),
        ("{unit: {cookie: »Andon-Side}}", "one of Andon's own", "service's"),
        ("{unit: {header: »Cookie}}", "one of Andon's own", "service's"),
        ("{unit: {}}", "needs cookie or header", "cookie"),
        ("{unit: {cookie: a, »header: b}}", "both given", "either"),
        ("{unit: {cookie: u}, strategy: canary, stages: {a: {to: {segment: »Staff}}}}", "is not the name", "staff"),
        ("{unit: {cookie: u}, strategy: canary, stages: {a: {to: {segment: s, »is: x}}}}", "means nothing", "without"),
        ("{unit: {cookie: u}, strategy: canary, stages: {a: {to: {segment: s, »cookie: c}}}}", "both given", "either"),
        ("{»stages: {few: {share: 5%}}}", "at once", "strategy: canary"),
        ("{watch: {payment.refused: »up}}", "the text 'up'", "fall, rise or change"),
        ("{mirror: {share: 5%, methods: [»get]}}", "'get' is not a method", "GET"),
        ("{mirror: {steps: {a: {share: 5%}, b: {share: »1%}}}}", "1% follows on 5%", "larger"),
        ("{mirror: {share: 5%, ignore: {values: [»Uuid]}}}", "'Uuid' is not a kind of value", "uuid"),
        ("{mirror: {share: 5%, ignore: {fields: [»a b]}}}", "is not the name of a field", "created_at"),
        ("{mirror: {share: 5%, »steps: {a: {share: 5%}}}}", "both given", "either"),
    ],
)
def test_a_release_that_makes_no_sense_is_refused_where_it_does_not(release: str, message: str, expected: str) -> None:
    text, places = marked(DEPLOYS.replace("{}", f"{{release: {release}}}"))
    (fault,) = refused(text)
    assert message in fault.message
    assert expected in f"{fault.expected} {fault.nearest}"
    assert places in ([], [(fault.line, fault.column)])


ACCEPTED = DEPLOYS.replace("{production: {}}", "{production: {}, acceptance: {}}").replace(
    "  production:", "  acceptance: {environment: acceptance, FLAGS, jobs: {j: {run: make j}}}\n  production:", 1
)


def test_a_stage_before_production_says_what_its_flags_are_to_be_in_an_order_that_counts() -> None:
    definition = read(ACCEPTED.replace("FLAGS", "flags: [all-off, as-in-production]"))
    assert definition.stages[1].flags == (FlagState.ALL_OFF, FlagState.AS_IN_PRODUCTION)
    assert definition.production == "production"
    assert read(DEPLOYS).stages[1].flags == ()


@pytest.mark.parametrize(
    ("text", "message", "expected"),
    [
        (ACCEPTED.replace("FLAGS", "flags: [all-on, »all-on]"), "a second time", "once"),
        (ACCEPTED.replace("FLAGS", "flags: [all-on, »allof]"), "'allof'", "all-off"),
        (ACCEPTED.replace("FLAGS", "flags: »all-on"), "'all-on'", "[all-on]"),
        (ACCEPTED.replace("FLAGS", "flags: »[]"), "0 entries", "at least one"),
        (ACCEPTED.replace("FLAGS, jobs: {j: {run: make j}}", "»flags: [all-on]"), "no jobs", "at least one job"),
        (ACCEPTED.replace("environment: acceptance, FLAGS", "»flags: [all-on]"), "deploys to none", "'environment'"),
        (
            DEPLOYS.replace("environment: production", "environment: production, »flags: [all-on]", 1),
            "customers would get these flags",
            "a stage before it",
        ),
    ],
)
def test_flags_of_a_stage_that_make_no_sense_are_refused_and_production_never_pretends(
    text: str, message: str, expected: str
) -> None:
    plain, places = marked(text)
    fault = next(one for one in refused(plain) if message in one.message)
    assert expected in f"{fault.expected} {fault.nearest}"
    assert places == [(fault.line, fault.column)]


def test_an_environment_may_say_nothing() -> None:
    definition = read(DEPLOYS.replace("{production: {}}", "\n  production:\n"))
    assert definition.environments[0].instances == {"web": 1}


def test_one_number_of_instances_goes_for_every_kind_of_process() -> None:
    text = DEPLOYS.replace("m store}", "m store}, worker: {command: w, routed: false}").replace("{}", "{instances: 3}")
    assert read(text).environments[0].instances == {"web": 3, "worker": 3}


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("500ms", 0.5), ("30s", 30), ("10m", 600), ("1.5h", 5400), ("1d", 86400)],
)
def test_durations_become_seconds(written: str, seconds: float) -> None:
    text = f"{JOB}services: {{db: {{run: a, ready: b, within: {written}}}}}"
    if seconds <= 3600:
        assert read(text).services[0].ready_within == seconds
    assert read(JOB.replace("test}", f"test, timeout: {'1s' if seconds < 1 else written}}}")).stages[0].jobs[
        0
    ].timeout == max(seconds, 1)


@pytest.mark.parametrize(
    ("written", "size"),
    [("512MiB", 512 * 1024**2), ("1.5GiB", 3 * 1024**3 // 2), ("64MB", 64_000_000), ("20000kB", 2 * 10**7)],
)
def test_sizes_become_bytes(written: str, size: int) -> None:
    assert read(JOB.replace("test}", f"test, memory: {written}}}")).stages[0].jobs[0].memory == size


def test_values_of_variables_are_passed_on_as_written() -> None:
    text = JOB.replace("test}", "test, env: {A: 1.10, B: yes, C: true, D: 0x1F, E: '', F: 'a b', G: ~, H: 1_000}}")
    # D: flow entries above, all of them plain but E and F
    assert read(text).stages[0].jobs[0].environment == {
        **{"A": "1.10", "B": "yes", "C": "true", "D": "0x1F"},
        **{"E": "", "F": "a b", "G": "~", "H": "1_000"},
    }


def test_yaml_1_1_does_not_creep_in_through_its_directive() -> None:
    text = f"%YAML 1.1\n---\n{JOB}run: {{web: {{command: x, routed: no}}}}"
    (fault,) = refused(text)
    assert (fault.line, fault.nearest) == (4, "false")


def test_json_is_read_with_characters_in_two_escapes() -> None:
    text = '{"stages": {"a": {"jobs": {"x": {"run": "echo \\ud83c\\udfed"}}}}}'
    assert read(text).stages[0].jobs[0].command == "echo 🏭"


def test_anchors_and_aliases_are_read() -> None:
    text = "stages: {a: {jobs: {x: &j {run: make}, y: *j}}}"
    x, y = read(text).stages[0].jobs
    assert (x.command, y.command) == ("make", "make")
    assert (x.name, y.name) == ("x", "y")


# The place of the fault stands behind a ».
PLACES = {
    # keys
    "unknown key": (JOB.replace("run", "»timout: 5m, run"), "unknown key 'timout'", "timeout"),
    "unknown key at the top": (f"{JOB}»pakage: {{files: [a]}}", "unknown key 'pakage'", "package"),
    "key of another spelling": (f"{JOB}»On-Newer-Push: keep", "unknown key 'On-Newer-Push'", "on_newer_push"),
    "key without a neighbour": (f"{JOB}»zzz: 1", "unknown key 'zzz'", None),
    "merge key": (JOB.replace("run", "»<<: {run: x}, run"), "merge keys are not part of YAML 1.2", None),
    "key twice": (f"{JOB}»stages: {{}}", "'stages' stands here a second time", None),
    "missing key": ("stages: {commit: {jobs: {»test: {}}}}", "a job needs the key 'run'", None),
    "missing stages": ("»services: {}", "the definition needs the key 'stages'", None),
    "no stage": ("stages: »{}", "the mapping has 0 entries", None),
    # types
    "number for text": (JOB.replace("make test", "»12"), "a whole number (12) stands here", None),
    "nothing for text": ("stages: {a: {jobs: {x: {»run: }}}}", "nothing stands here", None),
    "list for mapping": ("stages: »[commit]", "a list stands here", None),
    "mapping for text": (JOB.replace("make test", "»{a: b}"), "a mapping stands here", None),
    "text for list": (JOB.replace("test}", "test, reports: »a.xml}"), "the text 'a.xml' stands here", "[a.xml]"),
    "text for number": (JOB.replace("test}", "test, processes: »many}"), "the text 'many' stands here", None),
    "fraction": (JOB.replace("test}", "test, processes: »4.5}"), "a number (4.5) stands here", None),
    "yes for true": (f"{JOB}run: {{a: {{command: b, routed: »yes}}}}", "the text 'yes' stands here", "true"),
    "unknown word": (JOB.replace("test}", "test, network: »hosts}"), "the text 'hosts' stands here", "host"),
    "the file is a list": ("»- a", "a list stands here", None),
    "the file is text": ("»hello", "the text 'hello' stands here", None),
    # ranges
    "port too high": (f"{JOB}run: {{a: {{command: b, port: »65536}}}}", "65536 is out of range", None),
    "huge number": (f"{JOB}run: {{a: {{command: b, port: »{'9' * 50}}}}}", f"{'9' * 40} is out of range", None),
    "no processor": (JOB.replace("test}", "test, cpus: »0}"), "0 is out of range", None),
    "infinite processors": (JOB.replace("test}", "test, cpus: ».inf}"), ".inf is out of range", None),
    "time too long": (JOB.replace("test}", "test, timeout: »2d}"), "2d is out of range", None),
    "memory too small": (JOB.replace("test}", "test, memory: »1B}"), "1B is out of range", None),
    "number without unit": (JOB.replace("test}", "test, timeout: »600}"), "600 has no unit", None),
    "unit of another tool": (JOB.replace("test}", "test, memory: »512M}"), "the text '512M' is not a size", "512MiB"),
    "unit in words": (JOB.replace("test}", "test, timeout: »10min}"), "the text '10min' is not a duration", "10m"),
    # texts
    "empty command": (JOB.replace("make test", "»' '"), "an empty text stands here", None),
    "name with capitals": (
        JOB.replace("test:", "»Unit_Tests:"),
        "'Unit_Tests' is not the name of a job",
        "unit-tests",
    ),
    "name too long": (JOB.replace("test:", f"»{'a' * 41}:"), "this has 41 characters", None),
    "reserved name": (JOB.replace("commit", "»package"), "'package' is a reserved word", None),
    "absolute path": (
        JOB.replace("test}", "test, caches: [a, »/etc]}"),
        "'/etc' is not a folder inside the workspace",
        "etc",
    ),
    "path out of the workspace": (
        JOB.replace("test}", "test, caches: [»a/../../b]}"),
        "'a/../../b' is not a folder inside the workspace",
        "a/b",
    ),
    "glob out of the workspace": (
        f"{JOB}package: {{files: [»'../*']}}",
        "'../*' is not a path or pattern inside the workspace",
        "*",
    ),
    "git's own folder": (
        f"{JOB}package: {{files: [».git/config]}}",
        "'.git/config' is not a path or pattern inside the workspace",
        "config",
    ),
    "socket elsewhere": (
        f"{JOB}run: {{a: {{command: b, socket: »/tmp/a.sock}}}}",
        "'/tmp/a.sock' is not a socket directly below /run/andon",
        None,
    ),
    "socket that climbs": (
        f"{JOB}run: {{a: {{command: b, socket: »/run/andon/..}}}}",
        "'/run/andon/..' is not a socket directly below /run/andon",
        None,
    ),
    "variable in lower case": (
        JOB.replace("test}", "test, env: {»level: x}}"),
        "'level' is not the name of a variable",
        "LEVEL",
    ),
    "variable of Andon's": (
        JOB.replace("test}", "test, env: {»ANDON_URL: x}}"),
        "'ANDON_URL' is not the name of a variable",
        "URL",
    ),
    "the port as configuration": (
        DEPLOYS.replace("production: {}", "production: {config: {»PORT: 1}}"),
        "'PORT' is a reserved word",
        None,
    ),
    "variable without value": (JOB.replace("test}", "test, env: {»A: }}"), "nothing stands here", None),
    "variable with a zero byte": (JOB.replace("test}", 'test, env: {A: »"\\0"}}'), "a value holds a zero byte", None),
    "half a character": (JOB.replace("make test", '»"\\ud800"'), "an escape stands here for half a character", None),
    "entry twice": (JOB.replace("test}", "test, caches: [a, »a]}"), "'a' stands here a second time", None),
    # across the file
    "unknown job": (
        "stages: {a: {jobs: {lint: {run: x}, test: {run: y, needs: [»lnt]}}}}",
        "there is no job 'lnt'",
        "lint",
    ),
    "job of another stage": (
        "stages: {a: {jobs: {x: {run: x}}}, b: {jobs: {y: {run: y, needs: [»x]}}}}",
        "the job 'x' is in stage 'a', not in 'b'",
        None,
    ),
    "job that needs itself": ("stages: {a: {jobs: {x: {run: x, needs: [»x]}}}}", "the job 'x' needs itself", None),
    "circle": (
        "stages: {s: {jobs: {a: {run: x, needs: [»b]}, b: {run: x, needs: [c]}, c: {run: x, needs: [a]}}}}",
        "jobs wait for each other in a circle: a → b → c → a",
        None,
    ),
    "unknown service": (JOB.replace("test}", "test, services: [»db]}"), "there is no service 'db'", None),
    "unknown environment": (
        DEPLOYS.replace("{environment: production}", "{environment: »prodction}"),
        "there is no environment 'prodction'",
        "production",
    ),
    "no package": (
        DEPLOYS.replace("package: {files: ['**']}\n", "").replace("{environment:", "{»environment:"),
        "stage 'production' deploys, and the file has no 'package'",
        None,
    ),
    "no run": (
        DEPLOYS.replace("run: {web: {command: python3 -m store}}\n", "").replace("{environment:", "{»environment:"),
        "stage 'production' deploys, and the file has no 'run'",
        None,
    ),
    "nothing in run": (
        DEPLOYS.replace("{web: {command: python3 -m store}}", "{}").replace("{environment:", "{»environment:"),
        "stage 'production' deploys, and the file has no 'run'",
        None,
    ),
    "first stage deploys": (
        DEPLOYS.replace("  commit: {jobs: {test: {run: make test}}}\n", "").replace("{environment:", "{»environment:"),
        "the first stage deploys, but the package is built after it",
        None,
    ),
    "stage without anything": ("stages: {»a: {}}", "a stage needs jobs or environment", None),
    "stage with no job": ("stages: {a: {»jobs: {}}}", "stage 'a' does nothing", None),
    "when without environment": (
        "stages: {a: {»when: manual, jobs: {x: {run: x}}}}",
        "'when' is for stages that deploy, and this one does not",
        None,
    ),
    "port and socket": (
        f"{JOB}run: {{a: {{command: b, port: 80, »socket: /run/andon/s}}}}",
        "'socket' and 'port' are both given",
        None,
    ),
    "two routed": (
        f"{JOB}run: {{a: {{command: b}}, »c: {{command: d}}}}",
        "'c' and 'a' are both routed, and a request can only go to one",
        None,
    ),
    "health of what listens nowhere": (
        f"{JOB}run: {{a: {{command: b, routed: false, »health: {{path: /}}}}}}",
        "'a' listens nowhere, so that nobody can ask for its health",
        None,
    ),
    "request and command": (
        f"{JOB}smoke: {{a b: {{path: /, »command: x}}}}",
        "'command' and 'path' are both given",
        None,
    ),
    "neither request nor command": (f"{JOB}smoke: {{»a b: {{}}}}", "a smoke test needs path or command", None),
    "status of a command": (
        f"{JOB}smoke: {{a: {{command: x, »status: 200}}}}",
        "'status' means nothing beside 'command'",
        None,
    ),
    "migration without either half": (
        f"{JOB}»migrations: {{timeout: 5m}}",
        "a migration needs expand, backfill, contract, folder or sql",
        None,
    ),
    "migrations for nobody knows which database": (
        f"{JOB}migrations: {{»folder: migrations}}",
        "nothing says which database the SQL is written for",
        None,
    ),
    "migrations for a database that is not read": (
        f"{JOB}migrations: {{folder: migrations, database: »sqlit}}",
        "the text 'sqlit' stands here",
        "sqlite",
    ),
    "database of no migrations": (
        f"{JOB}migrations: {{expand: x, »database: sqlite}}",
        "'database' is about SQL that is checked, and there is none",
        None,
    ),
    "files and a command that prints": (
        f"{JOB}migrations: {{database: sqlite, folder: x, »sql: y}}",
        "'sql' and 'folder' are both given",
        None,
    ),
    "batch of nothing": (
        f"{JOB}migrations: {{expand: x, »batch: 7}}",
        "'batch' is about a backfill, and there is none",
        None,
    ),
    "job called as the check": (
        "stages: {commit: {jobs: {»migrations: {run: x}}}}\nmigrations: {folder: x, database: sqlite}",
        "the check of the migrations is called 'migrations', and so is this job of the same stage",
        None,
    ),
    "instances of nothing known": (
        DEPLOYS.replace("production: {}", "production: {instances: {»wbe: 2}}"),
        "there is no process 'wbe'",
        "web",
    ),
    "no instance at all": (
        DEPLOYS.replace("production: {}", "production: {instances: »0}"),
        "no instance of web would run in 'production', and nothing would answer",
        None,
    ),
    "one port twice": (
        DEPLOYS.replace("production: {}", "production: {port: 8080}, other: {port: »8080}"),
        "port 8080 is already that of 'production'",
        None,
    ),
    "a secret in plain sight": (
        DEPLOYS.replace("production: {}", "production: {secrets: [KEY], config: {»KEY: x}}"),
        "'KEY' is a secret, and its value stands here for everybody to read",
        None,
    ),
    # YAML
    "empty file": ("»", "the file is empty", None),
    "only a comment": ("»# nothing", "the file is empty", None),
    "a tab": ("stages:\n»\ta: b", "a tab stands where YAML wants spaces", None),
    "a second colon": ("stages: a»: b", "a ':' stands where no key can", None),
    "an open quotation": ("stages: »'a\nb: c\n", "this quotation is never closed", None),
    "an open list": ("stages: »[a, b\n", "this list is not closed", None),
    "an open mapping": ("stages: »{a: b\n", "this mapping is not closed", None),
    "a key without colon": ("stages: {}\n»services\nrun: {}", "a key without ':'", None),
    "a tag": (
        "stages: »!!python/object:os.system x",
        "the tag 'tag:yaml.org,2002:python/object:os.system' stands here",
        None,
    ),
    "a second document": (f"{JOB}»---\n{JOB}", "a second document begins here", None),
    "an unknown alias": ("stages: »*nobody", "nothing is named &nobody", None),
    "an alias inside itself": ("stages: &a [»*a]", "*a stands inside what it names", None),
    "a list as key": ("? »[a]\n: b", "a key is itself a mapping or a list", None),
    "too deep": ("stages: " + "[" * 23 + "»[", "this is nested more than 24 deep", None),
}


@pytest.mark.parametrize("case", PLACES)
def test_a_fault_is_told_with_its_place(case: str) -> None:
    with_marks, message, nearest = PLACES[case]
    text, places = marked(with_marks)
    faults = refused(text)
    wanted = [fault for fault in faults if fault.message == message]
    assert wanted, [fault.message for fault in faults]
    assert [(fault.line, fault.column) for fault in wanted] == places
    assert wanted[0].nearest == nearest
    assert wanted[0].expected


# One slip of the pen is one fault.
@pytest.mark.parametrize("case", sorted(set(PLACES) - {"first stage deploys"}))
def test_a_fault_brings_no_others_along(case: str) -> None:
    assert len(refused(marked(PLACES[case][0])[0])) == 1


def test_the_path_says_what_a_fault_is_about() -> None:
    (fault,) = refused("stages: {a: {jobs: {x: {run: x, needs: [y]}}}}")
    assert fault.path == "stages.a.jobs.x.needs[0]"
    (fault,) = refused(f"{JOB}smoke: {{front page: {{pth: /}}}}")
    assert fault.path == 'smoke."front page".pth'


def test_all_faults_are_told_in_the_order_of_the_lines() -> None:
    faults = refused(
        "on_newer_push: never\n"
        "stages:\n"
        "  commit:\n"
        "    jobs:\n"
        "      test: {run: make, needs: [nothing], timout: 5m}\n"
        "environments: {a: {port: 1}, b: {port: 1}}\n"
    )
    assert [fault.line for fault in faults] == [1, 5, 5, 6]
    assert [fault.column for fault in faults] == [16, 33, 43, 40]


def test_it_is_printed_like_a_compiler_does() -> None:
    text = "stages:\n  commit:\n    jobs:\n      test:\n        run: make\n        timout: 5m\n"
    with pytest.raises(DefinitionInvalid) as caught:
        READER.read(text.encode(), file="shop/andon.yaml")
    assert str(caught.value).split("\n") == [
        "shop/andon.yaml:6:9: unknown key 'timout'; did you mean 'timeout'?",
        "            timout: 5m",
        "            ^",
        "    expected: run, needs, env, services, caches, network, timeout, memory, cpus, processes or reports",
        "shop/andon.yaml has 1 fault. Nothing was run. Mend the lines named and push again.",
    ]
    assert isinstance(caught.value, Invalid)
    assert caught.value.exit_code == 2


def test_the_caret_stands_below_wide_and_hidden_characters() -> None:
    (fault,) = refused('stages: {a: {jobs: {"商品\u202e": {run: 1}}}}'.replace("run: 1", "run: x"))
    (_, shown, caret, _) = str(fault).split("\n")
    assert "\u202e" not in shown
    assert "\\u202e" in shown
    assert caret.index("^") == shown.index('"')
    (wide,) = refused('stages: {a: {jobs: {x: {env: {A: "商品"}, »run: 1}}}}'.replace("»", ""))
    shown, caret = str(wide).split("\n")[1:3]
    assert caret.index("^") == shown.index("1") + 2


def test_nothing_in_the_file_can_steer_the_terminal() -> None:
    for text in (
        f'{JOB}"\\e[2J\\x9b\\r\\nrm": 1',
        JOB.replace("make test", "!\u2028\u202e\u200b 1"),
        f"{JOB}\u202e\u2066x: 1",
        f"{JOB}x\x1b[31m: 1",
        f"{JOB}x: \x85",
    ):
        with pytest.raises(DefinitionInvalid) as caught:
            READER.read(text.encode(), file="a\x1b[0m.yaml")
        printed = str(caught.value)
        assert all(character.isprintable() or character == "\n" for character in printed), printed


def test_many_faults_are_all_kept_and_the_first_are_printed() -> None:
    faults = "".join(f"k{number}: 1\n" for number in range(300))
    with pytest.raises(DefinitionInvalid) as caught:
        read(JOB + faults)
    assert len(caught.value.faults) == 300
    assert "… and 250 more" in str(caught.value)


def test_long_lines_are_cut_around_the_fault() -> None:
    (fault,) = refused(JOB.replace("make test", f'"{"x" * 5000}", timout: 1m, env: {{A: "{"y" * 5000}"}}'))
    lines = str(fault).split("\n")
    assert all(len(line) < 140 for line in lines)
    assert lines[1][lines[2].index("^") :].startswith("timout")


def test_a_service_may_say_whose_it_is_and_what_of_its_telemetry_counts() -> None:
    said = read(
        JOB
        + """
owner: team-store
telemetry:
  business: [orders.*, basket.value]
  count: {payment.refused: '"payment refused" -test'}
  scrape: /metrics
"""
    )
    assert said.owner == "team-store"
    assert said.telemetry.business == ("orders.*", "basket.value")
    assert dict(said.telemetry.count) == {"payment.refused": '"payment refused" -test'}
    assert said.telemetry.scrape == "/metrics"


@pytest.mark.parametrize(
    "said", ["business: ['or ders']", "count: {9lives: x}", "count: {a: ' '}", "scrape: metrics", "level: business"]
)
def test_what_telemetry_cannot_mean_is_refused_where_it_stands(said: str) -> None:
    (fault,) = refused(f"{JOB}telemetry: {{{said}}}\n")
    assert fault.line == 2
