"""The order of a deployment's steps, and nothing else."""

from __future__ import annotations

from functools import partial

from andon.flow.deployments.contract import DeploymentId, DeploymentState, StepName
from andon.flow.deployments.execution import Execution
from andon.flow.deployments.model import AFTER_SWITCH, STEPS, Course, StepOutcome
from andon.kernel.workflows import Step, Workflow

DEPLOY = "deployments.deploy"


def deploy_workflow(execution: Execution) -> Workflow:
    """One durable workflow for every environment and every kind of deployment."""

    def run(step: Step, subject: str) -> None:
        deployment = DeploymentId(subject)
        course = Course(step("plan", lambda: execution.plan(deployment).value))
        for name in STEPS[course]:
            outcome = StepOutcome(step(name.value, partial(_performed, execution, deployment, name)))
            if outcome is StepOutcome.PASSED:
                continue
            if name in AFTER_SWITCH and name is not StepName.RETIRE and outcome is not StepOutcome.CANCELLED:
                step("restore", partial(_performed, execution, deployment, StepName.RESTORE))
                step("finish", partial(execution.finish, deployment, DeploymentState.ROLLED_BACK))
                return
            if name is not StepName.RETIRE:
                step("discard", partial(execution.discard, deployment))
                ended = DeploymentState.CANCELLED if outcome is StepOutcome.CANCELLED else DeploymentState.FAILED
                step("finish", partial(execution.finish, deployment, ended))
                return
        step("finish", partial(execution.finish, deployment, DeploymentState.SUCCEEDED))

    return Workflow(DEPLOY, run)


def _performed(execution: Execution, deployment: DeploymentId, name: StepName) -> str:
    return execution.perform(deployment, name).value
