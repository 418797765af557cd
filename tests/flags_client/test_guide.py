"""What the guide shows, run as it stands."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import andon_flags
from tests.flags_client.documents import document, switch, when

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "guide" / "flags-in-code.md").read_text("utf-8")
README = (ROOT / "flags" / "README.md").read_text("utf-8")
GERMANY = [{"id": "germany", "when": [when("country", "in", "DE", "AT")], "serve": "on"}]
FLAGS = document(
    {"new-checkout": switch(individuals={"u1": "on", "u2": "off"}, rules=GERMANY), "recommendations-on": switch()}
)
AROUND = """
def application(environ, start_response): return [b"done"]
def ask_the_recommender(user): raise AssertionError("it is switched off")
def found_quickly(words): return "quickly"
def found_well(words): return "well"
"""
AFTER = """
assert checkout == "new"
assert recommended("u1") == []
assert results("x") == "well"
assert application({}, None) == [b"done"]
place({"user": "u1"})
"""


def run(program: str, folder: str, path: str) -> str:
    kept = Path(folder) / "flags.json"
    kept.write_text(json.dumps(FLAGS))
    environment = {"ANDON_FLAGS_FILE": str(kept), "PYTHONPATH": path, "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False, timeout=100
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_guides_program_runs_and_prints_what_the_guide_says() -> None:
    blocks = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
    assert len(blocks) == 9
    (printed,) = re.findall(r"```text\n(.*?)```", GUIDE, re.DOTALL)
    with tempfile.TemporaryDirectory(prefix="andon-guide-") as folder:
        told = run("\n".join([AROUND, *blocks, AFTER]), folder, str(Path(andon_flags.__file__).parents[1]))
    assert told == printed


def test_a_service_that_installs_nothing_asks_with_the_wheel_beside_it() -> None:
    with tempfile.TemporaryDirectory(prefix="andon-wheel-") as folder:
        build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder]
        subprocess.run(build, cwd=ROOT / "flags", check=True, capture_output=True)
        (wheel,) = Path(folder).glob("*.whl")
        program = "import sys; sys.path = [p for p in sys.path if 'site-packages' not in p and 'flags/src' not in p]\n"
        program += "import andon_flags; from andon_flags import flags; print(andon_flags.__file__)\n"
        told = run(program + "print(flags.boolean('new-checkout', {'targetingKey': 'u1'}))", folder, str(wheel))
        assert told.splitlines() == [f"{wheel}/andon_flags/__init__.py", "True"]


def test_the_readme_names_what_there_is() -> None:
    for name in re.findall(r"flags\.([a-z_]+)\(", README + GUIDE):
        assert hasattr(andon_flags.Flags, name), name
