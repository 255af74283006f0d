"""`taskflow contact`: the people that may be written to."""

import click

from taskflow.cli.contact_import import import_file, imports


@click.group()
def contact() -> None:
    """Import contacts."""


contact.add_command(import_file)
contact.add_command(imports)
