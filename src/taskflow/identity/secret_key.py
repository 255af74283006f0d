"""The secret key: refused when it is missing, short, or one that everybody knows."""

from pydantic import SecretStr

from taskflow.base.envelope import Vault
from taskflow.base.errors import ConfigurationError
from taskflow.settings import Settings

MIN_CHARS = 32
_FEW = 8
_SAMPLES = ("changeme", "change-me", "change_me", "example", "sample", "insecure", "your-secret", "your_secret")


def signing_key(settings: Settings) -> SecretStr:
    """Return `TASKFLOW_SECRET_KEY`.

    Raises:
        ConfigurationError: it is missing, shorter than 32 characters, or a known sample.
    """
    key = settings.secret_key
    hint = "Make one with `python -c 'import secrets; print(secrets.token_urlsafe(48))'`."
    if key is None or not key.get_secret_value():
        raise ConfigurationError(f"TASKFLOW_SECRET_KEY is not set. {hint}")
    text = key.get_secret_value()
    if len(text) < MIN_CHARS:
        raise ConfigurationError(f"TASKFLOW_SECRET_KEY is shorter than {MIN_CHARS} characters. {hint}")
    if len(set(text)) < _FEW or any(sample in text.lower() for sample in _SAMPLES):
        raise ConfigurationError(f"TASKFLOW_SECRET_KEY looks like a sample that everybody knows. {hint}")
    return key


def vault(settings: Settings) -> Vault:
    """Return what seals and opens stored secrets: with `TASKFLOW_SECRET_KEY`, opening also with the previous one.

    Raises:
        ConfigurationError: as `signing_key`.
    """
    keys = [signing_key(settings), settings.secret_key_previous]
    return Vault(*(key.get_secret_value().encode() for key in keys if key is not None and key.get_secret_value()))
