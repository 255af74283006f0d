"""Files that mails show or carry."""

from typing import Literal

from pydantic import BaseModel, Field, SecretStr


class MediaSettings(BaseModel):
    """`TASKFLOW_MEDIA_*`."""

    storage: Literal["local", "s3"] = Field(
        "local", description="Where files are kept: under `TASKFLOW_HOME`/media of this machine, or in a bucket."
    )
    max_bytes: int = Field(10 * 1024**2, ge=1, le=100 * 1024**2, description="Largest file.")
    max_attachment_bytes: int = Field(
        5 * 1024**2, ge=1, le=25 * 1024**2, description="Most that the attachments of one mail may have together."
    )
    max_pixels: int = Field(40_000_000, ge=1, description="Most pixels of an image.")
    s3_endpoint: str | None = Field(
        None, description="The service, https://s3.eu-central-1.amazonaws.com or one of your own; buckets are paths."
    )
    s3_bucket: str | None = Field(None, description="The bucket.")
    s3_region: str = Field("us-east-1", description="The region that signatures name.")
    s3_access_key: str | None = Field(None, description="The key's id.")
    s3_secret_key: SecretStr | None = Field(None, description="The key.")
    s3_prefix: str = Field("media/", description="What object names begin with.")
    s3_seconds: float = Field(20.0, gt=0, description="How long one request to the bucket may take.")
