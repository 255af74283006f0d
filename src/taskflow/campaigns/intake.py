"""A new campaign out of a request: JSON, or a form whose `recipients` is a CSV file that is never held in memory."""

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import Any, BinaryIO, cast

import orjson

from taskflow.audience.imports import Batch, CsvSource, json_batches
from taskflow.base.errors import InvalidInputError
from taskflow.base.filenames import last_part
from taskflow.campaigns.drafts import NewCampaign
from taskflow.campaigns.importing import Origin
from taskflow.campaigns.schemas import CampaignFields, CampaignIn
from taskflow.settings import CampaignSettings

Intake = tuple[NewCampaign, Origin, AsyncIterable[Batch]]

_UNLIMITED = frozenset({"null", "none", "unlimited"})


class UnsupportedBodyError(InvalidInputError):
    """The body must be application/json or multipart/form-data."""

    code = "unsupported_media_type"
    status = 415


class NoFileError(InvalidInputError):
    """The form has no file called recipients."""

    code = "no_file"


class UnreadableBodyError(InvalidInputError):
    """The body cannot be read."""

    code = "unreadable_body"
    status = 400


def from_json(body: bytes, settings: CampaignSettings) -> Intake:
    """Read a JSON body.

    Raises:
        UnreadableBodyError: it is no JSON.
        pydantic.ValidationError: fields are missing or wrong.
    """
    try:
        values = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise UnreadableBodyError(f"The body is no JSON: {error}.") from error
    new = CampaignIn.model_validate(values)
    columns = _columns(new.recipients)
    return new.new_campaign(), Origin(columns=columns, row=["email", *columns]), _listed(new.recipients, settings)


@asynccontextmanager
async def from_form(
    texts: Mapping[str, str], file: BinaryIO, filename: str | None, settings: CampaignSettings
) -> AsyncIterator[Intake]:
    """Read form fields and a CSV file that lies on disk until the block ends.

    Raises:
        pydantic.ValidationError: fields are missing or wrong.
        ImportFileError: the file as a whole cannot be used.
    """
    fields = CampaignFields.model_validate(_from_form(texts))
    async with CsvSource.open(file, settings) as source:
        names = [name for name in source.columns if name != "email"]
        origin = Origin(last_part(filename), source.encoding, source.delimiter, names, source.columns)
        async with aclosing(cast("AsyncGenerator[Batch, None]", source.batches())) as batches:
            yield fields.new_campaign(), origin, batches


def _from_form(texts: Mapping[str, str]) -> dict[str, Any]:
    """Turn form fields, which are all text, into what the model takes; an empty field is one that was not given."""
    values: dict[str, Any] = {name: text for name, text in texts.items() if text != "" and name != "recipients"}
    if str(values.get("rate_limit_per_minute", "")).strip().lower() in _UNLIMITED:
        values["rate_limit_per_minute"] = None
    if "template_variables" in values:
        try:
            values["template_variables"] = orjson.loads(values["template_variables"])
        except orjson.JSONDecodeError as error:
            raise UnreadableBodyError(f"template_variables is no JSON: {error}.") from error
    return values


def _columns(recipients: list[Any]) -> list[str]:
    """Return the variables of the first recipients, in order of appearance."""
    names = (name for one in recipients[:1000] if isinstance(one, dict) for name in one)
    return [name for name in dict.fromkeys(names) if name != "email" and "\x00" not in name][:200]


async def _listed(recipients: list[Any], settings: CampaignSettings) -> AsyncIterator[Batch]:
    for batch in json_batches(recipients, settings):
        yield batch
