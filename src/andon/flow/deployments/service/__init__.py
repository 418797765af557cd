"""Use cases of deployments: `deployments` asks, queues and ends them, `steps` records how one goes."""
