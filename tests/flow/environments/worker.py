"""An Andon in a process of its own that keeps what should be; killed by the test. Arguments: the data directory."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from tests.flow.environments.place import Place


def main() -> None:
    place = Place(Path(sys.argv[1]))
    place.plane.start()
    shop = place.service("shop")
    made = shop.commit("v1").go_live()
    print(made, flush=True)
    while True:
        place.built.watch.reconcile()
        place.built.watch.check_health()
        time.sleep(0.1)


main()
