"""`taskflow.echo`: the task to try an installation with; every worker knows it."""

from taskflow.engine.context import current_task
from taskflow.engine.definition import task


@task(name="taskflow.echo")
async def echo(message: str) -> str:
    """Log a message and return it."""
    current_task().log(message)
    return message
