"""Runs jobs in sandboxes of this machine. Import :class:`~andon.flow.pipelines.runner.sandboxed.SandboxRunner`."""
