"""Recipients as a list of objects, `[{"email": …, "name": …}, …]`, through the same checks as CSV rows."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

import orjson

from taskflow.audience.imports.addresses import InvalidAddressError, normalise
from taskflow.audience.imports.errors import TooManyRowsError
from taskflow.audience.imports.rows import BROKEN, CONTROL, Batch, Rejection, RejectionCode, reject
from taskflow.settings import CampaignSettings

_MAX_DEPTH = 8


def json_batches(recipients: Iterable[object], settings: CampaignSettings, size: int = 5_000) -> Iterator[Batch]:
    """Yield the recipients in batches; row numbers count from 1.

    Keys are template variables as they are; `null` and empty strings are left out, like empty cells.

    Raises:
        TooManyRowsError: there are more than one campaign may have.
    """
    numbered = enumerate(recipients, 1)
    accepted = 0
    while chunk := list(islice(numbered, size)):
        batch = Batch()
        for number, recipient in chunk:
            result = _check(number, recipient, settings)
            if isinstance(result, Rejection):
                batch.rejected.append(result)
            else:
                batch.rows.append(result)
        accepted += len(batch.rows)
        if accepted > settings.max_recipients:
            raise TooManyRowsError(f"There are more than {settings.max_recipients} recipients.")
        yield batch


def _check(number: int, recipient: object, settings: CampaignSettings) -> tuple[int, str, str] | Rejection:
    if not isinstance(recipient, Mapping):
        return reject(
            number, RejectionCode.NOT_AN_OBJECT, "A recipient must be an object with an email.", [str(recipient)]
        )
    address = recipient.get("email")
    raw = [str(value) for value in islice(recipient.values(), settings.max_columns)]
    if not isinstance(address, str):
        return reject(number, RejectionCode.INVALID_ADDRESS, "The recipient has no email.", raw)
    if len(recipient) > settings.max_columns:
        return reject(number, RejectionCode.WRONG_FIELD_COUNT, f"More than {settings.max_columns} fields.", raw)
    for name, value in recipient.items():
        if fault := _fault(str(name), name, settings, 0) or _fault(str(name), value, settings, 0):
            return reject(number, *fault, raw)
    try:
        email = normalise(address.strip())
        fields = {name: value for name, value in recipient.items() if name != "email" and value not in (None, "")}
        return number, email, orjson.dumps(fields).decode()
    except InvalidAddressError as error:
        return reject(number, RejectionCode.INVALID_ADDRESS, str(error), raw)
    except TypeError as error:
        return reject(number, RejectionCode.INVALID_FIELD, f"A field cannot be stored: {error}.", raw)


def _fault(name: str, value: Any, settings: CampaignSettings, depth: int) -> tuple[RejectionCode, str] | None:
    """Return the first fault in a value or what is inside it."""
    if isinstance(value, str):
        if len(value) > settings.max_field_chars:
            return RejectionCode.FIELD_TOO_LONG, f"A field is longer than {settings.max_field_chars} characters."
        if BROKEN.search(value):
            return RejectionCode.INVALID_ENCODING, "A field holds broken Unicode."
        if CONTROL.search(value):
            return RejectionCode.CONTROL_CHARACTER, f"The field '{CONTROL.sub('?', name)}' holds a control character."
        return None
    if isinstance(value, Mapping | list):
        if depth >= _MAX_DEPTH:
            return RejectionCode.INVALID_FIELD, f"The field '{name}' is nested more than {_MAX_DEPTH} deep."
        inner: Iterable[Any] = value if isinstance(value, list) else (part for pair in value.items() for part in pair)
        return next((fault for item in inner if (fault := _fault(name, item, settings, depth + 1))), None)
    return None
