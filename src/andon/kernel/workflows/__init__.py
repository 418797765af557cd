"""Durable workflows: plain Python functions whose steps are recorded and resumed after a crash."""

from andon.kernel.workflows.outcomes import StepFailed
from andon.kernel.workflows.ports import Interrupted, Primitive, Step, Workflow, Workflows

__all__ = ["Interrupted", "Primitive", "Step", "StepFailed", "Workflow", "Workflows"]
