"""Where the sockets of a data directory lie whose name is too long for them."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from andon.flow.environments.layout import Layout, remove_sockets


def test_nothing_is_left_elsewhere_of_a_data_directory_with_a_long_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with TemporaryDirectory(prefix="andon-far-") as far:
        monkeypatch.setenv("XDG_RUNTIME_DIR", far)
        data = tmp_path / ("deep" * 20) / "data"
        made = Layout(data)
        assert {made.sockets.parent, made.doors.parent} == {Path(far)}
        (made.sockets / "web").mkdir()
        remove_sockets(data)
        assert list(Path(far).iterdir()) == []


def test_sockets_that_lie_in_the_data_directory_are_left_to_whoever_removes_it() -> None:
    with TemporaryDirectory(prefix="andon-near-") as folder:
        made = Layout(Path(folder))
        remove_sockets(Path(folder))
        assert made.sockets.is_dir()
        assert made.doors.is_dir()
