"""`taskflow demo`: the main job from end to end, on this machine, in a few minutes or less.

Real processes, a real PostgreSQL and a real Redis under a home of their own; nothing outside is asked or written to,
whatever the environment says. The campaign goes through the HTTP API as anybody's would. At the end the sandbox inbox
is compared with the ledger, mail by mail.
"""

import asyncio
import contextlib
import os
import signal
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import click
import orjson

from taskflow.base.errors import ConfigurationError
from taskflow.base.logging import configure_logging
from taskflow.cli.campaign import upload
from taskflow.cli.client import Client
from taskflow.cli.configuration import load_settings
from taskflow.cli.progress import watch
from taskflow.embedded.supervisor import AllInOne
from taskflow.settings import CLI_KEY_FILE, Settings

_KEPT = ("TASKFLOW_HOME", "TASKFLOW_LOG_LEVEL", "TASKFLOW_LOG_FORMAT")
_SIGNS = {True: click.style("✓", fg="green"), False: click.style("✗", fg="red")}


@dataclass(frozen=True)
class Example:
    """The files of the demo's campaign."""

    folder: Path

    @property
    def recipients(self) -> Path:
        """The people: CSV."""
        return self.folder / "recipients.csv"

    def fields(self) -> dict[str, Any]:
        """Return the campaign as the API takes it."""
        fields: dict[str, Any] = orjson.loads((self.folder / "campaign.json").read_bytes())
        fields["template_subject"] = (self.folder / "subject.txt").read_text(encoding="utf-8").strip()
        fields["template_body"] = (self.folder / "template.html").read_text(encoding="utf-8")
        return fields

    def rules(self) -> list[dict[str, Any]]:
        """Return what the sandbox inbox answers to whom."""
        rules: list[dict[str, Any]] = orjson.loads((self.folder / "rules.json").read_bytes())
        return rules

    @classmethod
    def find(cls) -> "Example":
        """Return the example of this package or of the clone it runs from.

        Raises:
            ConfigurationError: it is in neither.
        """
        here = Path(__file__).resolve()
        for folder in (here.parent / "black-friday", here.parents[3] / "examples" / "black-friday"):
            if (folder / "campaign.json").is_file():
                return cls(folder)
        raise ConfigurationError("The example's files (examples/black-friday) are not here.")


@click.command()
@click.option("--nodes", default=1, show_default=True, type=click.IntRange(1, 16), help="Worker nodes to run.")
def demo(nodes: int) -> int:
    """Mail 10,000 made-up people through the whole system: API, PostgreSQL, Redis, coordinator, workers, SMTP.

    Everything runs here, under a home of its own (TASKFLOW_HOME/demo), and the sandbox inbox takes the mail. Exits 0
    when every mail that was sent is in the inbox exactly once, and nothing else is.
    """
    example = Example.find()
    for name in [name for name in os.environ if name.startswith("TASKFLOW_") and name not in _KEPT]:
        del os.environ[name]  # nobody's servers, mail server or secrets: only what the demo brings itself
    settings = _settings(load_settings())
    configure_logging("ERROR", settings.log.format)
    return asyncio.run(_run(AllInOne(settings, nodes=nodes, show_logs=False), example))


def _settings(settings: Settings) -> Settings:
    return settings.model_copy(
        update={
            "home": settings.home / "demo",
            "http": settings.http.model_copy(update={"port": 0}),
            "sandbox": settings.sandbox.model_copy(update={"port": 0}),
            "submission": settings.submission.model_copy(update={"port": 0}),
        }
    )


async def _run(system: AllInOne, example: Example) -> int:
    """Run until the job is done or a signal asks for the end."""
    task = asyncio.current_task()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel if task else loop.stop)
    _step("Starting PostgreSQL, Redis, API, coordinator, workers and the sandbox inbox …")
    try:
        async with system.running():
            key = (system.home.path / CLI_KEY_FILE).read_text(encoding="ascii").strip()
            if system.admin_password is not None:  # for `make up` on this home afterwards, which shows none
                system.home.write_private(system.home.path / "admin-password", system.admin_password)
            watcher = asyncio.create_task(system.watch())
            try:
                admin = system.settings.security.admin_email
                return await _in_thread(Show(Client(system.url, key), example, system.home.path, admin))
            finally:
                watcher.cancel()
                await asyncio.gather(watcher, return_exceptions=True)
    except asyncio.CancelledError:
        click.echo("\nStopped.", err=True)
        return 130


async def _in_thread(show: "Show") -> int:
    """Run the job, which speaks HTTP and blocks, beside the supervisor."""
    return await asyncio.to_thread(show.run)


class Show:
    """The job as the audience sees it."""

    def __init__(self, client: Client, example: Example, home: Path, admin: str) -> None:
        """Work through the API; `admin` is the address of the administrator."""
        self._client = client
        self._example = example
        self._home = home
        self._admin = admin

    def run(self) -> int:
        """Do it and return the exit code."""
        client = self._client
        _step(f"Everything is up: {client.url}")
        client.delete("/inbox")
        client.request("PUT", "/inbox/rules", json=[])  # a rule that stays as it was would keep its count
        client.request("PUT", "/inbox/rules", json=self._example.rules())
        campaign = self._create()
        client.post(f"/campaigns/{campaign['campaign_id']}/start")
        _step("Started, without a rate limit (campaigns have one of 100 mails a minute unless they say otherwise).")
        ended = watch(client, campaign["campaign_id"])
        click.secho(f"\nCampaign {ended['status'].lower()}! {ended['summary']}", bold=True)
        good = self._check(ended)
        self._close(ended, good)
        return 0 if good else 1

    def _create(self) -> dict[str, Any]:
        made: dict[str, Any] = upload(self._client, self._example.fields(), self._example.recipients)
        report = made["import"]
        _step(
            f"Imported {report['accepted']:,} recipients from {report['filename']}"
            f" ({report['rows']:,} rows; {report['rejected']} broken and {report['duplicates']} double ones"
            " are in the report)."
        )
        return made

    def _check(self, ended: dict[str, Any]) -> bool:
        """Compare ledger and inbox, and say what was found."""
        people = self._client.pages(f"/campaigns/{ended['campaign_id']}/recipients")
        ledger = {item["email"]: item["status"] for item in people}
        inbox = Counter(item["rcpt_to"] for item in self._client.pages("/inbox"))
        sent = {address for address, status in ledger.items() if status == "SENT"}
        refused = {address for address in ledger if self._is_refused(address)}
        checks = {
            f"all {len(sent):,} sent mails are in the inbox": sent <= inbox.keys(),
            "each of them exactly once": all(count == 1 for count in inbox.values()),
            "nothing else is": inbox.keys() <= sent,
            f"the {len(refused)} refused addresses failed and got nothing": all(
                ledger[address] == "FAILED" and address not in inbox for address in refused
            ),
            "everybody else was sent to": sent == ledger.keys() - refused,
            "the counters say what the rows say": (ended["sent_count"], ended["failed_count"])
            == (len(sent), sum(status == "FAILED" for status in ledger.values())),
        }
        for sentence, holds in checks.items():
            click.echo(f"  {_SIGNS[holds]} {sentence}")
        return all(checks.values())

    def _is_refused(self, address: str) -> bool:
        return any(
            rule["action"] == "reject" and rule["times"] is None and fnmatchcase(address.lower(), rule["pattern"])
            for rule in self._example.rules()
        )

    def _close(self, ended: dict[str, Any], good: bool) -> None:
        if ended["started_at"] and ended["completed_at"]:
            seconds = (_instant(ended["completed_at"]) - _instant(ended["started_at"])).total_seconds()
            click.echo(
                f"\n{ended['sent_count'] / max(seconds, 0.001):,.0f} mails/s over {seconds:.1f} s,"
                " retries of the mails that were put off included."
            )
        if good:
            click.echo(
                f"Look around: `TASKFLOW_HOME={_shown(self._home)} make up` and open http://127.0.0.1:8000:"
                " the campaign and its mails are there. Sign in as"
                f" {self._admin}, whose password is in {_shown(self._home / 'admin-password')}."
            )
        else:
            click.secho(f"Something is wrong; the processes' logs are in {_shown(self._home / 'logs')}.", fg="red")


def _step(text: str) -> None:
    click.echo(text)


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _shown(path: Path) -> str:
    """Return a path the short way."""
    with contextlib.suppress(ValueError):
        return str(path.relative_to(Path.cwd()))
    return str(path)
