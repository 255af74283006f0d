"""Tokens, passwords and sign-in."""

from pydantic import BaseModel, Field


class SecuritySettings(BaseModel):
    """`TASKFLOW_SECURITY_*`."""

    access_token_seconds: int = Field(900, ge=60, description="Life of an access token.")
    refresh_token_seconds: int = Field(14 * 86400, ge=3600, description="Life of a refresh token, renewed by use.")
    sign_in_attempts: int = Field(10, ge=1, description="Failed sign-ins per account and address in 15 minutes.")
    admin_email: str = Field("admin@taskflow.local", description="The first administrator, made at first start.")
