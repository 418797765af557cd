"""Rollouts and their verdicts in the console."""

from __future__ import annotations

from andon.feedback.rollouts.service import RolloutService
from andon.flow.deployments.contract import Deployments
from andon.kernel.access.contract import People
from andon.web.http.pages import Handlers


def rollout_pages(service: RolloutService, deployments: Deployments, people: People) -> Handlers:
    return []
