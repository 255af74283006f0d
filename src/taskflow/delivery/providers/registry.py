"""Which kinds of providers there are: ours, and those that plugins bring along.

A plugin is a distribution with an entry point in the group `taskflow.providers` that names a `Kind`. One that cannot be
loaded, is no kind, or takes the name of another is told (`broken`) and left out; all else goes on.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points

from taskflow.base.errors import InvalidInputError
from taskflow.base.logging import get_logger
from taskflow.delivery.providers.contract import Kind
from taskflow.delivery.providers.email.gmail import GMAIL
from taskflow.delivery.providers.email.http_api import HTTP
from taskflow.delivery.providers.email.mailgun import MAILGUN
from taskflow.delivery.providers.email.postmark import POSTMARK
from taskflow.delivery.providers.email.sandbox import SANDBOX
from taskflow.delivery.providers.email.sendgrid import SENDGRID
from taskflow.delivery.providers.email.ses import SES
from taskflow.delivery.providers.email.smtp import SMTP
from taskflow.delivery.providers.fields import described
from taskflow.delivery.providers.sms.kinds import KINDS as SMS_KINDS

log = get_logger(__name__)

GROUP = "taskflow.providers"
KINDS: tuple[Kind, ...] = (SMTP, GMAIL, SES, SENDGRID, MAILGUN, POSTMARK, HTTP, SANDBOX, *SMS_KINDS)


class UnknownKindError(InvalidInputError):
    """There is no such kind of provider."""

    code = "unknown_provider_kind"


@dataclass(frozen=True, slots=True)
class BrokenPlugin:
    """An entry point that gave no kind, and why."""

    name: str
    reason: str


class Registry:
    """The kinds of this process."""

    def __init__(self, kinds: Iterable[Kind] = KINDS, plugins: Iterable[EntryPoint] = ()) -> None:
        """Take our kinds, then load the plugins."""
        self._kinds = {kind.name: kind for kind in kinds}
        self.broken: list[BrokenPlugin] = []
        for plugin in plugins:
            self._load(plugin)

    @classmethod
    def installed(cls) -> "Registry":
        """Return our kinds and those of the plugins that are installed."""
        return cls(plugins=entry_points(group=GROUP))

    @property
    def kinds(self) -> list[Kind]:
        """Return all kinds, ours first."""
        return list(self._kinds.values())

    def kind(self, name: str) -> Kind:
        """Return the kind of a name.

        Raises:
            UnknownKindError: there is none.
        """
        try:
            return self._kinds[name]
        except KeyError:
            known = ", ".join(self._kinds)
            raise UnknownKindError(f"There is no kind of provider {name!r}: there are {known}.", field="kind") from None

    def _load(self, plugin: EntryPoint) -> None:
        try:
            kind = plugin.load()
            if not isinstance(kind, Kind):
                raise TypeError(f"{plugin.value} is no Kind")  # noqa: TRY301 - told like whatever else it does
            if kind.name in self._kinds:
                raise ValueError(f"there is a kind called {kind.name!r} already")  # noqa: TRY301 - likewise
            described(kind)
        except Exception as error:  # noqa: BLE001 - code of others, run at our start: whatever it raises is its own
            reason = f"{type(error).__name__}: {error}"[:500]
            self.broken.append(BrokenPlugin(plugin.name, reason))
            log.warning("provider_plugin_broken", plugin=plugin.name, reason=reason)
        else:
            self._kinds[kind.name] = kind
