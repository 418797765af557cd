"""The HTTP server: what it understands, what it refuses, how it stops."""

from __future__ import annotations

import socket
import threading

from tests.shop import ShopTest


class Http(ShopTest):
    """Raw bytes over a real socket."""

    def setUp(self) -> None:
        super().setUp()
        self.client = self.open_shop()

    def _connect(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.addCleanup(connection.close)
        connection.settimeout(10)
        connection.connect(self.url.removeprefix("unix:"))
        return connection

    def _send(self, data: bytes) -> bytes:
        connection = self._connect()
        connection.sendall(data)
        return self._all(connection)

    def _all(self, connection: socket.socket) -> bytes:
        answer = b""
        while data := connection.recv(65536):
            answer += data
        return answer

    def test_what_cannot_be_understood_is_refused(self) -> None:
        wrong = {
            b"hello\r\n\r\n": b"400",
            b"GET /version HTTP/1.1\r\n\r\n": b"400",
            b"GET version HTTP/1.1\r\nHost: a\r\n\r\n": b"400",
            b"GET /version HTTP/2.0\r\nHost: a\r\n\r\n": b"505",
            b"GET /version HTTP/1.1\r\nHost : a\r\n\r\n": b"400",
            b"GET /version HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n": b"400",
            b"GET /" + b"a" * 20000: b"431",
            b"POST /orders HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n": b"400",
            b"POST /orders HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n": b"413",
            b"POST /orders HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n": b"400",
            b"POST /orders HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n": b"400",
        }
        for data, status in wrong.items():
            with self.subTest(data[:60]):
                self.assertEqual(self._send(data)[:12], b"HTTP/1.1 " + status)
        self.assertEqual(self.client.get("/version").status, 200)

    def test_two_requests_sent_at_once_get_two_answers_in_order(self) -> None:
        answer = self._send(
            b"GET /version HTTP/1.1\r\nHost: a\r\n\r\nGET /nowhere HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        )
        self.assertEqual([part[:3] for part in answer.split(b"HTTP/1.1 ")[1:]], [b"200", b"404"])

    def test_a_chunked_body_is_put_together(self) -> None:
        answer = self._send(
            b"POST /api/orders HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"1\r\n{\r\n1;name=value\r\n}\r\n0\r\nTrailer: x\r\n\r\n"
        )
        self.assertIn(b"422", answer[:20])
        self.assertIn(b"An order needs", answer)

    def test_head_tells_the_length_and_sends_nothing(self) -> None:
        head, _, body = self._send(b"HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").partition(b"\r\n\r\n")
        self.assertEqual(body, b"")
        self.assertNotIn(b"Content-Length: 0", head)

    def test_http_1_0_closes_by_itself(self) -> None:
        self.assertIn(b"Connection: close", self._send(b"GET /version HTTP/1.0\r\n\r\n"))

    def test_a_request_that_breaks_off_harms_nobody(self) -> None:
        connection = self._connect()
        connection.sendall(b"POST /orders HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc")
        connection.close()
        self.assertEqual(self.client.get("/version").status, 200)

    def test_a_request_under_way_when_stopping_is_answered_and_the_connection_closed(self) -> None:
        busy, quiet = self._connect(), self._connect()
        busy.sendall(b"GET /version HTTP/1.1\r\n")
        quiet.sendall(b"GET /version HTTP/1.1\r\nHost: a\r\n\r\n")
        self.assertNotIn(b"Connection: close", quiet.recv(65536))
        self.client.close()
        # All of `busy` arrives only after the server was told to stop.
        threading.Timer(0.1, busy.sendall, (b"Host: a\r\n\r\n",)).start()
        self.server.stop()
        answer = self._all(busy)
        self.assertIn(b"200 OK", answer)
        self.assertIn(b"Connection: close", answer)
        self.assertEqual(self._all(quiet), b"")
