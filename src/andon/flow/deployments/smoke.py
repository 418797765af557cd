"""The requests of smoke tests, put to an instance before it has any traffic."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import httpx

from andon.flow.definition.contract import SmokeTest
from andon.kernel.sockets import pinned


def ask(endpoint: str, test: SmokeTest) -> str | None:
    """Put a smoke test's request to an instance; what is wrong with the answer, or ``None``.

    ``endpoint`` is ``unix:/path`` or ``host:port``.
    """
    base = "http://instance" if endpoint.startswith("unix:") else f"http://{endpoint}"
    try:
        with ExitStack() as open_:
            unix = None
            if endpoint.startswith("unix:"):
                # The version may write to the socket's folder: what it puts there instead is not followed.
                unix = open_.enter_context(pinned(Path(endpoint.removeprefix("unix:"))))
            transport = httpx.HTTPTransport(uds=unix)
            client = open_.enter_context(httpx.Client(transport=transport, timeout=test.timeout, trust_env=False))
            answer = client.request(
                test.method,
                base + (test.path or "/"),
                content=test.body,
                headers={"User-Agent": "andon-smoke"},
            )
    except (httpx.HTTPError, OSError) as error:
        return f"no answer to {test.method} {test.path} ({type(error).__name__})"
    if answer.status_code != test.status:
        return f"{test.method} {test.path} answered {answer.status_code}, expected {test.status}"
    if test.contains is not None and test.contains not in answer.text:
        return f"the answer to {test.method} {test.path} does not contain {test.contains!r}"
    return None
