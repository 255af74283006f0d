"""The SMTP server that campaigns are sent through; without a host, the sandbox inbox takes the mail."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field, SecretStr


class SmtpSettings(BaseModel):
    """`TASKFLOW_SMTP_*`."""

    host: str | None = Field(None, description="Server name; none sends to the sandbox inbox.")
    port: int = Field(587, ge=1, le=65535)
    security: Literal["none", "starttls", "tls"] = Field("starttls", description="TLS from the start, later or never.")
    ca_file: Path | None = Field(None, description="Certificates to trust (PEM) instead of the system's own.")
    username: str | None = None
    password: SecretStr | None = None
    connections: int = Field(4, ge=1, description="Most connections per worker process.")
    connect_timeout: float = Field(15.0, gt=0, description="Seconds for connect, greeting, TLS and AUTH, each.")
    command_timeout: float = Field(30.0, gt=0, description="Seconds for a reply to MAIL, RCPT and DATA, each.")
    data_timeout: float = Field(120.0, gt=0, description="Seconds for the reply after the final dot.")
    idle_seconds: float = Field(30.0, gt=0, description="A connection unused for so long is closed.")
    messages_per_connection: int | None = Field(None, ge=1, description="Then it is closed; by default never.")
    helo_name: str | None = Field(None, description="Name for EHLO; this machine's own by default.")

    def or_sandbox(self, host: str, port: int) -> "SmtpSettings":
        """Return these settings, or those of the sandbox inbox at `host`:`port` when no server is named."""
        if self.host is not None:
            return self
        return self.model_copy(
            update={"host": host, "port": port, "security": "none", "username": None, "password": None}
        )
