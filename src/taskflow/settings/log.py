"""Logs."""

from typing import Literal

from pydantic import BaseModel, Field


class LogSettings(BaseModel):
    """`TASKFLOW_LOG_*`."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    format: Literal["auto", "json", "console"] = Field("auto", description="auto is JSON unless stderr is a terminal.")
