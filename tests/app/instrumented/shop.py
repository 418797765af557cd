"""The shop's web server: a page with beacon.js, and orders at ``POST /orders/PLAN``; by gRPC at ``/grpc/orders/PLAN``.

What the page asks of ``/beacon`` and ``/beacon.js`` is passed on to port 4318, as docs/guide/instrument.md tells
whoever serves pages.
"""

from __future__ import annotations

import os
import subprocess
import sys
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from orders import Orders  # type: ignore[import-not-found]  # beside this file, where both run

TELEMETRY = ("127.0.0.1", 4318)
PAGE = f"""<!doctype html>
<html lang="en">
<head>
<title>Parts Unlimited</title>
<link rel="icon" href="data:,">
<script src="/beacon.js" data-service="shop" data-environment="production" data-version="{os.environ["ANDON_VERSION"]}"
  defer></script>
</head>
<body>
<h1>Every part. Any car.</h1>
<button onclick="basket.put('wiper blade')">Put into the basket</button>
</body>
</html>
"""
ORDERS = Orders(os.environ["OTEL_EXPORTER_OTLP_PROTOCOL"])


def by_grpc(plan: str) -> bytes:
    """In a process of its own, since the variables say HTTP: gRPC is another port of the same machine."""
    chosen = {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4317"}
    ordered = [sys.executable, "orders.py", plan]
    return subprocess.run(ordered, env={**os.environ, **chosen}, stdout=subprocess.PIPE, check=True).stdout.strip()


class Shop(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/beacon.js":
            self._pass_on()
        elif self.path == "/health":
            self._answer(200, "text/plain", b"well")
        else:
            self._answer(200, "text/html; charset=utf-8", PAGE.encode())

    def do_POST(self) -> None:
        if self.path == "/beacon":
            self._pass_on()
            return
        way, _, plan = self.path.rpartition("/orders/")
        self._answer(200, "text/plain", by_grpc(plan) if way == "/grpc" else ORDERS.take(plan).encode())

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {"Host": self.headers["Host"], "X-Forwarded-For": self.headers.get("X-Forwarded-For", "")}
        headers |= {name: self.headers[name] for name in ("Origin", "Content-Type") if name in self.headers}
        connection = HTTPConnection(*TELEMETRY, timeout=10)
        connection.request(self.command, self.path, body, headers)
        answer = connection.getresponse()
        self._answer(answer.status, answer.headers.get("Content-Type", "text/plain"), answer.read())
        connection.close()

    def _answer(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Shop).serve_forever()
