"""What the nursery hands to the roles that it forks."""

from __future__ import annotations

import signal
import subprocess
import sys

BORN_SLOWLY = """
import array, os, signal, socket, time
import msgspec
from andon.app import nursery
from andon.app.role import Role

leave_home = nursery._leave_home
nursery._leave_home = lambda parent: (time.sleep(0.3), leave_home(parent))
ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
read, write = os.pipe()
if os.fork() == 0:
    ours.close()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    if nursery._serve(theirs) is not None:
        time.sleep(20)
    os._exit(0)
theirs.close()
message = msgspec.json.encode(nursery._Wanted(1, Role.WEB))
ours.sendmsg([message], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [write]))])
os.kill(nursery._told.decode(ours.recv(4096)).pid, signal.SIGTERM)
print(nursery._told.decode(ours.recv(4096)).returncode)
"""


def test_a_role_that_is_told_to_end_the_moment_it_is_born_ends() -> None:
    ended = subprocess.run([sys.executable, "-c", BORN_SLOWLY], capture_output=True, text=True, timeout=60, check=False)
    assert ended.stdout.strip() == str(-signal.SIGTERM), ended.stderr
