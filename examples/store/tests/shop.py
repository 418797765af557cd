"""A whole shop for one test: its own database, answering on its own Unix socket. Needs no network and no port."""

from __future__ import annotations

import socket
import tempfile
import threading
import unittest
from pathlib import Path

from store import database, migrate
from store.app import App
from store.client import Client
from store.config import Config
from store.server import Server


class ShopTest(unittest.TestCase):
    """A test with `self.config`, `self.db` (a freshly migrated database) and, after `open_shop`, `self.client`."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="shop-")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.config = Config(database=self.folder / "store.db", commit="0123456789abcdef", payment_key=b"a test key")
        self.db = database.connect(self.config.database)
        self.addCleanup(self.db.close)
        migrate.run(self.db, "expand")

    def open_shop(self) -> Client:
        """Start a server for this test and return a client of it."""
        path = self.folder / "s"
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(str(path))
        listener.listen()
        app = App(self.config)
        self.addCleanup(app.pool.close)
        self.server = Server(listener, app)
        thread = threading.Thread(target=self.server.serve)
        thread.start()
        self.url = f"unix:{path}"
        client = Client(self.url)
        self.addCleanup(thread.join)
        self.addCleanup(self.server.stop)
        self.addCleanup(client.close)
        return client

    def stock(self, sku: str) -> int:
        """How many of a part are on the shelf."""
        return int(self.db.execute("SELECT stock FROM parts WHERE sku = ?", (sku,)).fetchone()[0])
