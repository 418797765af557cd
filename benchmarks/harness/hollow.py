"""A service that is nothing but its pipeline: empty jobs, an answer, and faults on demand."""

from __future__ import annotations

from enum import StrEnum

DEFINITION = """\
stages:
  first: {jobs: {work: {run: sh work.sh}, beside: {run: sleep 0.2}}}
  acceptance: {environment: acceptance, jobs: {look: {run: sleep 0.1}}}
  production: {environment: production, when: automatic}
package: {files: [answer.py, answer]}
run:
  web:
    command: exec python3 answer.py
    port: 8000
    health: {path: /, every: 100ms, within: 20s}
smoke:
  answer: {path: /, contains: ok}
migrations:
  expand: "true"
environments:
  acceptance: {instances: 1, keep_warm: 0}
  production: {instances: 2, keep_warm: 1}
"""

_ANSWER = """\
import http.server
import os
import pathlib

answer = pathlib.Path("answer").read_bytes().strip()
if answer == b"broken":
    answer = b"no" if os.environ["ANDON_ENVIRONMENT"] == "production" else b"ok"


class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.send_header("X-Commit", os.environ["ANDON_COMMIT"])
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *arguments):
        pass


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128


Server(("0.0.0.0", 8000), Answer).serve_forever()
"""


class Fault(StrEnum):
    NONE = "none"
    JOB = "job"
    """Its first stage fails."""
    PRODUCTION = "production"
    """Its smoke test fails in production."""

    @property
    def outcome(self) -> str:
        """Of the run."""
        return "passed" if self is Fault.NONE else "failed"


def files(number: int, fault: Fault = Fault.NONE, work: float = 0.2) -> dict[str, str]:
    """A version's whole checkout."""
    return {
        "andon.yaml": DEFINITION,
        "answer.py": _ANSWER,
        "answer": "broken\n" if fault is Fault.PRODUCTION else f"ok {number}\n",
        "work.sh": f"sleep {work}; exit {1 if fault is Fault.JOB else 0} # {number}\n",
        "number": f"{number}\n",
    }
