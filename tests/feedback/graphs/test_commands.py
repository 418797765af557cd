"""Annotating and dashboards on the command line."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.app.conftest import Terminal
from tests.serving import Serving


@pytest.fixture
def andon(tmp_path: Path, server: Serving) -> Terminal:
    return Terminal(tmp_path, server.settings.data, server.address)


def test_a_moment_is_annotated(andon: Terminal, server: Serving) -> None:
    made = andon("annotate", "Campaign began", "--service", "store", "--until", "2100-01-01T00:00", "--json")
    assert made.code == 0, made.err
    assert json.loads(made.out)["id"].startswith("note_")
    assert andon("annotate", "The supplier was down", "--service", "store", "--at", "20m", "--until", "10m").code == 0
    now = datetime.now(UTC)
    told = server.api().get("/causes", params={"since": str(now - timedelta(hours=1)), "until": str(now)}).json()
    (down,) = (one for one in told["causes"] if one["title"] == "The supplier was down")
    assert down["until"] - down["time"] == pytest.approx(600_000, abs=5_000)
    refused = andon("annotate", "When", "--at", "yesterday-ish")
    assert (refused.code, "no moment" in refused.err) == (2, True)


def test_a_dashboard_is_kept_as_code(andon: Terminal, tmp_path: Path) -> None:
    file = tmp_path / "day.yaml"
    file.write_text("name: day\ntitle: Day\npanels:\n  - title: Open\n    queries:\n      - text: baskets_open\n")
    assert "version 1" in andon("dashboards", "apply", str(file)).out
    assert "version 1" in andon("dashboards", "apply", str(file)).out
    shown = andon("dashboards", "show", "day")
    file.write_text(shown.out.replace("Day", "Whole day"))
    assert "version 2" in andon("dashboards", "apply", str(file)).out
    assert "Whole day" in andon("dashboards", "list").out
    assert andon("dashboards", "remove", "day").code == 0
    assert andon("dashboards", "show", "day").code == 3


@pytest.mark.parametrize(
    "text", ["name: [", "title: x", "name: day\ntitle: x\npanels: []\nextra: 1", "name: 'A B'\ntitle: x\npanels: []"]
)
def test_a_definition_that_does_not_fit_is_refused(andon: Terminal, tmp_path: Path, text: str) -> None:
    file = tmp_path / "wrong.yaml"
    file.write_text(text)
    refused = andon("dashboards", "apply", str(file))
    assert refused.code == 2, refused
    assert refused.err
