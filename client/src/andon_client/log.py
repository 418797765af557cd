"""``logging`` as JSON lines on standard output, where Andon reads them: ``log.to_stdout()``."""

import json
import logging
import sys
from datetime import datetime, timezone

_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}
_MOST_FIELDS = 50
_SEVERITIES = {"WARNING": "WARN", "CRITICAL": "FATAL"}


class JsonLines(logging.Formatter):
    """A line of JSON for each record; what was given as ``extra`` is in it, and the trace it belongs to."""

    def format(self, record: logging.LogRecord) -> str:
        told: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, timezone.utc).isoformat(timespec="microseconds"),
            "severity": _SEVERITIES.get(record.levelname, record.levelname),
            "message": record.getMessage(),
            "logger": record.name,
        }
        if record.exc_info and record.exc_info[0] is not None:
            told["exception"] = self.formatException(record.exc_info)
        extra = [(name, value) for name, value in vars(record).items() if name not in _OWN]
        for name, value in extra[:_MOST_FIELDS]:
            told.setdefault(name, value)
        told.update(_trace())
        return json.dumps(told, default=str, ensure_ascii=False)


def to_stdout(level: int = logging.INFO) -> None:
    """Let the root logger write JSON lines to standard output, and nothing else."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level, handlers=[handler], force=True)


def _trace() -> dict[str, object]:
    """OpenTelemetry's ids, where the program uses that; it is not loaded for it."""
    loaded = sys.modules.get("opentelemetry.trace")
    if loaded is None:
        return {}
    found = loaded.get_current_span().get_span_context()
    return {"trace_id": f"{found.trace_id:032x}", "span_id": f"{found.span_id:016x}"} if found.is_valid else {}
