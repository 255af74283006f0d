"""The base of request bodies: members that nobody knows are errors, and there are never many of them.

A body of ten megabytes can hold a million unknown members, and a sentence about each takes ten seconds to make. So an
object with more members than any of ours has is refused before they are looked at; lists of models take `Field(fail_fast=True)`.
"""

from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator

_MOST_MEMBERS = 100


class Body(BaseModel):
    """A request body, or an object in one."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def refuse_crowds(cls, value: Any) -> Any:
        """Refuse an object with very many members."""
        if isinstance(value, dict) and len(value) > _MOST_MEMBERS:
            raise ValueError(f"at most {_MOST_MEMBERS} members")
        return value
