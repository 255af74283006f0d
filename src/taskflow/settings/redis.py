"""Where the Redis-protocol server is."""

from pydantic import BaseModel, Field, SecretStr


class RedisSettings(BaseModel):
    """`TASKFLOW_REDIS_*`."""

    url: SecretStr | None = Field(
        None, description="redis://… or unix://…; without it, embedded mode brings its own server."
    )
    key_prefix: str = Field("", description="Put before every key; a hash tag such as `{taskflow}:` for Redis Cluster.")
    pool_size: int = Field(16, ge=1, description="Connections per process.")
    timeout: float = Field(5.0, gt=0, description="Seconds until a command is given up.")
