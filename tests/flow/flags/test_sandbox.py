"""Flags inside a real sandbox: the file and the socket of its own environment are there, and no token is needed."""

from __future__ import annotations

import tempfile
from pathlib import Path

from andon.app.authority import GrantedAuthority
from andon.flow.flags.equipping import SOCKET, FlagFolders
from andon.flow.flags.files import FlagFiles
from andon.flow.flags.model.flag import Head
from andon.flow.flags.room import build_flags, flag_equipper, flags_room
from andon.flow.sources.adapters.sources import GitSources
from andon.kernel.access import SYSTEM
from andon.kernel.access.people import PeopleDirectory
from andon.kernel.db import Database, open_engine
from andon.kernel.events import Bell
from andon_flags.document import Kind
from tests.flow.environments.place import opened_place, wait_until
from tests.serving import quick_passwords, serving, settings_for

PROGRAM = """
import http.client, json, os, socket

kept = json.load(open(os.environ["ANDON_FLAGS_FILE"]))
assert kept["environment"] == "production", kept
assert kept["flags"]["new-checkout"]["default"] == "off", kept

from andon_flags import Flags

with Flags() as flags:
    assert flags.boolean("new-checkout", {"targetingKey": "u1"}, True) is False
path = os.environ["ANDON_FLAGS"].partition(":")[2]
connection = http.client.HTTPConnection("flags")
connection.sock = socket.socket(socket.AF_UNIX)
connection.sock.connect(path)
connection.request(
    "POST", "/ofrep/v1/evaluate/flags/new-checkout", json.dumps({"context": {"targetingKey": "u1"}}),
    {"content-type": "application/json"},
)
answer = json.load(connection.getresponse())
assert answer["value"] is False, answer
try:
    open(os.environ["ANDON_FLAGS_FILE"], "a")
except OSError:
    pass
else:
    raise SystemExit("the file can be written to")
"""


def test_a_program_in_a_sandbox_has_its_flags_as_a_file_and_over_a_socket(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="andon-f-") as short:
        doors = Path(short)
        with opened_place(tmp_path, flag_equipper(doors)) as place:
            shop = place.service("store")
            set_id = shop.commit("v1", instances=1).start()
            url = f"sqlite:///{place.data / 'andon.db'}"
            database = Database(open_engine(url))
            bell = Bell(database)
            sources = GitSources(place.git)
            built = build_flags(
                database,
                sources=sources,
                definitions=place.definitions,
                environments=place.built.environments,
                authority=GrantedAuthority(),
            )
            room = flags_room(
                built,
                database=database,
                bell=bell,
                sources=sources,
                environments=place.built.environments,
                people=PeopleDirectory(),
                doors=doors,
            )
            with database.transaction() as tx:
                head = Head(kind=Kind.BOOLEAN, variants={})
                built.flags.create(tx, SYSTEM, shop.service, "new-checkout", head)
            folders = FlagFolders(doors)
            FlagFiles(database, built.flags, folders, lambda reading: [(shop.service, "production")]).sync()
            with serving(settings_for(tmp_path / "web", url), database, (room,), quick_passwords(), bell):
                wait_until((folders.folder(shop.service, "production") / SOCKET).exists)
                went = place.built.environments.run_command(
                    set_id,
                    key="look",
                    command=f"python3 - <<'END'\n{PROGRAM}\nEND",
                    timeout=60,
                    variables={},
                    stopping=lambda: False,
                )
            said = "".join(path.read_text(errors="replace") for path in went.log.rglob("*") if path.is_file())
            assert went.passed, said
