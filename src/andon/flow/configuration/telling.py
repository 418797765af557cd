"""How values and secrets are told: their names, never what they hold."""

from __future__ import annotations

from urllib.parse import quote

from andon.flow.configuration.contract import ConfigForgotten, ConfigSet, SecretSet
from andon.kernel.events import Event
from andon.web.rendering import plural
from andon.web.telling import Names, Sentence, Telling


def tell(happened: Event, names: Names) -> Sentence | None:
    match happened:
        case ConfigSet() | SecretSet():
            secret = isinstance(happened, SecretSet)
            return Sentence(
                f"{'removed' if happened.removed else 'set'} the {'secret' if secret else 'setting'}",
                happened.name,
                f"/services/{quote(happened.service, safe='')}/environments/{quote(happened.environment, safe='')}",
                f"of {happened.environment}",
                f"version {happened.version}, takes effect with the next deployment",
                "lock" if secret else "settings",
            )
        case ConfigForgotten(settings=settings, secrets=secrets):
            return Sentence(
                "removed for good what was set for",
                happened.environment,
                detail=f"{plural(len(settings), 'setting')} and {plural(len(secrets), 'secret')}",
                icon="trash",
            )
    return None


TELLING = Telling(tell=tell)
