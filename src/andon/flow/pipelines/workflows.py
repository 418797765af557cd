"""The order of a run's steps, and nothing else."""

from __future__ import annotations

from andon.flow.pipelines.contract import RunId
from andon.flow.pipelines.execution import Execution
from andon.flow.pipelines.model import StageAnswer
from andon.kernel.errors import AndonError
from andon.kernel.workflows import Step, Workflow

RUN = "pipelines.run"


def run_workflow(execution: Execution) -> Workflow:
    """One durable workflow a run and continuation: its subject is the run's id."""

    def run(step: Step, subject: str) -> None:
        identity = RunId(subject)
        answer = StageAnswer.PASSED
        try:
            stages = step("begin", lambda: execution.begin(identity))
            for position in range(stages):
                answer = StageAnswer(step(f"stage-{position}", lambda at=position: execution.stage(identity, at).value))  # type: ignore[misc]  # a default argument binds the loop's value
                if answer is not StageAnswer.PASSED:
                    break
        except AndonError as error:
            reason = f"Andon could not go on: {error.message}"
            step("give-up", lambda: execution.give_up(identity, reason))
            stages = 1
        if stages:
            step("finish", lambda: execution.finish(identity, answer))

    return Workflow(RUN, run)
