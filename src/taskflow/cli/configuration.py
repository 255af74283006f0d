"""The settings of a command: the environment, and what a running `taskflow up` of the same home offers."""

import os
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
    found = settings.attached()
    home = Home(settings.home)
    if found.secret_key is None and home.running() and (key := home.secret_key()):
        return found.model_copy(update={"secret_key": SecretStr(key)})
    return found


def hand_down(settings: Settings) -> None:
    """Put the servers and the key that were found into the environment, where child processes read theirs."""
    found = {
        "TASKFLOW_DATABASE_URL": settings.database.url,
        "TASKFLOW_REDIS_URL": settings.redis.url,
        "TASKFLOW_SECRET_KEY": settings.secret_key,
    }
    os.environ.update({name: secret.get_secret_value() for name, secret in found.items() if secret is not None})


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
