"""The machine's own examination."""

from __future__ import annotations

import pytest

from andon.kernel.sandbox import command
from andon.kernel.sandbox.doctor import check_limits, check_sandbox
from andon.kernel.sandbox.limits import Promise, best_limiter


def test_this_machine_can_make_sandboxes() -> None:
    finding = check_sandbox()
    assert finding.ok, finding
    assert "bwrap" in finding.what


def test_a_machine_without_bubblewrap_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", "/nowhere")
    finding = check_sandbox()
    command.bubblewrap.cache_clear()
    assert not finding.ok
    assert finding.remedy


def test_the_finding_on_limits_agrees_with_what_is_promised() -> None:
    promised = best_limiter().promises
    assert check_limits().ok == ({Promise.MEMORY, Promise.CPUS, Promise.PROCESSES} <= promised)
