"""What crosses HTTP about imports."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints

from taskflow.audience.channels import Channel
from taskflow.audience.imports.jobs import columns
from taskflow.audience.imports.jobs.columns import Column
from taskflow.audience.imports.jobs.models import Consent, ImportJob, ImportMode, ImportOptions, ImportStatus
from taskflow.audience.imports.jobs.service import Inspection
from taskflow.base.bodies import Body

_Key = Annotated[str, StringConstraints(max_length=1_000)]
_Target = Annotated[str, StringConstraints(min_length=1, max_length=100)]


class ConsentIn(Body):
    """What the people of the file have agreed to, as the importer says; kept for each of them."""

    wording: Annotated[
        str, StringConstraints(strip_whitespace=True, min_length=1, max_length=10_000, pattern=r"^[^\x00]*$")
    ]
    channels: list[Channel] = Field([Channel.EMAIL], min_length=1, max_length=2, description="For what.")
    confirmed: bool = Field(
        False, description="They have confirmed it elsewhere: lists with a double opt-in need not ask again."
    )


class ImportFields(BaseModel):
    """What is to be done with the people of a file."""

    mode: ImportMode = Field(
        ImportMode.UPSERT, description="create: only new people; update: only known ones; upsert: both."
    )
    dry_run: bool = Field(False, description="Check every row and say what would happen, without doing it.")
    mapping: dict[_Key, _Target] = Field(
        {},
        max_length=1_000,
        description="Column → email, phone, locale, time_zone, tags, ignore, or an attribute's name.",
    )
    other_columns: Literal["suggest", "ignore"] = Field(
        "suggest", description="What becomes of columns that the mapping does not name."
    )
    lists: list[UUID] = Field([], max_length=50, description="Lists that they are added to.")
    tags: list[Annotated[str, StringConstraints(max_length=200)]] = Field([], max_length=50, description="Their tags.")
    default_region: Annotated[str, StringConstraints(max_length=10)] | None = Field(
        None, description="Country (DE, US, …) of phone numbers without a country code."
    )
    consent: ConsentIn | None = None
    ask_to_confirm: bool = Field(
        False, description="Mail the people who come to a list with a double opt-in, and ask them to confirm."
    )

    def options(self) -> ImportOptions:
        """Return it as the service takes it."""
        said = self.consent
        consent = Consent(said.wording, tuple(dict.fromkeys(said.channels)), said.confirmed) if said else None
        return ImportOptions(
            self.mode,
            self.dry_run,
            dict(self.mapping),
            self.other_columns == "ignore",
            tuple(self.lists),
            tuple(self.tags),
            self.default_region,
            consent,
            self.ask_to_confirm,
        )


class ColumnOut(BaseModel):
    """A column of a file; `place` counts from 1. `name` is its unique name, for the mapping."""

    place: int
    title: str
    name: str
    target: str
    type: str | None = Field(None, description="Of the declared attribute.")
    samples: list[str] = []

    @classmethod
    def of(cls, column: Column, **more: Any) -> Self:
        """Return a column as JSON."""
        return cls(place=column.place + 1, title=column.title, name=column.name, target=column.target, **more)


class SharedTitle(BaseModel):
    """A title that several columns have: the mapping must say what each of them is, by these names."""

    title: str
    places: list[int]
    names: list[str]


class InspectionOut(BaseModel):
    """What a file looks like, and what its columns would become."""

    filename: str | None
    encoding: str
    delimiter: str
    estimated_rows: int
    columns: list[ColumnOut]
    shared_titles: list[SharedTitle]

    @classmethod
    def of(cls, found: Inspection) -> Self:
        """Return an inspection as JSON."""
        reserved = columns.RESERVED
        return cls(
            filename=found.filename,
            encoding=found.encoding,
            delimiter=found.delimiter,
            estimated_rows=found.rows,
            columns=[
                ColumnOut.of(
                    column,
                    type=None if column.target in reserved else found.types.get(column.target),
                    samples=found.samples[column.place],
                )
                for column in found.columns
            ],
            shared_titles=[
                SharedTitle(
                    title=title,
                    places=[place + 1 for place in places],
                    names=[found.columns[place].name for place in places],
                )
                for title, places in found.shared_titles.items()
            ],
        )


class ImportReportOut(BaseModel):
    """An import and how far it is: at its end, `rows` = created + updated + skipped + rejected."""

    import_id: UUID
    task_id: UUID
    status: ImportStatus
    phase: Literal["waiting", "reading", "merging", "ended"]
    percent: float
    mode: ImportMode
    dry_run: bool
    filename: str | None
    size: int = Field(description="Bytes, unpacked.")
    encoding: str | None
    delimiter: str | None
    columns: list[ColumnOut]
    lists: list[UUID]
    tags: list[str]
    rows: int = Field(description="Read so far.")
    total_rows: int | None = Field(description="An estimate until the file is read.")
    created: int
    updated: int
    skipped: int = Field(description="There already (create), not there (update), or unchanged.")
    rejected: int
    pending: int = Field(description="Came to a list with a double opt-in, and have yet to confirm it.")
    error_code: str | None
    error_message: str | None
    summary: str
    cancel_requested_at: datetime | None
    created_by: UUID | None
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None

    @classmethod
    def of(cls, job: ImportJob) -> Self:
        """Return an import as JSON."""
        names = (name for name in cls.model_fields if hasattr(job, name))
        return cls.model_validate(
            {name: getattr(job, name) for name in names}
            | {
                "task_id": job.import_id,
                "columns": [ColumnOut(place=place, **column) for place, column in enumerate(job.mapping, 1)],
                "lists": job.options["lists"],
                "tags": job.options["tags"],
                "summary": job.summary(),
            }
        )
