"""Start the shop: `python3 -m store`. Settings come from the environment, see store/config.py."""

from __future__ import annotations

import signal
import sys

from store import config, visitors
from store.app import App
from store.server import Server, listen


def main() -> int:
    """Serve until SIGTERM or SIGINT. 0: every request was answered, 1: some were cut off, 2: could not start."""
    try:
        settings = config.load()
        listener = listen(settings.port)
    except (config.ConfigError, OSError) as error:
        print(f"store: cannot start: {error}", file=sys.stderr)
        return 2
    server = Server(listener, visitors.telling(App(settings)))
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: server.stop())
    host, port = listener.getsockname()
    print(f"store: version {settings.version} at http://{host}:{port}, region {settings.region}", flush=True)
    cut = server.serve()
    print(f"store: stopped, {cut} request(s) cut off" if cut else "store: stopped, every request answered", flush=True)
    return 1 if cut else 0


if __name__ == "__main__":
    sys.exit(main())
