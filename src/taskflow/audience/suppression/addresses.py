"""What a suppression may name: an address, a whole domain, a phone number."""

from taskflow.audience.channels import Channel
from taskflow.audience.contacts.phones import normalise_phone
from taskflow.audience.contacts.values import InvalidValueError, normalise_email
from taskflow.base.errors import InvalidInputError


class InvalidSuppressionError(InvalidInputError):
    """This cannot be suppressed: write an address, or a domain such as @example.com; for text messages a number."""

    code = "invalid_suppression"


def normalise_target(channel: Channel, text: str) -> str:
    """Return an address, `@domain` or phone number as it stands in `suppressions`: in lower case.

    Raises:
        InvalidSuppressionError: it is none.
    """
    text = text.strip()
    try:
        if channel == "sms":
            return normalise_phone(text)
        if text.startswith(("@", "*@")):
            return "@" + normalise_email("anyone@" + text.lstrip("*")[1:]).partition("@")[2]
        return normalise_email(text).lower()
    except InvalidValueError as error:
        raise InvalidSuppressionError(str(error)) from error


def targets_of(channel: Channel, text: str) -> list[str]:
    """Return everything that would suppress this address or number, but for what an erasure leaves.

    Raises:
        InvalidSuppressionError: it is no address or number.
    """
    target = normalise_target(channel, text)
    return [target] if channel == "sms" else [target, target[target.rindex("@") :]]
