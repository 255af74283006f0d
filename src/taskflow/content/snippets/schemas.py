"""What crosses HTTP about snippets."""

from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints

from taskflow.base.bodies import Body
from taskflow.content.fields import Note, Source

SnippetName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,63}$")]


class NewSnippet(Body):
    """A new snippet."""

    name: SnippetName = Field(description="How templates include it: {% include 'NAME' %}.")
    body: Source = Field(description="MJML, HTML or text: what fits where it is included.")
    description: Note | None = None


class SnippetChange(Body):
    """What is changed; what is left out stays. Names stay: templates call by them."""

    body: Source | None = None
    description: Note | None = None


class SnippetOut(BaseModel):
    """A snippet. Templates take a new body along when they are saved next."""

    snippet_id: UUID
    name: str
    description: str | None
    body: str
    version: int
    created_at: datetime
    updated_at: datetime
    created_by: UUID | None


class SnippetUse(BaseModel):
    """A template whose newest version includes a snippet."""

    template_id: UUID
    name: str
    version: int
    is_current: bool = Field(description="Whether it has the snippet as it is now.")


class SnippetDetail(SnippetOut):
    """A snippet and who includes it."""

    used_by: list[SnippetUse]

    @classmethod
    def with_users(cls, snippet: Any, users: list[Any]) -> Self:
        """Return a snippet's row and its users' as JSON."""
        return cls(**dict(snippet), used_by=[SnippetUse(**dict(row)) for row in users])
