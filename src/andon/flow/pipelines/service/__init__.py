"""Use cases of pipelines. Transactions come from outside and are never ended here."""

from andon.flow.pipelines.service.progress import Progress
from andon.flow.pipelines.service.runs import PipelineService

__all__ = ["PipelineService", "Progress"]
