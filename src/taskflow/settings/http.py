"""The HTTP and WebSocket side."""

from ipaddress import IPv4Network, IPv6Network

from pydantic import BaseModel, Field


class HttpSettings(BaseModel):
    """`TASKFLOW_HTTP_*`."""

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    public_url: str | None = Field(
        None,
        description="How recipients reach this server (https://mail.example.com); links in mails start with it.",
    )
    cors_origins: list[str] = Field([], description='Exact origins, as JSON: ["https://app.example.com"].')
    trusted_proxies: list[IPv4Network | IPv6Network] = Field(
        [], description="Networks whose X-Forwarded-For is believed."
    )
    max_body_bytes: int = Field(10 * 1024**2, gt=0, description="Largest JSON body.")
    max_upload_bytes: int = Field(512 * 1024**2, gt=0, description="Largest CSV upload.")
    rate_limit_user_per_minute: int = Field(100, ge=1, description="Requests a user or API key may make in 60 s.")
    rate_limit_ip_per_minute: int = Field(1000, ge=1, description="Requests an address may make in 60 s.")

    @property
    def base_url(self) -> str:
        """How recipients reach this server, without a slash at the end."""
        if self.public_url is not None:
            return self.public_url.rstrip("/")
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"
