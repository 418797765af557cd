"""What `andon doctor` says of flags."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from andon.flow.flags import examining
from andon.flow.flags.contract import FlagsFileRefused
from andon.flow.flags.equipping import FILE, FlagFolders
from andon.flow.flags.examining import Examination
from andon.kernel.events import append
from andon.kernel.files import write_whole
from tests.flow.flags.conftest import Flagged
from tests.flow.flags.test_service import STORE, change, create, share


def findings(place: Flagged, folders: FlagFolders) -> list[str]:
    looked = Examination(place.flags, place.segments, place.installation.sources, folders)
    with place.installation.database.reading() as reading:
        return [one.found for one in looked.findings(reading, [(STORE, "production")])]


def test_a_file_that_is_behind_is_told(here: Flagged, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = FlagFolders(tmp_path)
    path = folders.folder(STORE, "production") / FILE
    create(here)
    assert findings(here, folders) == []  # it may be on its way
    monkeypatch.setattr(examining, "LATE", timedelta(0))
    assert "store/production has no flags on the disk" in findings(here, folders)[0]
    path.parent.mkdir(parents=True)
    with here.installation.database.reading() as reading:
        write_whole(path, here.flags.document(reading, STORE, "production").content)
    assert findings(here, folders) == []
    change(here, share(5))
    assert findings(here, folders) == ["store/production has revision 1 of its flags on the disk, the newest is 2."]


def test_a_file_of_flags_that_was_refused_is_told_until_another_comes(here: Flagged, tmp_path: Path) -> None:
    folders = FlagFolders(tmp_path)
    head = here.installation.commit(files={"flags.yaml": "nonsense"})
    with here.installation.database.transaction() as tx:
        append(tx, FlagsFileRefused(service=STORE, commit=head, faults=("it is no YAML",)), by=here.maxine.actor)
    assert "flags.yaml of store is not applied: it is no YAML" in findings(here, folders)
    here.installation.commit(files={"flags.yaml": "flags: {}"})
    assert findings(here, folders) == []


def test_a_segment_of_megabytes_is_told(here: Flagged, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examining, "LARGE", 3)
    with here.installation.database.transaction() as tx:
        here.segments.put(tx, here.maxine, STORE, "friends", when=())
        here.segments.change_members(tx, here.maxine, "friends", add=["a", "b", "c"], remove=())
    (found,) = findings(here, FlagFolders(tmp_path))
    assert "The segment friends has 3 members" in found
