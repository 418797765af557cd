"""What holds for the tree as a whole, whatever is in the files."""

from __future__ import annotations

import ast
import io
import re
import subprocess
import tokenize
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
DRAWERS = {"utils", "util", "helpers", "helper", "common", "misc"}
LONGEST = 450
HASTY = {
    *("all_inner_texts", "all_text_contents", "count", "get_attribute", "inner_html", "inner_text", "input_value"),
    *("is_checked", "is_disabled", "is_enabled", "is_hidden", "is_visible", "text_content"),
}
"""What asks a page how it is at this very moment."""
NOQA = r"noqa(?::\s*[A-Z]+[0-9]+(?:[,\s]+[A-Z]+[0-9]+)*)?"
TYPE_IGNORE = r"type:\s*ignore(?:\[[^]]*\])?"
OPT_OUT = re.compile(rf"#\s*(?:{NOQA}|{TYPE_IGNORE})(.*)")


def tracked(*patterns: str) -> list[Path]:
    """What is, or is about to be, committed; a file deleted but not yet committed is gone."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *patterns],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return sorted({ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()})


def relative(paths: list[Path]) -> list[str]:
    return [path.relative_to(ROOT).as_posix() for path in paths]


def lines_matching(pattern: str, paths: list[Path]) -> list[str]:
    wanted = re.compile(pattern)
    found = []
    for path in paths:
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        numbered = enumerate(text.splitlines(), 1)
        found += [f"{path.relative_to(ROOT)}:{n}: {line.strip()[:120]}" for n, line in numbered if wanted.search(line)]
    return found


def test_locks_carry_hashes_and_no_addresses() -> None:
    locks = tracked("requirements/*.txt", "*-lock.json", "*.lock", "*pylock*.toml")
    assert relative(locks), "the locks are gone: make lock"
    assert not lines_matching(r"://|--(extra-)?index-url|--find-links|\"resolved\"", locks), (
        "a lock with addresses ties everybody to one registry: `make lock` writes hashes only"
    )
    for lock in tracked("requirements/*.txt"):
        names = lock.read_text(encoding="utf-8").count("==")
        assert names > 0
        assert len(re.findall(r"\\\n    --hash=sha256:", lock.read_text(encoding="utf-8"))) >= names, (
            f"{lock.name} names a package without a hash: what is installed could be exchanged unnoticed"
        )


def test_the_locks_still_fit_what_the_project_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    tools = (ROOT / "requirements" / "dev.in").read_text(encoding="utf-8").splitlines()
    for lock, wanted in {"runtime.txt": project, "dev.txt": [*project, *tools]}.items():
        text = (ROOT / "requirements" / lock).read_text(encoding="utf-8")
        locked = set(re.findall(r"(?m)^([A-Za-z0-9._-]+)==", text))
        names = [found[0] for line in wanted if (found := re.match(r"[A-Za-z0-9._-]+", line))]
        missing = [name for name in names if re.sub(r"[._-]+", "-", name).lower() not in locked]
        assert not missing, f"not in requirements/{lock}: {', '.join(missing)}. Run `make lock`"


def test_no_file_knows_where_this_checkout_lies() -> None:
    if len(ROOT.parts) < 3:
        pytest.skip("checked out too near the root to tell its path from other words")
    assert not lines_matching(re.escape(str(ROOT)) + r"(/|\b)", tracked()), "works on one machine only"


def test_no_drawer_for_odds_and_ends() -> None:
    drawers = [path for path in tracked("*.py") if path.stem in DRAWERS or path.parent.name in DRAWERS]
    assert not relative(drawers), (
        "a file named so collects what nobody can find again, and everything ends up importing it: name it for what "
        "it holds, or put the function where it is used"
    )


def test_no_file_has_outgrown_itself() -> None:
    # A step of the schema's history is as long as what it does: drafted once, never worked on again.
    written = tracked("src/*.py", ":!src/andon/migrations/r[0-9]*")
    long = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in written}
    assert not [f"{path.relative_to(ROOT)}: {n} lines" for path, n in long.items() if n > LONGEST], (
        "a name becomes a package once it passes about 400 lines, with modules whose names explain themselves"
    )


def test_every_opt_out_says_why() -> None:
    silent = []
    for path in tracked("*.py", "*.pyi"):
        for token in tokenize.generate_tokens(io.StringIO(path.read_text(encoding="utf-8")).readline):
            found = token.type == tokenize.COMMENT and OPT_OUT.search(token.string)
            if found and len(re.findall(r"\w", found[1])) < 5:
                silent.append(f"{path.relative_to(ROOT)}:{token.start[0]}: {token.string}")
    assert not silent, "the next reader cannot tell a decision from an oversight; write: # noqa: S310 - <reason>"


def test_what_a_browser_shows_is_expected_and_never_read_at_once() -> None:
    """``assert page.locator(…).count() == 3`` is true of a page that is there already, and fails now and then."""
    hasty: list[str] = []
    for path in tracked("tests/*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        imported = {one.module for one in ast.walk(tree) if isinstance(one, ast.ImportFrom)}
        if "playwright.sync_api" not in imported:
            continue
        for claim in (one for one in ast.walk(tree) if isinstance(one, ast.Assert)):
            for call in (one for one in ast.walk(claim.test) if isinstance(one, ast.Call)):
                if isinstance(call.func, ast.Attribute) and call.func.attr in HASTY:
                    if call.func.attr == "count" and call.args:
                        continue  # of a text or a list
                    hasty.append(f"{path.relative_to(ROOT)}:{claim.lineno}: {call.func.attr}()")
    assert not hasty, "these do not wait for the page: expect(locator).to_…, or `until` of tests/browser.py"


def test_every_news_fragment_will_be_found_by_towncrier() -> None:
    config = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["towncrier"]
    types = "|".join(kind["directory"] for kind in config["type"])
    wanted = re.compile(rf"([0-9]+|\+[a-z0-9]+(-[a-z0-9]+)*)\.({types})(\.[0-9]+)?\.md")
    fragments = [path for path in tracked("newsfragments/*") if path.name not in {"README.md", ".gitkeep"}]
    assert not [path.name for path in fragments if not wanted.fullmatch(path.name)], (
        "towncrier leaves these out of the changelog without a word; see newsfragments/README.md"
    )
    assert not [path.name for path in fragments if not path.read_text(encoding="utf-8").strip()], "empty"
