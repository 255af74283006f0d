"""What TaskFlow itself has tasks in; workers and the API know these beside the modules of TASKFLOW_WORKER_IMPORTS."""

BUILT_IN = (
    "taskflow.audience.contacts.tasks",
    "taskflow.audience.imports.jobs.tasks",
    "taskflow.campaigns.tasks",
    "taskflow.delivery.messages.tasks",
    "taskflow.engine.echo",
    "taskflow.engine.webhooks.tasks",
    "taskflow.privacy.tasks",
    "taskflow.tracking.opt_in.tasks",
)
