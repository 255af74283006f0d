"""Fields of kinds of providers: their base, the types that most of them need, and how a kind's fields are told.

A field of type `SecretStr` is kept encrypted and is never shown again; all others stand in the row as they are.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, SecretStr, StringConstraints, ValidationError
from pydantic.fields import FieldInfo

from taskflow.base.errors import InvalidInputError
from taskflow.delivery.providers.contract import Kind
from taskflow.delivery.providers.http import InvalidProviderUrlError, target_of

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_HOST = r"^[A-Za-z0-9:][A-Za-z0-9:._-]{0,252}$"
_MAX_SECRET = 10_000


class InvalidSettingsError(InvalidInputError):
    """The provider's settings do not fit its kind."""

    code = "invalid_provider_settings"


class Fields(BaseModel):
    """The base of a kind's fields: what it does not know is an error."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


def _one_line(value: str) -> str:
    if _CONTROL.search(value):
        raise ValueError("no control characters or line ends")
    return value


def _secret(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    if not text or len(text) > _MAX_SECRET or _CONTROL.search(text):
        raise ValueError("one line that is not empty")
    return value


def _url(value: str) -> str:
    try:
        target_of(value)
    except InvalidProviderUrlError as error:
        raise ValueError(str(error)) from error
    return value


Line = Annotated[str, StringConstraints(min_length=1, max_length=500), AfterValidator(_one_line)]
HostName = Annotated[str, StringConstraints(pattern=_HOST)]
Secret = Annotated[SecretStr, AfterValidator(_secret)]
Url = Annotated[str, StringConstraints(min_length=1, max_length=2_000), AfterValidator(_url)]


def secret_names(kind: Kind) -> frozenset[str]:
    """Return the names of a kind's secret fields."""
    return frozenset(name for name, info in kind.settings.model_fields.items() if _is_secret(info))


def read(kind: Kind, settings: Mapping[str, Any], secrets: Mapping[str, str]) -> BaseModel:
    """Return a kind's fields, checked.

    Raises:
        InvalidSettingsError: one does not fit; which and why, but never what it held.
    """
    known = secret_names(kind)
    for name in settings:
        if name in known:
            raise InvalidSettingsError(f"{name} is a secret of {kind.title}: give it in `secrets`.", field=name)
    for name in secrets:
        if name not in known:
            raise InvalidSettingsError(f"{kind.title} has no secret {name!r}.", field=name)
    try:
        return kind.settings.model_validate({**settings, **secrets})
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        name = ".".join(str(part) for part in first["loc"])
        reason = str(first["msg"]).removeprefix("Value error, ")
        told = f"{kind.title}: {name}: {reason}." if name else f"{kind.title}: {reason}."
        raise InvalidSettingsError(told, field=name or None) from None


def described(kind: Kind) -> list[dict[str, Any]]:
    """Return what forms and people need to know of a kind's fields, those that must be told first."""
    schema = kind.settings.model_json_schema()["properties"] if kind.settings.model_fields else {}
    return [
        {
            "name": name,
            "type": _type_of(schema[name]),
            "is_required": info.is_required(),
            "is_secret": _is_secret(info),
            "description": info.description or "",
            "choices": _choices(info),
            "default": None if info.is_required() or _is_secret(info) else info.get_default(call_default_factory=True),
        }
        for name, info in sorted(kind.settings.model_fields.items(), key=lambda item: not item[1].is_required())
    ]


def _is_secret(info: FieldInfo) -> bool:
    return _holds_secret(info.annotation)


def _holds_secret(annotation: Any) -> bool:
    return annotation is SecretStr or any(_holds_secret(one) for one in get_args(annotation))


def _choices(info: FieldInfo) -> list[str]:
    if getattr(info.annotation, "__origin__", None) is Literal:
        return [str(one) for one in get_args(info.annotation)]
    return []


def _type_of(schema: Mapping[str, Any]) -> str:
    options = schema.get("anyOf", [schema])
    return next((str(option.get("type", "any")) for option in options if option.get("type") != "null"), "any")
