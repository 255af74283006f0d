"""The entry point: a table of commands, each in a module of its own that is loaded only when it is called.

| exit code | means |
|---|---|
| 0 | done |
| 1 | it failed; the sentence on stderr says why |
| 2 | the command line is wrong |
| 3 | not found |
| 4 | not signed in, or not allowed |
| 5 | it does not fit the present state, or the input is invalid |
| 6 | a service does not answer: try again |
| 130 | interrupted with Ctrl-C |
"""

import os
import sys
from importlib import import_module
from typing import Any, NamedTuple

import click

from taskflow import __version__
from taskflow.base.errors import TaskFlowError


class Entry(NamedTuple):
    """Where a command is, and what `--help` says about it without loading it."""

    target: str
    summary: str


COMMANDS = {
    "up": Entry("taskflow.cli.up:up", "Run the whole system on this machine."),
    "demo": Entry("taskflow.cli.demo:demo", "Mail 10,000 made-up people through the whole system."),
    "api": Entry("taskflow.cli.api:api", "Run the API gateway and the dashboard."),
    "coordinator": Entry("taskflow.cli.coordinator:coordinator", "Run the coordinator's duties."),
    "worker": Entry("taskflow.cli.worker:worker", "Run a worker node; list, pause, drain and stop nodes."),
    "sandbox": Entry("taskflow.cli.sandbox:sandbox", "Run the SMTP server that keeps what it gets."),
    "submission": Entry("taskflow.cli.submission:submission", "Run the SMTP relay that programs send mail through."),
    "db": Entry("taskflow.cli.db:db", "Migrate the database."),
    "doctor": Entry("taskflow.cli.doctor:doctor", "Say what is wrong here and how to mend it."),
    "task": Entry("taskflow.cli.task:task", "Submit, list, watch, cancel and retry tasks."),
    "queue": Entry("taskflow.cli.queue:queue", "List, pause, drain, purge and limit queues."),
    "limit": Entry("taskflow.cli.limit:limit", "List and override limits of tasks and keys."),
    "schedule": Entry("taskflow.cli.schedule:schedule", "Start tasks again and again, by cron or interval."),
    "top": Entry("taskflow.cli.top:top", "Watch queues, workers, rates and failures, live in the terminal."),
    "contact": Entry("taskflow.cli.contact:contact", "Add, find, change, import and export contacts."),
    "list": Entry("taskflow.cli.list:mailing_list", "Make lists, and put contacts on them."),
    "campaign": Entry("taskflow.cli.campaign:campaign", "Create, start, watch and export campaigns."),
    "message": Entry("taskflow.cli.message:message", "Send single messages, and find out what became of them."),
    "segment": Entry("taskflow.cli.segment:segment", "Find, count and keep contacts by conditions."),
    "suppression": Entry("taskflow.cli.suppression:suppression", "Keep addresses and domains from being written to."),
    "route": Entry("taskflow.cli.route:route", "See which providers take messages; switch one off and on."),
    "template": Entry("taskflow.cli.template:template", "Write, version, preview, test and lint templates."),
    "snippet": Entry("taskflow.cli.snippet:snippet", "Keep pieces that templates include."),
    "media": Entry("taskflow.cli.media:media", "Keep images and files that mails show or carry."),
    "provider": Entry("taskflow.cli.provider:provider", "Add, test and order who carries messages."),
    "dlq": Entry("taskflow.cli.dlq:dlq", "List, group, requeue and purge dead letters."),
    "webhook": Entry("taskflow.cli.webhook:webhook", "Tell others over HTTP how tasks ended."),
    "privacy": Entry("taskflow.cli.privacy:privacy", "Hand out or erase what is stored about one person."),
    "domain": Entry("taskflow.cli.domain:domain", "Get sending domains ready: DKIM, SPF, DMARC."),
    "sms": Entry("taskflow.cli.sms:sms", "Preview texts, keep DLT templates, read replies and delivery reports."),
    "inbox": Entry("taskflow.cli.inbox:inbox", "Read what the sandbox inbox received."),
    "user": Entry("taskflow.cli.user:user", "Manage users."),
    "key": Entry("taskflow.cli.key:key", "Manage API keys."),
}

EXIT_CODES = {401: 4, 403: 4, 404: 3, 409: 5, 413: 5, 422: 5, 429: 6, 503: 6}
INTERRUPTED = 130


class Nouns(click.Group):
    """A group whose commands come from `COMMANDS`."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        """Return the names in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  # click's signature
        """Load the module of one command."""
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        module, _, attribute = entry.target.partition(":")
        command = getattr(import_module(module), attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{entry.target} is no command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List the commands from the table, without loading one."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.summary) for name, entry in COMMANDS.items()])


@click.command(cls=Nouns, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="taskflow")
def cli() -> None:
    """Run and steer TaskFlow: a distributed task engine and the messaging platform built on it."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with one of the codes above."""
    sys.exit(run(arguments))


def run(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code; errors become one sentence on stderr."""
    try:
        result: Any = cli.main(arguments, prog_name="taskflow", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except TaskFlowError as error:
        click.secho(f"taskflow: {_sentence(error)}", fg="red", err=True)
        return EXIT_CODES.get(error.status, 1)
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except BrokenPipeError:  # `taskflow task list | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return result if isinstance(result, int) else 0


def _sentence(error: TaskFlowError) -> str:
    """Return what went wrong; of input that is wrong in several places, every place."""
    places = error.context.get("errors") or []
    if len(places) < 2:
        return str(error)
    lines = (f"{place.get('pointer') or place.get('parameter')}: {place['detail']}" for place in places)
    return "\n  ".join(["The input is not valid:", *lines])


if __name__ == "__main__":
    main()
