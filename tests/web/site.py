"""The gallery behind a real web server with the console's own headers, a log of a million lines and a live stream."""

from __future__ import annotations

import functools
import http.server
import json
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from andon.kernel.logs.reader import LogReader
from andon.web.gallery.write import write
from andon.web.http.security import POLICY
from andon.web.logs import log_answer

REGION = '<div id="region" data-live="run:128" hx-get="/region" hx-trigger="andon:refresh" hx-swap="outerMorph">'
DETAILS = "<details><summary>more</summary>hidden at first</details>"
ENTRIES = [
    {"label": "store", "href": "/service-store", "kind": "service", "note": "Orders"},
    {"label": "Run 128 of store", "href": "/run.html", "kind": "run", "note": "running"},
    {"label": "elsewhere", "href": "//evil.example/x", "kind": "run", "note": ""},
]


class Site:
    """`address` of the site; `tell` sends topics to all who listen; `drawn` counts what the live region answered."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.logs: dict[str, Path] = {}
        self.drawn = 0
        self.palettes = 0
        self._listeners: list[queue.Queue[bytes | None]] = []
        write(folder)
        handler = functools.partial(_Handler, directory=str(folder))
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        self.server.site = self  # type: ignore[attr-defined]  # how a handler of the standard library finds its owner
        self.address = f"http://127.0.0.1:{self.server.server_address[1]}"

    @property
    def listening(self) -> int:
        return len(self._listeners)

    def tell(self, *topics: str) -> None:
        self._send(f"event: change\ndata: {json.dumps(topics)}\n\n".encode())

    def hang_up(self) -> None:
        self._send(None)

    def _send(self, text: bytes | None) -> None:
        for listener in tuple(self._listeners):
            listener.put(text)

    @contextmanager
    def listen(self) -> Iterator[queue.Queue[bytes | None]]:
        mine: queue.Queue[bytes | None] = queue.Queue()
        self._listeners.append(mine)
        try:
            yield mine
        finally:
            self._listeners.remove(mine)

    def adapt(self, name: str, source: str, **changes: str) -> str:
        """A page of the gallery with some of its text replaced, under another name; returns its address."""
        text = (self.folder / f"{source}.html").read_text(encoding="utf-8")
        for old, new in changes.items():
            assert old in text, f"{source}.html does not hold {old!r}"
            text = text.replace(old, new)
        (self.folder / f"{name}.html").write_text(text, encoding="utf-8")
        return f"{self.address}/{name}.html"


class _Handler(http.server.SimpleHTTPRequestHandler):
    @property
    def site(self) -> Site:
        found = self.server.site  # type: ignore[attr-defined]  # set in Site
        assert isinstance(found, Site)
        return found

    def log_message(self, format: str, *args: object) -> None:
        pass

    def end_headers(self) -> None:
        self.send_header("Content-Security-Policy", POLICY)
        super().end_headers()

    def do_GET(self) -> None:
        asked = urlsplit(self.path)
        if asked.path == "/live":
            self._stream()
        elif asked.path == "/palette.json":
            self.site.palettes += 1
            self._answer(json.dumps({"entries": ENTRIES}).encode(), "application/json")
        elif asked.path == "/region":
            self.site.drawn += 1
            body = f"{REGION}drawn {self.site.drawn} times{DETAILS}</div>"
            self._answer(body.encode(), "text/html")
        elif asked.path.startswith("/logs/"):
            reader = LogReader(self.site.logs[asked.path.removeprefix("/logs/")])
            self._answer(log_answer(reader, dict(parse_qsl(asked.query))), "application/json")
        else:
            super().do_GET()

    def _answer(self, body: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _stream(self) -> None:
        self.close_connection = True
        # before the answer begins: the page believes from there on that it hears everything
        with self.site.listen() as heard:
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            try:
                self.wfile.write(b": here\n\n")
                while (text := heard.get()) is not None:
                    self.wfile.write(text)
            except OSError:
                return  # the browser has gone


@contextmanager
def running_site(folder: Path) -> Iterator[Site]:
    site = Site(folder)
    thread = threading.Thread(target=site.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield site
    finally:
        site.hang_up()
        site.server.shutdown()
        site.server.server_close()
        thread.join()
