"""What can be wrong with a message, or with what is asked of one."""

from taskflow.base.errors import ConflictError, InvalidInputError, NotFoundError


class MessageNotFoundError(NotFoundError):
    """There is no such message."""

    code = "message_not_found"


class ContentNotKeptError(NotFoundError):
    """What was sent is not kept: not sent yet, too long ago, or the archive keeps no content."""

    code = "content_not_kept"


class NoCarrierError(InvalidInputError):
    """Nothing here can send such a message."""

    code = "no_provider"


class InvalidRecipientError(InvalidInputError):
    """One of the recipients cannot be written to."""

    code = "invalid_recipient"


class ExpiresBeforeHoursError(InvalidInputError):
    """The text expires before the hours in which it may go out."""

    code = "expires_before_hours"


class UnrenderableError(InvalidInputError):
    """The message cannot be made for these recipients."""

    code = "message_unrenderable"


class MessageNotCancellableError(ConflictError):
    """The message is on its way, or has ended: it cannot be cancelled."""

    code = "message_not_cancellable"


class MessageNotFailedError(ConflictError):
    """The message has not failed, or its task has not ended yet: it cannot be sent again."""

    code = "message_not_failed"


class WordsNotKeptError(ConflictError):
    """What the message says is not kept any more, or its person was erased: send a new one."""

    code = "message_words_not_kept"


class MessageNotUncertainError(ConflictError):
    """The message is not uncertain, or its task has not ended yet: there is nothing to resolve."""

    code = "message_not_uncertain"
