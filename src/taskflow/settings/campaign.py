"""Campaigns and their imports."""

from pydantic import BaseModel, Field


class CampaignSettings(BaseModel):
    """`TASKFLOW_CAMPAIGN_*`."""

    ahead: int = Field(50_000, ge=100, description="Send tasks that the coordinator creates ahead of the workers.")
    slice: int = Field(5_000, ge=1, description="Send tasks of one INSERT.")
    ledger_window: int = Field(10, ge=1, le=10, description="Messages one connection may have SENDING at a time.")
    max_columns: int = Field(200, ge=1, description="Most columns of a CSV file.")
    max_field_chars: int = Field(32_768, ge=1, description="Longest field of a CSV file.")
    max_recipients: int = Field(5_000_000, ge=1, description="Most recipients of one campaign.")
    template_bytes: int = Field(512 * 1024, ge=1, description="Longest template source.")
    render_seconds: float = Field(1.0, gt=0, description="CPU seconds that one message may take to render.")
    render_memory_mb: int = Field(256, ge=64, description="Memory limit of a rendering process.")
    render_output_bytes: int = Field(1024 * 1024, ge=1, description="Longest rendered message part.")
    pause_complaint_rate: float | None = Field(
        0.003, gt=0, le=1, description="Share of complaints at which a campaign pauses by itself; null: never."
    )
    pause_bounce_rate: float | None = Field(
        0.05, gt=0, le=1, description="Share of refused and returned messages at which it does; null: never."
    )
    pause_sample: int = Field(500, ge=1, description="Messages that have to be out before either share is judged.")
