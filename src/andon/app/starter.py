"""Breaks a circle: rooms have reactions that start workflows, and the engine needs the rooms' workflows."""

from __future__ import annotations

from andon.kernel.errors import Unavailable
from andon.kernel.workflows import Workflows


class WorkflowStarter(Workflows):
    """The :class:`~andon.kernel.workflows.Workflows` that rooms are given; the worker binds the real one to it."""

    def __init__(self) -> None:
        self._bound: Workflows | None = None

    def bind(self, workflows: Workflows) -> None:
        self._bound = workflows

    def start(self, workflow: str, subject: str, *, key: str | None = None) -> None:
        """Raises :class:`Unavailable` in a process that is no worker."""
        if self._bound is None:
            raise Unavailable("This process does no durable work.", remedy="Leave it to the worker: andon status")
        self._bound.start(workflow, subject, key=key)
