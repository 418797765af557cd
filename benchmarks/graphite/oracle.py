"""Graphite itself, as Debian packages it: run by the system's own Python, which has it.

Reads one JSON document: ``folder`` for Whisper files, ``series`` (path, step, times, values), ``start``, ``end`` and
``now`` in seconds, ``targets``, ``times``. Writes one: for each target its series, or why there are none; for each time
the seconds. Any: what JSON says for Graphite, whose own types are none.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

POINTS = 14 * 86_400


def main() -> None:
    asked = json.load(sys.stdin)
    folder = Path(asked["folder"])
    for name in ("whisper", "log", "conf"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    os.environ.update(
        DJANGO_SETTINGS_MODULE="graphite.settings",
        GRAPHITE_STORAGE_DIR=str(folder),
        GRAPHITE_CONF_DIR=str(folder / "conf"),
    )
    settings = import_module("django.conf").settings
    settings.WHISPER_DIR = str(folder / "whisper")
    settings.STANDARD_DIRS = [str(folder / "whisper")]
    settings.STORAGE_FINDERS = ["graphite.finders.standard.StandardFinder"]
    settings.TAGDB = None
    settings.LOG_DIR = str(folder / "log")
    settings.LOG_FILE_INFO = settings.LOG_FILE_EXCEPTION = settings.LOG_FILE_CACHE = settings.LOG_FILE_RENDERING = "-"
    settings.CARBONLINK_HOSTS = []
    settings.TIME_ZONE = "UTC"
    settings.INDEX_FILE = str(folder / "index")
    settings.DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
    import_module("django").setup()
    write(folder / "whisper", asked["series"])
    answers = [answer(one, asked) for one in asked["targets"]]
    parse, utc = import_module("graphite.render.attime").parseATTime, import_module("pytz").utc
    times = [int(parse(one, utc, moment(asked["now"])).timestamp()) for one in asked["times"]]
    sys.stdout.write(json.dumps({"answers": answers, "times": times}))


def write(folder: Path, series: list[dict[str, Any]]) -> None:
    whisper = import_module("whisper")
    for one in series:
        path = folder / (one["path"].replace(".", "/") + ".wsp")
        path.parent.mkdir(parents=True, exist_ok=True)
        whisper.create(str(path), [(one["step"], POINTS // one["step"])], xFilesFactor=0.0)
        whisper.update_many(str(path), list(zip(one["times"], one["values"], strict=True)))


def answer(target: str, asked: dict[str, Any]) -> dict[str, Any]:
    evaluate = import_module("graphite.render.evaluator").evaluateTarget
    context = {
        "startTime": moment(asked["start"]),
        "endTime": moment(asked["end"]),
        "now": moment(asked["now"]),
        "localOnly": True,
        "template": {},
        "tzinfo": import_module("pytz").utc,
        "forwardHeaders": {},
        "sourceIdHeaders": {},
        "data": [],
        "prefetched": {},
        "xFilesFactor": None,
        "targets": [target],
    }
    try:
        rows = evaluate(context, target)
    except Exception as error:  # noqa: BLE001 - whatever it is that Graphite raises is its answer
        return {"error": f"{type(error).__name__}: {error}", "trace": traceback.format_exc()[-600:]}
    return {
        "rows": [
            {"name": row.name, "start": row.start, "end": row.end, "step": row.step, "values": list(row)}
            for row in rows
        ]
    }


def moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


if __name__ == "__main__":
    main()
