"""The SMTP server that takes mail for sending."""

from pathlib import Path

from pydantic import BaseModel, Field


class SubmissionSettings(BaseModel):
    """`TASKFLOW_SUBMISSION_*`."""

    host: str = Field("127.0.0.1", description="Address of the SMTP server that takes mail for sending.")
    port: int = Field(2587, ge=0, le=65535, description="Its port; 0 takes a free one.")
    tls_port: int | None = Field(
        None, ge=0, le=65535, description="A second port, with TLS from the first byte (465); needs the certificate."
    )
    cert_file: Path | None = Field(None, description="Certificate (PEM) for TLS; without, only loopback.")
    key_file: Path | None = Field(None, description="Its private key (PEM); else in the certificate's file.")
    trust_loopback: bool = Field(
        True, description="Take keys without TLS from this machine. False where a proxy on it hands connections on."
    )
    max_message_bytes: int = Field(25 * 1024**2, gt=0, le=64 * 1024**2)
    max_recipients: int = Field(100, ge=1, le=1_000, description="Most recipients of one mail.")
    max_connections: int = Field(200, ge=1, description="Most connections of a relay process at a time.")
    max_connections_per_address: int = Field(
        50, ge=1, description="Most of them from one address; an IPv6 address counts as its /64."
    )
    metrics_host: str = Field("127.0.0.1", description="Address of that port; 0.0.0.0 in a container.")
    metrics_port: int | None = Field(
        None, description="Serves /metrics, /health and /ready there; 0 takes a free port."
    )
