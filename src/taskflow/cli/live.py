"""Live events for commands: the WebSocket as an iterator that reconnects and goes on from its cursor."""

import json
import time
from collections.abc import Iterator, Sequence
from typing import Any

from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.sync.client import ClientConnection
from websockets.sync.client import connect as connect_socket

from taskflow.base.errors import InvalidInputError, UnavailableError
from taskflow.cli.client import Client

_ATTEMPTS = 20
_PAUSE_SECONDS = 0.5
_REFUSED = frozenset({401, 403})
_REVOKED = 4401


def events(client: Client, topics: Sequence[str]) -> Iterator[dict[str, Any] | None]:
    """Yield events of `topics` as they come, and None whenever the caller has to look at the REST API (again).

    The first item is None: look, now that nothing can be missed. The connection is made again when it breaks.

    Raises:
        InvalidInputError: the API has no such topics.
        UnauthenticatedError: the key is no longer good.
        UnavailableError: the API stays away for ten seconds.
    """
    cursor: str | None = None
    failures = 0
    while True:
        try:
            with connect_socket(
                f"{client.url.replace('http', 'ws', 1)}/api/v1/ws",
                additional_headers={"Authorization": f"Bearer {client.key}"},
                proxy=None,
            ) as socket:
                for message in _messages(socket, topics, cursor):
                    failures = 0
                    cursor = message.get("cursor", cursor)
                    if message["type"] == "events":
                        yield from message["events"]
                    elif message["type"] == "error":
                        raise InvalidInputError(message["detail"])
                    elif message["type"] == "resync" or (message["type"] == "subscribed" and not message["resumed"]):
                        yield None
        except InvalidStatus as error:
            if error.response.status_code in _REFUSED:
                raise client.refused() from error
            failures += 1
        except ConnectionClosed as error:
            if error.rcvd is not None and error.rcvd.code == _REVOKED:
                raise client.refused() from error
            failures += 1
        except (OSError, TimeoutError, WebSocketException):
            failures += 1
        if failures >= _ATTEMPTS:
            raise UnavailableError(f"No live events from {client.url}.")
        time.sleep(_PAUSE_SECONDS)


def _messages(socket: ClientConnection, topics: Sequence[str], cursor: str | None) -> Iterator[dict[str, Any]]:
    socket.send(json.dumps({"op": "subscribe", "topics": list(topics), "cursor": cursor}))
    for text in socket:
        yield {"resumed": cursor is not None, **json.loads(text)}
