"""Workflows without durability, in threads of this process; ships for tests and tools."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TypeVar, cast

from andon.kernel.workflows.outcomes import answered, as_andon_error, replay
from andon.kernel.workflows.ports import Primitive, Workflow

_P = TypeVar("_P", bound=Primitive)


class InMemoryWorkflows:
    """Runs each started workflow in a thread of its own; ``join`` waits for all and raises what one raised."""

    def __init__(self, workflows: Sequence[Workflow] = ()) -> None:
        self._workflows = {workflow.name: workflow for workflow in workflows}
        self._started: set[str] = set()
        self._threads: list[threading.Thread] = []
        self._errors: list[BaseException] = []
        self._guard = threading.Lock()

    def register(self, workflow: Workflow) -> None:
        self._workflows[workflow.name] = workflow

    def start(self, workflow: str, subject: str, *, key: str | None = None) -> None:
        with self._guard:
            key = key or f"{workflow}:{subject}"
            if key in self._started:
                return
            self._started.add(key)
            found = self._workflows[workflow]
            thread = threading.Thread(target=self._run, args=(found, subject), name=key, daemon=True)
            self._threads.append(thread)
        thread.start()

    def join(self, timeout: float = 60.0) -> None:
        for thread in tuple(self._threads):
            thread.join(timeout)
            if thread.is_alive():
                raise TimeoutError(f"workflow {thread.name} is still running")
        if self._errors:
            raise self._errors[0]

    def _run(self, workflow: Workflow, subject: str) -> None:
        try:
            workflow.run(_step, subject)
        except BaseException as error:  # noqa: BLE001 - handed to whoever joins
            self._errors.append(error)


def _step(name: str, action: Callable[[], _P]) -> _P:
    # Through the same record as the durable ones: what would not survive there must not work here.
    try:
        record = answered(action())
    except Exception as error:  # noqa: BLE001 - raised again as a workflow would see it
        wrapped = as_andon_error(error, name)
        raise wrapped from (None if wrapped is error else error)
    return cast(_P, replay(record))
