"""Every setting of TaskFlow, one typed model per subsystem, read from the environment.

`TASKFLOW_HTTP_PORT` sets `settings.http.port`: the prefix, the subsystem, the field. A composition root (`api/`,
`cli/`, `embedded/`) loads `Settings()` once and hands each part the model it needs; nothing reads the environment
anywhere else.
"""

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from taskflow.settings.api import CLI_KEY_FILE, ApiAccess, ApiSettings, find_api
from taskflow.settings.audience import AudienceSettings
from taskflow.settings.campaign import CampaignSettings
from taskflow.settings.coordinator import CoordinatorSettings
from taskflow.settings.database import DatabaseSettings
from taskflow.settings.domain import DomainSettings
from taskflow.settings.http import HttpSettings
from taskflow.settings.imports import ImportSettings
from taskflow.settings.log import LogSettings
from taskflow.settings.media import MediaSettings
from taskflow.settings.message import MessageSettings
from taskflow.settings.provider import ProviderSettings
from taskflow.settings.redis import RedisSettings
from taskflow.settings.retention import RetentionSettings
from taskflow.settings.router import RouterSettings
from taskflow.settings.sandbox import SandboxSettings
from taskflow.settings.security import SecuritySettings
from taskflow.settings.servers import servers_under
from taskflow.settings.sms import SmsSettings
from taskflow.settings.smtp import SmtpSettings
from taskflow.settings.submission import SubmissionSettings
from taskflow.settings.tracing import TracingSettings
from taskflow.settings.webhook import WebhookSettings
from taskflow.settings.worker import WorkerSettings

__all__ = [
    "CLI_KEY_FILE",
    "ApiAccess",
    "ApiSettings",
    "AudienceSettings",
    "CampaignSettings",
    "CoordinatorSettings",
    "DatabaseSettings",
    "DomainSettings",
    "HttpSettings",
    "ImportSettings",
    "LogSettings",
    "MediaSettings",
    "MessageSettings",
    "RedisSettings",
    "RetentionSettings",
    "RouterSettings",
    "SandboxSettings",
    "SecuritySettings",
    "Settings",
    "SmsSettings",
    "SmtpSettings",
    "SubmissionSettings",
    "TracingSettings",
    "WebhookSettings",
    "WorkerSettings",
]


class Settings(BaseSettings):
    """The whole configuration of one process."""

    model_config = SettingsConfigDict(
        env_prefix="TASKFLOW_", env_nested_delimiter="_", env_nested_max_split=1, extra="ignore"
    )

    home: Path = Field(Path(".taskflow"), description="Where the embedded servers keep their data.")
    secret_key: SecretStr | None = Field(
        None,
        description="Signs tokens and links, 32 characters or more. Embedded mode makes its own under home.",
    )
    secret_key_previous: SecretStr | None = Field(
        None, description="The secret key before it was changed: it opens stored secrets until they are rotated."
    )
    database: DatabaseSettings = DatabaseSettings()
    redis: RedisSettings = RedisSettings()
    http: HttpSettings = HttpSettings()
    api: ApiSettings = ApiSettings()
    security: SecuritySettings = SecuritySettings()
    worker: WorkerSettings = WorkerSettings()
    coordinator: CoordinatorSettings = CoordinatorSettings()
    retention: RetentionSettings = RetentionSettings()
    audience: AudienceSettings = AudienceSettings()
    imports: ImportSettings = ImportSettings()
    campaign: CampaignSettings = CampaignSettings()
    media: MediaSettings = MediaSettings()
    smtp: SmtpSettings = SmtpSettings()
    message: MessageSettings = MessageSettings()
    submission: SubmissionSettings = SubmissionSettings()
    domain: DomainSettings = DomainSettings()
    sms: SmsSettings = SmsSettings()
    router: RouterSettings = RouterSettings()
    sandbox: SandboxSettings = SandboxSettings()
    provider: ProviderSettings = ProviderSettings()
    webhook: WebhookSettings = WebhookSettings()
    tracing: TracingSettings = TracingSettings()
    log: LogSettings = LogSettings()

    def find_api(self) -> ApiAccess:
        """Return where the API is and the key for it: what is set, else what the `taskflow up` of this home offers."""
        return find_api(self.home, self.api, self.http)

    def attached(self) -> "Settings":
        """Return these settings; URLs that are not set are those of the servers that run under this home, if any do."""
        servers, changes = servers_under(self.home), dict[str, object]()
        if self.database.url is None and servers.database:
            changes["database"] = self.database.model_copy(update={"url": SecretStr(servers.database)})
        if self.redis.url is None and servers.redis:
            changes["redis"] = self.redis.model_copy(update={"url": SecretStr(servers.redis)})
        return self.model_copy(update=changes)
