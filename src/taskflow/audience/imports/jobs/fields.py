"""The declared attributes, as the readers of values take them."""

from taskflow.audience.contacts.values import ContactField, FieldType
from taskflow.audience.imports.jobs.staging import sql
from taskflow.db.pool import Connection, Pool


async def declared_fields(source: Connection | Pool) -> dict[str, ContactField]:
    """Return the fields of `contact_fields` by name."""
    rows = await source.fetch(sql.fields)
    return {row["name"]: ContactField(row["name"], FieldType(row["type"]), tuple(row["choices"])) for row in rows}
