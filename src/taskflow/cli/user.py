"""`taskflow user`: who may sign in."""

import sys

import click

from taskflow.cli.client import Client, Output, speaks_http

_ROLES = ("admin", "operator", "marketer", "viewer")
_COLUMNS = ("user_id", "email", "role", "is_active", "last_login_at")


@click.group()
def user() -> None:
    """Manage users."""


@user.command()
@click.argument("email")
@click.option("--role", default="viewer", show_default=True, type=click.Choice(_ROLES), help="What they may do.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input instead of asking.")
@speaks_http
def create(client: Client, output: Output, email: str, role: str, password_stdin: bool) -> None:
    """Add a user; the password is asked for, or read from standard input."""
    if password_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    elif not sys.stdin.isatty():
        raise click.UsageError("There is no terminal to ask for the password on: use --password-stdin.")
    else:
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    made = client.post("/users", {"email": email, "role": role, "password": password})
    output.thing(made, text=f"{made['email']} may sign in as {made['role']}.")


@user.command("list")
@speaks_http
def list_users(client: Client, output: Output) -> None:
    """List users."""
    output.things(list(client.pages("/users")), _COLUMNS, empty="No users.")
