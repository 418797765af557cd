"""Telemetry in one line: ``from andon_client import metric; metric.increment("login.success")``.

No configuration, no dependency. Nothing here raises or waits, whatever it is given and whether or not anybody listens.
"""

from andon_client.metrics import Metric

__all__ = ["Metric", "metric"]
__version__ = "0.1.0"

metric = Metric()
"""What a process sends by; made once, here."""
