"""Imports of contacts."""

from pydantic import BaseModel, Field


class ImportSettings(BaseModel):
    """`TASKFLOW_IMPORTS_*`."""

    max_rows: int = Field(5_000_000, ge=1, description="Most usable rows of one file of contacts.")
    max_columns: int = Field(200, ge=1, description="Most columns of a file of contacts.")
    max_field_chars: int = Field(32_768, ge=1, description="Longest field of a file of contacts.")
    max_unpacked_bytes: int = Field(
        1024 * 1024**2, ge=1, description="Largest CSV file in a ZIP archive, unpacked; the archive is an upload."
    )
    slice: int = Field(10_000, ge=100, le=100_000, description="Contacts of one transaction.")
    rejection_days: int = Field(30, ge=1, description="How long rejected rows are kept for download.")
