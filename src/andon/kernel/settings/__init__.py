"""Settings: the file ``settings.toml`` in the data directory and ``ANDON_…`` variables, checked once at start."""

from andon.kernel.settings.model import (
    DatabaseSettings,
    EnvironmentSettings,
    JobSettings,
    RetentionSettings,
    Settings,
    TelemetrySettings,
    WebhookSettings,
    WebSettings,
)
from andon.kernel.settings.reading import Fault, SettingsInvalid, load
from andon.kernel.settings.reference import settings_reference

__all__ = [
    "DatabaseSettings",
    "EnvironmentSettings",
    "Fault",
    "JobSettings",
    "RetentionSettings",
    "Settings",
    "SettingsInvalid",
    "TelemetrySettings",
    "WebSettings",
    "WebhookSettings",
    "load",
    "settings_reference",
]
