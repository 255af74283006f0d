"""Tasks of a house that seals some of what they carry and puts a tag on all of it."""

from taskflow.engine import Middleware, PayloadEncryption, task, use_middleware
from taskflow.engine.requests import TaskRow


@task(name="house.greet")
async def greet(name: str) -> str:
    """Greet."""
    return f"Hello {name}"


@task(name="house.keep_secret")
async def keep_secret(word: str) -> str:
    """Return what nobody may read."""
    return word


class Tagging(Middleware):
    """Tags what comes from this house."""

    async def before_enqueue(self, task: TaskRow) -> TaskRow:
        """Add the tag."""
        return task._replace(tags=(*task.tags, "house")) if task.task_name.startswith("house.") else task


use_middleware(Tagging(), PayloadEncryption({"test": bytes(range(32))}, current="test", tasks={"house.keep_secret"}))
