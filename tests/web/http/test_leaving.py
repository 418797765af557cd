"""How the web process ends while somebody waits for an answer."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from andon.kernel.db import Database, open_engine
from andon.web.http import api
from andon.web.http.api import Call
from andon.web.room import Room
from tests.databases import Databases
from tests.serving import quick_passwords, serving, settings_for


def test_a_room_lets_go_those_who_wait_for_news(tmp_path: Path, databases: Databases) -> None:
    asked, left = threading.Event(), threading.Event()

    @api.get("/patience")
    def wait_for_news(call: Call) -> str:
        """Waits until the room lets go."""
        asked.set()
        return "let go" if left.wait(60) else "forgotten"

    settings = settings_for(tmp_path, databases.url("sqlite"))
    room = Room(name="patience", handlers=(wait_for_news,), leave=left.set)
    database = Database(open_engine(settings.database_url))
    with ThreadPoolExecutor(1) as pool:
        with serving(settings, database, [room], quick_passwords()) as server:
            address, headers = f"{server.address}/api/v1/patience", {"authorization": f"Bearer {server.operator}"}
            answer = pool.submit(lambda: httpx.get(address, headers=headers, timeout=90).text)
            assert asked.wait(30)
            # The block ends, and with it the server, while that waits.
        assert answer.result(30) == "let go"
