"""The rooms of the Second Way, wired. They ask the telemetry process, which holds the store; none of them holds it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from andon.app.authority import GrantedAuthority, GrantedBacking
from andon.app.flow import Flow
from andon.feedback.graphite.room import graphite_room
from andon.feedback.graphs.room import graphs_room
from andon.feedback.graphs.served import MeasuredFlags
from andon.feedback.judge.service import Statistics
from andon.feedback.logs.room import logs_room
from andon.feedback.promql.room import promql_room
from andon.feedback.promql.service import Engine as PromqlEngine
from andon.feedback.ramps.adapters import TelemetryOutcomes
from andon.feedback.ramps.ports import NoOutcomes, Outcomes
from andon.feedback.ramps.room import build_ramps
from andon.feedback.registry.ports import DailyAvailability
from andon.feedback.registry.room import registry_room
from andon.feedback.rollouts.adapters import TelemetrySignals
from andon.feedback.rollouts.beginning import takeover_offer
from andon.feedback.rollouts.ports import NoSignals, Signals
from andon.feedback.rollouts.room import BuiltRollouts, build_rollouts
from andon.feedback.telemetry.asking.logs import StoredLogs
from andon.feedback.telemetry.asking.measurements import StoredMeasurements
from andon.feedback.telemetry.asking.traces import StoredTraces
from andon.feedback.telemetry.contract.metrics import Level, Sight
from andon.feedback.telemetry.own.availability import Availability, Step, Window
from andon.feedback.telemetry.room import telemetry_room
from andon.feedback.telemetry.store.editions import EditionsRead
from andon.feedback.telemetry.store.engine import Engine, at_url, over_socket
from andon.feedback.telemetry.store.retention import Keep
from andon.feedback.telemetry.where import Where
from andon.feedback.traces.room import traces_room
from andon.flow.deployments.contract.release import Releasing
from andon.flow.deployments.service.doubts import DeploymentDoubts
from andon.flow.sources.contract import Service
from andon.kernel.access.contract import People
from andon.kernel.db import Database
from andon.kernel.settings import Settings, TelemetrySettings
from andon.kernel.workflows import Workflows
from andon.web.room import Room


@dataclass(frozen=True, slots=True)
class Feedback:
    rooms: tuple[Room, ...]
    releasing: Releasing
    """Brings versions to their customers."""
    close: Callable[[], None]
    """Gives back the connections to the store."""


def build_feedback(
    settings: Settings, database: Database, where: Where, flow: Flow, people: People, workflows: Workflows
) -> Feedback:
    """Nothing is asked yet: a store that is not there is only missed by whoever asks."""
    telemetry = settings.telemetry
    if not telemetry.enabled:
        rollouts = _rollouts(database, flow, NoSignals(), settings.address, workflows)
        return Feedback((rollouts.room, _ramps(database, flow, NoOutcomes(), people)), rollouts.conductor, _nothing)
    engine = ask(telemetry, where)
    # a server may be written to from other machines, whose writing nobody counts here
    editions = None if telemetry.url else EditionsRead(where.editions)
    measurements = StoredMeasurements(engine, keep(telemetry), editions)
    questions = PromqlEngine(measurements)
    logs, traces = StoredLogs(engine), StoredTraces(engine)
    rollouts = _rollouts(database, flow, TelemetrySignals(measurements, logs), settings.address, workflows)
    flow.flags.counted_by(MeasuredFlags(measurements))
    rooms = (
        rollouts.room,
        _ramps(database, flow, TelemetryOutcomes(measurements), people),
        graphs_room(measurements=measurements, questions=questions, sources=flow.sources, people=people),
        logs_room(
            logs=logs,
            sources=flow.sources,
            people=people,
            environments=flow.environments,
            definitions=flow.definitions,
        ),
        registry_room(
            sources=flow.sources,
            environments=flow.environments,
            deployments=flow.deployments,
            definitions=flow.definitions,
            measurements=measurements,
            traces=traces,
            availability=daily(Availability(measurements)),
            logs=logs,
        ),
        traces_room(traces=traces, sources=flow.sources, deployments=flow.deployments),
        telemetry_room(telemetry, where, engine, questions),
        promql_room(questions, measurements),
        graphite_room(measurements),
    )
    return Feedback(rooms, rollouts.conductor, engine.close)


def _rollouts(database: Database, flow: Flow, signals: Signals, console: str, workflows: Workflows) -> BuiltRollouts:
    flow.offers.add(takeover_offer)
    return build_rollouts(
        database=database,
        environments=flow.environments,
        deployments=flow.deployments,
        router=flow.router,
        judge=Statistics(),
        signals=signals,
        comparisons=flow.comparisons,
        log=flow.requests,
        segments=flow.flags.audiences,
        backing=GrantedBacking(GrantedAuthority(), flow.deployments, flow.pipelines),
        workflows=workflows,
        console=console,
        doubts=DeploymentDoubts(flow.deployments, flow.environments),
    )


def _ramps(database: Database, flow: Flow, outcomes: Outcomes, people: People) -> Room:
    built = build_ramps(
        database=database, flags=flow.flags.contract, judge=Statistics(), outcomes=outcomes, people=people
    )
    flow.flags.judged_by(built.watch)
    return built.room


def daily(availability: Availability) -> DailyAvailability:
    """Days of a service, as the registry asks for them."""

    def days(service: Service, environment: str, start: int, end: int, sight: Sight) -> Sequence[Window]:
        return availability.of(service, environment, start, end, step=Step.DAY, sight=sight).windows

    return days


def _nothing() -> None:
    return


def ask(settings: TelemetrySettings, where: Where) -> Engine:
    """The store as processes see it that do not hold it."""
    return at_url(settings.url) if settings.url else over_socket(where.door)


def keep(settings: TelemetrySettings) -> Keep:
    """How long what is kept."""
    days = dict.fromkeys(Level, settings.raw_days)
    for said in settings.level_days:
        level, _, number = said.partition("=")
        days[Level(level)] = int(number)
    return Keep(
        raw_days=days,
        minute_days=settings.minute_days,
        hour_days=settings.hour_days,
        log_days=settings.log_days,
        trace_days=settings.trace_days,
    )
