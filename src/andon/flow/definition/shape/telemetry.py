"""What a service says of its own telemetry."""

from __future__ import annotations

from collections.abc import Mapping

from andon.flow.definition.contract import TelemetryDefinition
from andon.flow.definition.kinds import Field, ListOf, Record, TableOf, Values
from andon.flow.definition.shape.texts import LOG_QUERY, METRIC, METRICS, URL_PATH

_NOTHING: Mapping[str, str] = {}

BUSINESS = Field(
    "business",
    ListOf(METRICS),
    "Metrics that say how the business does: they come first on the service's graphs and are kept longest.",
    (),
)
COUNT = Field(
    "count",
    TableOf(METRIC, LOG_QUERY),
    "Lines of the log that become a metric: its name, and what the lines are found with.",
    _NOTHING,
)
SCRAPE: Field[str | None] = Field(
    "scrape", URL_PATH, "Where each instance shows metrics in Prometheus' form, such as `/metrics`.", None
)


def _telemetry(_name: str, values: Values) -> TelemetryDefinition:
    return TelemetryDefinition(business=values[BUSINESS], count=values[COUNT], scrape=values[SCRAPE])


TELEMETRY = Record(
    "telemetry",
    "What a service says of its own telemetry. Nothing of it is needed: requests, errors, durations, processors, "
    "memory and logs are measured without a line.",
    (BUSINESS, COUNT, SCRAPE),
    _telemetry,
)
