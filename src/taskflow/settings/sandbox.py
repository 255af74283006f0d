"""The sandbox inbox: an SMTP server that keeps what it gets."""

from pydantic import BaseModel, Field


class SandboxSettings(BaseModel):
    """`TASKFLOW_SANDBOX_*`."""

    host: str = Field("127.0.0.1", description="Address of the sandbox's SMTP server.")
    port: int = Field(2525, ge=0, le=65535, description="Its port; 0 takes a free one.")
    keep: int = Field(200_000, ge=1, description="Messages kept; older ones go.")
    max_message_bytes: int = Field(10 * 1024**2, gt=0)
