"""What commands that speak HTTP share: the client, the options `--api-url` and `--json`, and how things are printed.

Where the API is: `--api-url`, else `TASKFLOW_API_URL`, else the `taskflow up` of this home, else port 8000 here. Who
calls: `TASKFLOW_API_KEY`, else the key that `taskflow up` left in `<home>/cli-key`. A key is no option of the command
line, because command lines are seen by everybody on the machine.
"""

import functools
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from http import HTTPStatus
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
import httpx

from taskflow.base.errors import TaskFlowError, UnauthenticatedError, UnavailableError
from taskflow.base.remote_errors import error_of
from taskflow.base.terminal import printable
from taskflow.cli.configuration import load_settings
from taskflow.cli.table import cell, table
from taskflow.settings import ApiAccess

if TYPE_CHECKING:
    from taskflow.engine.remote import LiveEvent

F = TypeVar("F", bound=Callable[..., Any])

_SECONDS = 30.0
_PAGE = 500


class Client:
    """The REST API as a caller with a key sees it; problems become domain errors, and with them exit codes."""

    def __init__(self, url: str, key: str, http: httpx.Client | None = None) -> None:
        """Speak to the API at `url` (scheme, host and port) with an API key or access token."""
        self.url = url.rstrip("/")
        self.key = key
        self._http = http or httpx.Client(base_url=self.url, timeout=_SECONDS, trust_env=False)
        self._http.headers["Authorization"] = f"Bearer {key}"

    def request(self, method: str, path: str, **options: Any) -> Any:
        """Return the JSON of an answer, or None when it has no body; `path` comes after `/api/v1`.

        Raises:
            TaskFlowError: the subclass that fits the status.
            UnavailableError: nobody answers.
        """
        return _json(self.send(method, path, **options))

    def send(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Return a successful answer as it is; raises like `request`."""
        try:
            answer = self._http.request(method, f"/api/v1{path}", **options)
        except httpx.HTTPError as error:
            raise self._away(error) from error
        if answer.is_success:
            return answer
        raise self._problem(answer)

    def stream(self, path: str, **query: Any) -> Iterator[bytes]:
        """GET something large, chunk by chunk; raises like `request`."""
        given = {key: value for key, value in query.items() if value is not None}
        try:
            with self._http.stream("GET", f"/api/v1{path}", params=given) as answer:
                if not answer.is_success:
                    answer.read()
                    raise self._problem(answer)
                yield from answer.iter_bytes()
        except httpx.HTTPError as error:
            raise self._away(error) from error

    def get(self, path: str, **query: Any) -> Any:
        """GET with a query; None leaves a parameter out."""
        return self.request("GET", path, params={key: value for key, value in query.items() if value is not None})

    def post(self, path: str, body: Any = None, **options: Any) -> Any:
        """POST a JSON body."""
        return self.request("POST", path, **({} if body is None else {"json": body}), **options)

    def delete(self, path: str) -> Any:
        """DELETE."""
        return self.request("DELETE", path)

    def pages(self, path: str, limit: int | None = None, **query: Any) -> Iterator[dict[str, Any]]:
        """Yield the items of a list, page after page, at most `limit`."""
        left, cursor = limit, None
        while left is None or left > 0:
            page = self.get(path, **query, cursor=cursor, limit=min(left or _PAGE, _PAGE))
            yield from page["items"]
            left = None if left is None else left - len(page["items"])
            cursor = page["next_cursor"]
            if cursor is None:
                return

    def events(self, *topics: str) -> "Iterator[LiveEvent]":
        """Iterate over what happens, across lost connections; `resync` says to look at the API (again).

        Raises:
            InvalidInputError: the API has no such topics.
            UnauthenticatedError: the key is no longer good.
            UnavailableError: the API stays away for ten seconds.
        """
        from taskflow.engine.remote.live import follow_blocking

        try:
            yield from follow_blocking(ApiAccess(self.url, self.key), topics)
        except UnauthenticatedError as error:
            raise self.refused() from error

    def refused(self) -> UnauthenticatedError:
        """Return the error of a key that the API does not take."""
        source = "TASKFLOW_API_KEY" if os.environ.get("TASKFLOW_API_KEY") else "the key in TASKFLOW_HOME"
        return UnauthenticatedError(
            f"{self.url} does not take {source}: it is wrong, expired or revoked. `taskflow key create` makes another."
        )

    def _problem(self, answer: httpx.Response) -> TaskFlowError:
        if answer.status_code == HTTPStatus.UNAUTHORIZED:
            return self.refused()
        return error_of(answer.status_code, answer.content)

    def _away(self, error: httpx.HTTPError) -> UnavailableError:
        reason = str(error) or type(error).__name__
        return UnavailableError(
            f"No answer from {self.url}: {reason}. Start `taskflow up`, or say with --api-url where the API is."
        )


class Output:
    """Prints for people or, with `--json`, for programs."""

    def __init__(self, as_json: bool) -> None:
        """Print JSON when asked to."""
        self.as_json = as_json

    def thing(self, data: Any, *, text: str | None = None) -> None:
        """Print one thing: its JSON, or `text`, or its members line by line."""
        if self.as_json:
            click.echo(json.dumps(data, ensure_ascii=False))
        elif text is not None:
            click.echo(printable(text, keep="\n\t"))
        else:
            width = max(len(name) for name in data)
            for name, value in data.items():
                click.echo(f"{name:<{width}}  {cell(value)}")

    def facts(self, data: Mapping[str, Any]) -> None:
        """Print what is known of one thing, line by line; what says nothing is left out for people."""
        self.thing(data if self.as_json else {name: value for name, value in data.items() if value not in (None, [])})

    def first(self, rows: Iterator[dict[str, Any]], limit: int, columns: Sequence[str], *, empty: str) -> None:
        """Print the first `limit` of `rows` like `things`, and tell people when there are more."""
        shown = list(islice(rows, limit))
        self.things(shown, columns, empty=empty)
        if not self.as_json and next(rows, None) is not None:
            click.echo(f"There are more; these are the first {limit:,}: see --limit.", err=True)

    def things(self, rows: Sequence[Mapping[str, Any]], columns: Sequence[str], *, empty: str) -> None:
        """Print a list: a JSON array, or a table of some columns."""
        if self.as_json:
            click.echo(json.dumps(list(rows), ensure_ascii=False))
            return
        if not rows:
            click.echo(empty, err=True)
            return
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        lines, hidden = table(rows, columns, width)
        for line in lines:
            click.echo(line)
        if hidden:
            left_out = ", ".join(columns[-hidden:])
            click.echo(f"Too narrow for {left_out}: widen the terminal, or see --json.", err=True)


def json_of(text: str, what: str) -> Any:
    """Return the JSON that somebody wrote on the command line or in a file; `what` names the place.

    Raises:
        click.UsageError: it is none.
    """
    try:
        return json.loads(text)
    except ValueError as error:
        raise click.UsageError(f"{what} is no JSON: {error}.") from error


def text_of(file: Path) -> str:
    """Return a text file.

    Raises:
        click.UsageError: it is not UTF-8.
    """
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise click.UsageError(
            f"{file} is not UTF-8: byte {error.start + 1} cannot be read. Save it as UTF-8."
        ) from error


def speaks_http(command: F) -> F:
    """Give a command `--api-url` and `--json`, and hand it `client` and `output`."""

    @click.option("--api-url", envvar="TASKFLOW_API_URL", help="Where the API is; that of this home by default.")
    @click.option("--json", "as_json", is_flag=True, help="Print JSON.")
    @functools.wraps(command)
    def connected(*args: Any, api_url: str | None, as_json: bool, **options: Any) -> Any:
        return command(*args, client=connect(api_url), output=Output(as_json), **options)

    return connected  # type: ignore[return-value]  # the same command with two more options


def connect(api_url: str | None = None) -> Client:
    """Return a client for the API that this command line means.

    Raises:
        click.UsageError: the address is no HTTP address.
        UnauthenticatedError: there is no key.
    """
    settings = load_settings()
    found = settings.find_api()
    url = api_url or found.url
    if not url.startswith(("http://", "https://")):
        raise click.UsageError(f"The API's address begins with http:// or https://, {url!r} does not.")
    if not found.key:
        raise UnauthenticatedError(
            f"No API key: set TASKFLOW_API_KEY, or start `taskflow up`, which keeps one in {settings.home}."
        )
    return Client(url, found.key)


def _json(answer: httpx.Response) -> Any:
    return answer.json() if answer.content else None
