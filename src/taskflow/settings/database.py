"""Where PostgreSQL is and how many connections a process may hold."""

from pydantic import BaseModel, Field, SecretStr


class DatabaseSettings(BaseModel):
    """`TASKFLOW_DATABASE_*`."""

    url: SecretStr | None = Field(None, description="postgresql://…; without it, embedded mode brings its own server.")
    hot_url: SecretStr | None = Field(
        None,
        description="URL of a role with pinned planner settings, for the hot statements behind pgbouncer "
        "(see `taskflow.db.pool`). Without it the pins travel as connection parameters on `url`.",
    )
    pool_size: int = Field(10, ge=1, description="Connections of the ordinary pool, per process.")
    hot_pool_size: int = Field(4, ge=1, description="Connections of the hot-path pool, per process.")
    command_timeout: float = Field(30.0, gt=0, description="Seconds until a statement is given up.")
    statement_cache: bool = Field(True, description="Set to false behind pgbouncer before 1.21.")
