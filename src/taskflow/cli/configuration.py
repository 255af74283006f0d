"""The settings of a command: the environment, and what a running `taskflow up` of the same home offers."""

from typing import Any

from pydantic import SecretStr, ValidationError

from taskflow.base.errors import ConfigurationError
from taskflow.embedded.home import Home
from taskflow.settings import Settings


def load_settings(*, attach: bool = False, **overrides: Any) -> Settings:
    """Read the settings; `attach` fills URLs that are not set from the servers that run under this home now.

    Raises:
        ConfigurationError: a value is not valid; the sentence names its environment variable.
    """
    try:
        settings = Settings(**overrides)
    except ValidationError as error:
        problems = [
            f"TASKFLOW_{'_'.join(str(part) for part in problem['loc']).upper()}: {problem['msg']}"
            for problem in error.errors()
        ]
        raise ConfigurationError("; ".join(problems)) from error
    return attached(settings) if attach else settings


def attached(settings: Settings) -> Settings:
    """Return `settings` with the URLs and the secret key of the TaskFlow that runs under its home, if one does."""
    home = Home(settings.home)
    running = home.running()
    if running is None:
        return settings
    updates: dict[str, Any] = {}
    if settings.database.url is None and running.database_url:
        updates["database"] = settings.database.model_copy(update={"url": SecretStr(running.database_url)})
    if settings.redis.url is None and running.redis_url:
        updates["redis"] = settings.redis.model_copy(update={"url": SecretStr(running.redis_url)})
    if settings.secret_key is None and (key := home.secret_key()):
        updates["secret_key"] = SecretStr(key)
    return settings.model_copy(update=updates)


def database_url(settings: Settings) -> str:
    """Return the URL of the database.

    Raises:
        ConfigurationError: none is set and no `taskflow up` runs here.
    """
    if settings.database.url is None:
        raise ConfigurationError(
            f"No database: set TASKFLOW_DATABASE_URL, or start `taskflow up` (nothing runs under {settings.home})."
        )
    return settings.database.url.get_secret_value()
