"""The words fit the code: what a page says exists, and what exists is said on a page."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from andon.app.cli import build
from andon.app.cli.reference import arguments_of, commands_reference, options_of, walk
from andon.app.record.reference import events_reference, load_all_events
from andon.app.reference import api_reference, operations
from andon.feedback.graphite.reference import graphite_reference
from andon.feedback.telemetry.own.reference import metrics_reference
from andon.flow.definition.contract import DEFINITION_FILE
from andon.flow.definition.reader import YamlDefinitionReader
from andon.flow.definition.reference import reference_markdown
from andon.kernel.events.model import event_types
from andon.kernel.settings.model import all_settings
from andon.kernel.settings.reference import settings_reference
from scripts.write_docs import INCLUDED, with_files

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.rglob("*.md"), ROOT / "README.md", *(ROOT / "examples").rglob("*.md")])
GENERATED: dict[str, Callable[[], str]] = {
    "andon-yaml.md": reference_markdown,
    "api.md": api_reference,
    "commands.md": commands_reference,
    "events.md": events_reference,
    "graphite.md": graphite_reference,
    "metrics.md": metrics_reference,
    "settings.md": settings_reference,
}


@cache
def text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


every_page = pytest.mark.parametrize("page", PAGES, ids=name)


# What is generated


@pytest.mark.parametrize("page", GENERATED)
def test_the_reference_is_what_the_code_says(page: str) -> None:
    assert text(DOCS / "reference" / page) == GENERATED[page](), f"docs/reference/{page} is out of date: make docs"


# What exists is mentioned


def mentioned() -> str:
    return "\n".join(text(page) for page in PAGES)


def test_every_setting_is_mentioned() -> None:
    words = mentioned()
    assert not [one.key for one in all_settings() if f"`{one.key}`" not in words or f"`{one.variable}`" not in words]


def test_every_event_is_mentioned() -> None:
    load_all_events()
    words = mentioned()
    ours = [kind for kind, declared in event_types().items() if declared.__module__.startswith("andon.")]
    assert len(ours) > 40
    assert not [kind for kind in ours if f"`{kind}`" not in words]


def test_every_command_is_mentioned() -> None:
    words = mentioned()
    known = [" ".join(("andon", *path)) for path, _ in walk(root_command()) if path]
    assert len(known) > 20
    assert not [command for command in known if f"`{command}" not in words]


def test_every_route_is_mentioned() -> None:
    words = mentioned()
    known = list(operations())
    assert len(known) > 20
    assert not [path for method, path, _ in known if f"| `{method.upper()}` | `{path}` |" not in words]


def test_every_dependency_says_why_it_is_there() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    tools = (ROOT / "requirements" / "dev.in").read_text(encoding="utf-8").splitlines()
    wanted = {found[0].lower() for line in [*project, *tools] if (found := re.match(r"[A-Za-z0-9._-]+", line))}
    rows = re.findall(
        r"^\| ([a-z0-9._-]+)(?: \(\w+\))? \|.*?\| (\d[\d.]*)[, ]", text(DOCS / "decisions/dependencies.md"), re.M
    )
    told = dict(rows)
    assert wanted - set(told) == set(), "each of these needs a line in docs/decisions/dependencies.md"
    browser = {"htmx.org", "uplot", "esbuild"}
    assert set(told) - wanted - browser == set(), "nothing depends on these any more"
    locked = (ROOT / "requirements" / "dev.txt").read_text(encoding="utf-8")
    for package in wanted:
        spelled = re.sub(r"[._-]", "[._-]", package)
        version = re.search(rf"(?m)^{spelled}(?:\[\w+\])?==([^ ;\\]+)", locked)
        assert version, f"{package} is not locked"
        assert version[1].startswith(told[package]), (
            f"{package} is at {version[1]} by now, and the page says {told[package]}"
        )


def test_every_decision_and_every_page_is_listed() -> None:
    for folder, index in (("decisions", "README.md"), ("guide", "index.md"), ("contributing", "index.md")):
        listed = text(DOCS / folder / index)
        pages = [one.name for one in (DOCS / folder).glob("*.md") if one.name != index]
        assert pages
        assert not [one for one in pages if f"({one})" not in listed], f"not in docs/{folder}/{index}"


def test_decisions_have_their_parts() -> None:
    for page in sorted((DOCS / "decisions").glob("0*.md")):
        assert text(page).startswith(f"# {page.name[:4]}: "), page.name
        heads = re.findall(r"(?m)^## (.+)$", text(page))
        assert heads == ["Context", "Decision", "Alternatives", "Consequences"], page.name
        assert re.search(r"(?m)^Status: \w+", text(page)), page.name


# What is said exists

_LINK = re.compile(r"(?<!!)\[[^\]\n]*\]\(([^)\s]+)\)")
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"(?<![`\w])`([^`\n]+)`(?!`)")


def prose(page: Path) -> str:
    return _FENCE.sub("", text(page))


def anchors(page: Path) -> set[str]:
    """The names that headings get, as the usual hosts of such pages make them."""
    heads = re.findall(r"(?m)^#{1,6} +(.+?) *$", _FENCE.sub("", text(page)))
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@every_page
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for target in _LINK.findall(prose(page)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        if not there.exists() or (anchor and there.suffix == ".md" and anchor not in anchors(there)):
            broken.append(target)
    assert not broken


@every_page
def test_definitions_can_be_read(page: Path) -> None:
    for kind, body in _FENCE.findall(text(page)):
        if kind == "yaml" and re.search(r"(?m)^stages:", body):
            YamlDefinitionReader().read(body.encode(), file=f"{name(page)}: {DEFINITION_FILE}")


@dataclass(frozen=True, slots=True)
class Said:
    """An ``andon`` command as a page writes it. A ``whole`` one has all it needs; others only name it."""

    words: tuple[str, ...]
    whole: bool


def said(page: Path) -> Iterator[Said]:
    for kind, body in _FENCE.findall(text(page)):
        if kind == "console":
            for line in body.splitlines():
                if line.startswith("$ "):
                    yield from (Said(words, True) for words in commands_in(line[2:]))
    for span in _SPAN.findall(prose(page)):
        if re.match(r"andon( [a-z-]|$)", span):
            yield from (Said(words, False) for words in commands_in(span))


def commands_in(line: str) -> Iterator[tuple[str, ...]]:
    """The words behind each ``andon`` that begins a command."""
    # what stands in $(…) is a command, too
    lexer = shlex.shlex(line.replace("$(", " ; "), posix=True, punctuation_chars=";|&()")
    lexer.whitespace_split = True
    lexer.commenters = "#"
    command: list[str] = []
    for token in [*lexer, ";"]:
        if token and set(token) <= set(";|&()"):
            if command[:1] == ["andon"]:
                yield tuple(command[1:])
            command = []
        else:
            command.append(token)


root_command = cache(build)


def fault_of(one: Said, root: Any) -> str | None:  # Any: Typer has no public name for commands
    """What is wrong with a command, or ``None``."""
    command, words = root, list(one.words)
    while words and hasattr(command, "commands") and not words[0].startswith("-"):
        if words[0] not in command.commands:
            if command is root or not command.invoke_without_command:
                return f"there is no command {words[0]!r}"
            break
        command = command.commands[words.pop(0)]
    options = {opt: option for option in options_of(command) for opt in (*option.opts, *option.secondary_opts)}
    options |= dict.fromkeys(("--help", "-h", "--json"))
    given = 0
    while words:
        word = words.pop(0)
        if word == "…":
            return None
        if not word.startswith("-"):
            given += 1
            continue
        opt, _, value = word.partition("=")
        if opt not in options:
            return f"there is no option {opt!r}"
        takes = options[opt] is not None and not options[opt].is_flag
        if takes and not value:
            if not words and one.whole:
                return f"{opt} needs a value"
            del words[:1]
    arguments = arguments_of(command)
    least = sum(argument.required for argument in arguments)
    most = 99 if any(argument.nargs == -1 for argument in arguments) else len(arguments)
    if given > most:
        return f"takes {most} arguments"
    if one.whole and given < least:
        return f"needs {least} arguments"
    if one.whole and hasattr(command, "commands") and not command.invoke_without_command:
        return "is a group of commands" if command is not root or not one.words else None
    return None


@every_page
def test_commands_are_written_as_they_are(page: Path) -> None:
    root = root_command()
    faults = [f"andon {' '.join(one.words)}: {fault}" for one in said(page) if (fault := fault_of(one, root))]
    assert not faults


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("andon up --detach", None),
        ("andon events --limit 5 && andon events verify", None),
        ("X=$(andon repository list --json | wc -l)", None),
        ("git push andon main", None),
        ("andon upp", "there is no command 'upp'"),
        ("andon up --detached", "there is no option '--detached'"),
        ("andon repository create", "needs 1 arguments"),
        ("andon repository create one two", "takes 1 arguments"),
        ("andon token", "is a group of commands"),
    ],
)
def test_a_wrong_command_would_be_found(line: str, fault: str | None) -> None:
    root = root_command()
    found = [fault_of(Said(words, True), root) for words in commands_in(line)]
    assert found == ([] if line.startswith("git") else [fault] * len(found))
    assert found or line.startswith("git")


@every_page
def test_files_are_shown_as_they_are(page: Path) -> None:
    assert text(page) == with_files(text(page)), "a file that this page shows has changed: make docs"


def test_the_guide_shows_what_the_journey_runs() -> None:
    shown = {found["file"] for found in INCLUDED.finditer(text(DOCS / "guide" / "real-applications.md"))}
    assert shown == {f"tests/journeys/apps/{app}/{DEFINITION_FILE}" for app in ("datasette", "httpbin")}


def test_the_two_commands_come_first() -> None:
    first = _FENCE.findall(text(ROOT / "README.md"))[0]
    assert first == ("console", "$ make demo\n$ make test\n")
