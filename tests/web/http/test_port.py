"""The sockets that the console listens on."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

from andon.web.http.port import listen
from tests.serving import settings_for


def test_an_answer_in_two_parts_is_not_kept_back_until_the_first_is_acknowledged(tmp_path: Path) -> None:
    listening = listen(settings_for(tmp_path, "sqlite://"))
    assert asyncio.run(_at_once(listening[0])) == 1
    for one in listening:
        one.close()


async def _at_once(listening: socket.socket) -> int:
    """Whether a connection that asyncio accepts there sends without waiting: the option as the kernel has it."""
    accepted: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def connected(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.set_result(writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        writer.close()

    address = listening.getsockname()[:2]
    async with await asyncio.start_server(connected, sock=listening):
        _, writer = await asyncio.open_connection(*address)
        found = await accepted
        writer.close()
        await writer.wait_closed()
    return found
