"""The settings of the whole installation: one field for each room, each owning what stands below it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    SerializeAsAny,
    ValidationInfo,
    WithJsonSchema,
)

from casework.settings import OfficeSettings
from connectors.contract import ChannelSettings
from destinations.contract import DestinationSettings
from inbox.imports.settings import ImportSettings
from inbox.settings import InboxSettings
from model.secret import Secret
from outbox.settings import OutboxSettings
from router.settings import RulesSettings
from store.settings import DatabaseSettings, LeaseSettings, RetentionSettings

#: Names of channels and destinations: they stand in addresses, metrics and rules.
NAME = r"^[a-z][a-z0-9_-]{0,31}$"
Name = Annotated[str, Field(pattern=NAME)]
Language = Annotated[str, Field(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$")]
#: A token that a stranger could guess is none.
TOKEN_LENGTH = 16


def _beside(path: Path, info: ValidationInfo) -> Path:
    """A path as seen from the folder of the configuration file."""
    return Path((info.context or {}).get("folder", "")) / path.expanduser()


def _file(path: Path) -> Path:
    if not path.is_file():
        raise ValueError("there is no such file; relative paths start at the folder of this file")
    return path


def _folder(path: Path) -> Path:
    if not path.is_dir():
        raise ValueError("there is no such folder; relative paths start at the folder of this file")
    return path


_PATH = WithJsonSchema({"type": "string"})
FileBeside = Annotated[Path, AfterValidator(_beside), AfterValidator(_file), _PATH]
FolderBeside = Annotated[Path, AfterValidator(_beside), AfterValidator(_folder), _PATH]


def _http_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("must be an address such as https://feedback.example.org")
    return text.rstrip("/")


HttpUrl = Annotated[str, AfterValidator(_http_url)]


def _long_enough(token: Any) -> Any:
    if len(token.get_secret_value()) < TOKEN_LENGTH:
        raise ValueError(f"a token needs {TOKEN_LENGTH} characters or more; `openssl rand -hex 24` makes one")
    return token


Token = Annotated[Secret, AfterValidator(_long_enough)]


def _network(value: Any) -> Any:
    if isinstance(value, IPv4Network | IPv6Network):
        return value
    try:
        return ip_network(value if isinstance(value, str) else "")  # a number would be taken for an address
    except ValueError:
        raise ValueError("must be a network; write 10.0.0.0/8, with no bits set after the prefix") from None


Network = Annotated[
    IPv4Network | IPv6Network,
    PlainValidator(_network),
    WithJsonSchema({"type": "string", "format": "network"}),
]


class _Settings(BaseModel):
    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True, hide_input_in_errors=True)


class TlsSettings(_Settings):
    """Certificates of the HTTP door, where no proxy in front of it speaks TLS."""

    cert_file: FileBeside = Field(description="PEM file of the certificate and its chain.")
    key_file: FileBeside = Field(description="PEM file of the private key.")
    client_ca_file: FileBeside | None = Field(
        default=None, description="PEM file of the authorities whose client certificates are asked for."
    )


class ListenSettings(_Settings):
    """The HTTP door."""

    host: str = Field(default="127.0.0.1", min_length=1, description="Address to listen at.")
    port: int = Field(default=8080, ge=0, le=65535, description="Port to listen at; 0 takes a free one.")
    tls: TlsSettings | None = Field(default=None, description="TLS at this door.")


class Scope(StrEnum):
    """What a token may do."""

    RECORDS_READ = "records:read"
    RECORDS_WRITE = "records:write"
    REPLIES_WRITE = "replies:write"
    EVENTS_READ = "events:read"
    ADMIN = "admin"


class ApiToken(_Settings):
    """A bearer token of a program that uses the API."""

    name: Name = Field(description="Who uses it; stands in the timeline and the log.")
    token: Token = Field(description="The token itself, 16 characters or more.")
    scopes: frozenset[Scope] = Field(min_length=1, description="What it may do; admin may do everything.")


class ApiSettings(_Settings):
    """Who may use the API under /v1."""

    admin_token: Token | None = Field(
        default=None,
        description="Token with every scope. Without it, one is made at the first start and kept in the "
        "file `admin-token` of the data folder.",
    )
    tokens: Sequence[ApiToken] = Field(default=(), description="Further tokens, each with its scopes.")


class ThrottleSettings(_Settings):
    """How guessing at the log-in is slowed down."""

    failures: int = Field(default=5, ge=1, description="Failed log-ins of one address before it must wait.")
    within: timedelta = Field(default=timedelta(minutes=15), description="Time in which they are counted.")
    pause: timedelta = Field(default=timedelta(minutes=15), description="How long it must wait.")


class DeskSettings(_Settings):
    """The clerks' pages."""

    session_hours: float = Field(
        default=10, gt=0, le=720, description="Hours until a clerk must log in again."
    )
    throttle: ThrottleSettings = Field(default_factory=ThrottleSettings, description="Failed log-ins.")
    undo: timedelta = Field(
        default=timedelta(seconds=30),
        ge=timedelta(),
        le=timedelta(minutes=10),
        description="How long an answer of the desk can be taken back before it leaves; in a chat it does not wait.",
    )
    presence: timedelta = Field(
        default=timedelta(seconds=60),
        ge=timedelta(seconds=10),
        le=timedelta(minutes=30),
        description="How long somebody whose page fell silent still counts as looking at a record.",
    )


class AlertEmail(_Settings):
    """Alerts by e-mail."""

    channel: Name = Field(description="Name of the e-mail channel that sends them.")
    to: Sequence[Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$")]] = Field(
        min_length=1, description="Addresses of the operators."
    )


class AlertWebhook(_Settings):
    """Alerts by web hook: a JSON object with `text`, `status` and `alerts`."""

    url: Secret = Field(description="Where to post; many chat services hide a token in it.")
    headers: Mapping[str, Secret] = Field(default_factory=dict, description="Further headers.")


class PatternSettings(_Settings):
    """When silence is unusual for a channel, by weekday and hour of the past weeks."""

    enabled: bool = Field(default=True, description="Whether channels are watched this way.")
    weeks: int = Field(default=4, ge=2, le=12, description="Weeks to learn from.")
    expected: float = Field(
        default=10.0, gt=0, description="Alert when this many messages should have come and none did."
    )


class AlertSettings(_Settings):
    """What the operators are told, and how often."""

    email: AlertEmail | None = Field(default=None, description="Send alerts by e-mail.")
    webhook: AlertWebhook | None = Field(default=None, description="Post alerts to an address.")
    language: Literal["en", "zh-CN"] = Field(default="en", description="Language of the alerts.")
    every: timedelta = Field(default=timedelta(minutes=1), description="How often everything is looked at.")
    repeat_every: timedelta = Field(
        default=timedelta(hours=4), description="An alert that stays is repeated after this."
    )
    resolve_after: timedelta = Field(
        default=timedelta(minutes=5), description="Gone for this long, an alert counts as resolved."
    )
    failing_for: timedelta = Field(
        default=timedelta(minutes=5), description="A channel may fail for this long unnoticed."
    )
    pattern: PatternSettings = Field(default_factory=PatternSettings, description="Unusual silence.")
    authorisation_before: timedelta = Field(
        default=timedelta(days=7), description="Tell this long before an authorisation expires."
    )
    window_before: timedelta = Field(
        default=timedelta(hours=1),
        description="Tell this long before a customer who waits for an answer can no longer be answered.",
    )
    dead: int = Field(default=0, ge=0, description="Dead deliveries that are tolerated.")
    quarantined: int = Field(default=0, ge=0, description="Quarantined envelopes that are tolerated.")
    loops: int = Field(
        default=0, ge=0, description="Automatic messages withheld as loops in an hour that are tolerated."
    )
    disk_free_bytes: int = Field(
        default=1_073_741_824, ge=0, description="Tell when less is free in the data folder."
    )
    backlog_age: timedelta = Field(
        default=timedelta(minutes=15), description="Tell when something has waited longer for its turn."
    )


class LogSettings(_Settings):
    """The daemon's log, on standard error."""

    format: Literal["auto", "console", "json"] = Field(
        default="auto", description="auto: console at a terminal, else JSON lines."
    )
    level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="Least level.")


class MetricsSettings(_Settings):
    """Who may read /metrics: whoever has the token, or comes from one of the networks."""

    token: Token | None = Field(default=None, description="Bearer token.")
    allow: Sequence[Network] = Field(
        default=(IPv4Network("127.0.0.0/8"), IPv6Network("::1/128")),
        description="Networks that need no token.",
    )


class Settings(_Settings):
    """A whole configuration."""

    public_url: HttpUrl | None = Field(
        default=None,
        description="Address by which customers reach the door; stands in links. Default: where it listens.",
    )
    listen: ListenSettings = Field(default_factory=ListenSettings, description="The HTTP door.")
    data: Path = Field(
        default=Path("var"), description="Folder of everything kept; relative to the working folder."
    )
    language: Language = Field(default="en", description="Language of answers when nothing tells another.")
    trusted_proxies: Sequence[Network] = Field(
        default=(), description="Networks of the proxies whose X-Forwarded-For is believed."
    )
    channels: Mapping[Name, SerializeAsAny[ChannelSettings]] = Field(
        default_factory=dict, description="Ways of contact, by name."
    )
    destinations: Mapping[Name, SerializeAsAny[DestinationSettings]] = Field(
        default_factory=dict, description="Systems that get the records, by name."
    )
    rules: RulesSettings = Field(
        default_factory=RulesSettings, description="Who handles what: inline, or {file: PATH}."
    )
    rule_cases: FileBeside | None = Field(
        default=None, description="YAML file of messages and the decisions expected for them."
    )
    templates: FolderBeside | None = Field(
        default=None, description="Folder of your own templates; they go before the shipped ones."
    )
    office: OfficeSettings = Field(
        default_factory=OfficeSettings,
        description="Departments, working days and the time that stages may take.",
    )
    inbox: InboxSettings = Field(default_factory=InboxSettings, description="The way in.")
    imports: ImportSettings = Field(default_factory=ImportSettings, description="Imported files.")
    outbox: OutboxSettings = Field(default_factory=OutboxSettings, description="The way out.")
    database: DatabaseSettings = Field(default_factory=DatabaseSettings, description="The store.")
    leases: LeaseSettings = Field(default_factory=LeaseSettings, description="Ownership between replicas.")
    retention: RetentionSettings = Field(
        default_factory=RetentionSettings, description="How long things are kept."
    )
    api: ApiSettings = Field(default_factory=ApiSettings, description="The API.")
    desk: DeskSettings = Field(default_factory=DeskSettings, description="The clerks' pages.")
    alerts: AlertSettings = Field(default_factory=AlertSettings, description="What operators are told.")
    log: LogSettings = Field(default_factory=LogSettings, description="The log.")
    metrics: MetricsSettings = Field(default_factory=MetricsSettings, description="The figures.")

    @property
    def address(self) -> str:
        """The address for links: `public_url`, else where the door listens."""
        if self.public_url:
            return self.public_url
        scheme = "https" if self.listen.tls else "http"
        host = "127.0.0.1" if self.listen.host in ("0.0.0.0", "::") else self.listen.host  # noqa: S104
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{self.listen.port}"
