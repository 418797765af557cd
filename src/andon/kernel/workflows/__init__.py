"""Durable workflows: plain Python functions whose steps are recorded and resumed after a crash."""

from andon.kernel.workflows.ports import Primitive, Step, Workflow, Workflows

__all__ = ["Primitive", "Step", "Workflow", "Workflows"]
