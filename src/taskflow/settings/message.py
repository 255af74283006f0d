"""Messages without a campaign."""

from typing import Literal

from pydantic import BaseModel, Field


class MessageSettings(BaseModel):
    """`TASKFLOW_MESSAGE_*`."""

    rate_limit_per_minute: int = Field(
        1_000,
        ge=1,
        description="Calls of POST /messages and mails over the SMTP relay, together, that a user may make in 60 s; an "
        "API key with a limit of its own has that.",
    )
    archive: Literal["none", "metadata", "full"] = Field(
        "full", description="What is kept of a message's words: nothing, its subject, everything. A call may say less."
    )
    content_days: int = Field(30, ge=1, description="How long the words of messages are kept.")
    days: int = Field(90, ge=0, description="How long messages are listed after their end; 0: for ever.")
