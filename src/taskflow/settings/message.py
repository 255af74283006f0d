"""Messages without a campaign."""

from typing import Literal

from pydantic import BaseModel, Field


class MessageSettings(BaseModel):
    """`TASKFLOW_MESSAGE_*`."""

    archive: Literal["none", "metadata", "full"] = Field(
        "full", description="What is kept of a message's words: nothing, its subject, everything. A call may say less."
    )
    content_days: int = Field(30, ge=1, description="How long the words of messages are kept.")
    days: int = Field(90, ge=0, description="How long messages are listed after their end; 0: for ever.")
