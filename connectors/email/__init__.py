"""The kind `email`: a mailbox read over IMAP, an SMTP or LMTP door of our own, and a way to send."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from ipaddress import ip_network
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from connectors.contract import ChannelSettings, Connector, ConnectorSpec
from model.delivery import OnUncertain
from model.outbound import CaFile
from model.secret import Secret
from model.tools import Tools


def _address(value: str) -> str:
    local, at, domain = value.strip().lower().rpartition("@")
    if (
        not (local and at and domain)
        or not domain.isascii()
        or any(c.isspace() or c in '<>,;:"' for c in value)
    ):
        raise ValueError("must be a bare address such as feedback@example.com")
    return f"{local}@{domain}"


def _network(value: str) -> str:
    try:
        return str(ip_network(value, strict=False))
    except ValueError:
        raise ValueError("must be an address or a network such as 10.0.0.0/8") from None


Address = Annotated[str, AfterValidator(_address)]
Network = Annotated[str, AfterValidator(_network)]
Security = Literal["tls", "starttls", "none"]


class _Part(BaseModel):
    model_config = ConfigDict(
        defer_build=True, extra="forbid", frozen=True, hide_input_in_errors=True, populate_by_name=True
    )


class _Server(_Part):
    """A server of others that we log in to."""

    host: str = Field(min_length=1, description="Name of the server, such as imap.example.com.")
    security: Security = Field(
        default="tls",
        description="tls from the first byte, starttls (never without), or none in the clear.",
    )
    allow_plaintext: bool = Field(default=False, description="Must be true before `security: none` is used.")

    @model_validator(mode="after")
    def _no_accidental_plaintext(self) -> Self:
        if self.security == "none" and not self.allow_plaintext:
            raise ValueError(
                "security: none sends the password in the clear; use tls or starttls, "
                "or add allow_plaintext: true for a server on this machine"
            )
        return self


class ImapSettings(_Server):
    """A mailbox that is read over IMAP."""

    port: int | None = Field(default=None, gt=0, le=65535, description="Port; 993 with tls, else 143.")
    user: str = Field(min_length=1, description="Login name, mostly the address.")
    password: Secret | None = Field(
        default=None,
        description="Password, or the client authorisation code [授权码] of QQ, 163 and Exmail; "
        "none where the channel has `oauth`.",
    )
    folders: tuple[str, ...] = Field(default=("INBOX",), min_length=1, description="Folders to read.")
    after: Literal["nothing", "flag", "keyword", "move", "delete"] = Field(
        default="nothing",
        description="What to do with a mail at the server once it is stored here: flag marks it as read.",
    )
    move_to: str | None = Field(default=None, description="The folder for `after: move`.")
    keyword: str = Field(default="$FbIngested", description="The keyword for `after: keyword`.")
    start: Literal["now", "all"] | date = Field(
        default="now",
        description="What the first connection takes: only what comes from now on, all that is there, "
        "or what came since a day (2026-11-01).",
    )
    idle: bool = Field(default=True, description="Wait at the server for new mail where it can (IDLE).")
    idle_seconds: float = Field(
        default=540.0,
        gt=0,
        le=1740,
        description="Longest wait at a stretch, renewed after it: servers allow 29 minutes, many networks ten.",
    )
    poll_seconds: float = Field(
        default=120.0,
        gt=0,
        description="Longest time between two looks at every folder, whatever the server says or keeps to itself.",
    )
    chunk: int = Field(default=50, gt=0, le=200, description="Mails fetched at a time at the most.")
    chunk_bytes: int = Field(
        default=8_388_608, gt=0, description="Bytes of mail fetched at a time at the most."
    )
    timeout: float = Field(default=60.0, gt=0, description="Seconds for one command at the server.")
    give_up: int = Field(
        default=5,
        gt=0,
        description="Tries at one mail that breaks the connection each time, before it is held for a look.",
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.after == "move") != (self.move_to is not None):
            raise ValueError("after: move and move_to go together; give both or neither")
        if self.move_to in self.folders:
            raise ValueError("move_to must not be one of the folders that are read")
        return self


class OAuthSettings(_Part):
    """Log-in by tokens instead of a password (XOAUTH2), at the mailbox and at the way out."""

    provider: Literal["google", "microsoft", "other"] = Field(
        description="Whose tokens: google (Gmail, Workspace), microsoft (Microsoft 365), "
        "or other with token_url and scopes."
    )
    grant: Literal["refresh_token", "client_credentials"] = Field(
        default="refresh_token",
        description="By whose right: a person's, who consented (refresh_token), or the application's own "
        "(client_credentials, Microsoft 365).",
    )
    client_id: str = Field(min_length=1, description="Identifier of the application at the provider.")
    client_secret: Secret | None = Field(
        default=None, description="Secret of the application; public clients have none."
    )
    secret_expires: date | None = Field(
        default=None,
        description="Day on which the secret ends, as the provider's console shows it; warned of ahead.",
    )
    tenant: str = Field(
        default="organizations",
        pattern=r"^[A-Za-z0-9.-]+$",
        description="The organisation's directory at Microsoft: its id or its domain.",
    )
    refresh_token: Secret | None = Field(
        default=None,
        description="A refresh token from elsewhere, to begin with; without one, "
        "`forebay channel authorise NAME` gets it. Later ones are kept in the store.",
    )
    scopes: tuple[str, ...] = Field(
        default=(), description="What is asked for; the provider's for mail if empty."
    )
    token_url: str | None = Field(
        default=None, description="Address of the token server; the provider's if unset."
    )
    authorize_url: str | None = Field(
        default=None, description="Address where a person consents; the provider's if unset."
    )
    redirect_url: str = Field(
        default="http://localhost",
        description="Where the browser is sent after the consent, as registered; nothing needs to listen there.",
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.provider == "other" and not (self.token_url and self.scopes):
            raise ValueError("provider: other needs token_url and scopes")
        if self.grant == "client_credentials":
            if self.client_secret is None:
                raise ValueError("grant: client_credentials needs client_secret")
            if self.provider == "google":
                raise ValueError("google knows no client_credentials for mail; use grant: refresh_token")
            if self.provider == "microsoft" and self.tenant in ("organizations", "common", "consumers"):
                raise ValueError("grant: client_credentials needs the tenant of your own organisation")
        for name in ("token_url", "authorize_url"):
            address = getattr(self, name)
            if address is not None and not _private(address):
                raise ValueError(f"{name} must begin with https:// (http:// only for this machine)")
        return self


def _private(address: str) -> bool:
    parts = urlsplit(address)
    return parts.scheme == "https" or (
        parts.scheme == "http" and parts.hostname in ("localhost", "127.0.0.1", "::1")
    )


class DoorUser(_Part):
    """Somebody who may log in at our door."""

    name: str = Field(min_length=1, description="Login name.")
    password: Secret = Field(description="Password.")


class DoorSettings(_Part):
    """A door of our own that mail servers deliver to."""

    protocol: Literal["smtp", "lmtp"] = Field(default="smtp", description="What the door speaks.")
    host: str = Field(default="127.0.0.1", description="Address to listen at.")
    port: int = Field(ge=0, le=65535, description="Port to listen at; 0 takes any free one.")
    name: str = Field(default="localhost", description="How the door calls itself in its greeting.")
    security: Security = Field(
        default="none", description="tls from the first byte, starttls when the client asks for it, or none."
    )
    cert_file: CaFile | None = Field(
        default=None,
        description="PEM file of the door's certificate and its chain; read again when it changes.",
    )
    key_file: CaFile | None = Field(default=None, description="PEM file of the private key.")
    require_tls: bool = Field(default=False, description="Take no mail before STARTTLS.")
    recipients: tuple[str, ...] = Field(
        default=(),
        description="Addresses taken in; empty means our address and its aliases, `*` any (for tests and demos).",
    )
    networks: tuple[Network, ...] = Field(
        default=(),
        description="Networks that may deliver without logging in; with neither networks nor users everyone that "
        "reaches the door may.",
    )
    users: tuple[DoorUser, ...] = Field(
        default=(), description="Who may deliver from anywhere after logging in (AUTH PLAIN or LOGIN)."
    )
    auth_without_tls: bool = Field(default=False, description="Let passwords come in the clear.")
    max_recipients: int = Field(default=50, gt=0, description="Recipients of one mail at the most.")
    max_refused: int = Field(
        default=20, gt=0, description="Refused recipients of one connection before the door hangs up."
    )
    max_line: int = Field(
        default=65_536,
        ge=1001,
        description="Longest line taken, bytes; the standard's 1,000 is often overstepped.",
    )
    max_header_bytes: int = Field(default=262_144, ge=1001, description="Longest header taken, bytes.")
    max_sessions: int = Field(default=100, gt=0, description="Connections at the same time at the most.")
    max_sessions_per_client: int = Field(
        default=50, gt=0, description="Connections of one client's address at the same time at the most."
    )
    max_session_seconds: float = Field(
        default=3600.0, gt=0, description="Longest life of a connection, whatever it does."
    )
    idle_timeout: float = Field(
        default=300.0, gt=0, description="Seconds without a command, or without a byte of a mail."
    )
    min_rate: float = Field(
        default=200.0, ge=0, description="Bytes a second that a mail must come at, after half a minute."
    )
    patience: float = Field(
        default=60.0, gt=0, description="Seconds for storing a mail; then the sender is told to come again."
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.security != "none" and (self.cert_file is None or self.key_file is None):
            raise ValueError("security: tls and starttls need cert_file and key_file")
        if self.require_tls and self.security == "none":
            raise ValueError("require_tls needs security: starttls (or tls)")
        if self.users and self.security == "none" and not self.auth_without_tls:
            raise ValueError(
                "users would send passwords in the clear; set security: starttls or tls, "
                "or auth_without_tls: true for a door that only this machine reaches"
            )
        return self


class SmtpSettings(_Server):
    """A server that takes our mail for delivery."""

    transport: Literal["smtp"] = Field(default="smtp", description="Mail is handed to a server.")
    port: int | None = Field(
        default=None, gt=0, le=65535, description="Port; 465 with tls, 587 with starttls, else 25."
    )
    user: str | None = Field(default=None, description="Login name; none sends without logging in.")
    password: Secret | None = Field(
        default=None,
        description="Password or authorisation code; a user without one logs in by the channel's `oauth`.",
    )
    helo: str | None = Field(
        default=None, description="How we call ourselves; the domain of our address if unset."
    )
    connections: int = Field(
        default=2, gt=0, le=50, description="Connections open at the same time at the most."
    )
    keep: float = Field(
        default=30.0, ge=0, description="Seconds an unused connection is kept for the next mail."
    )
    mails_per_connection: int = Field(
        default=100,
        gt=0,
        description="Mails over one connection before it is closed; servers set such limits.",
    )
    timeout: float = Field(default=60.0, gt=0, description="Seconds for connecting and for one command.")
    final_timeout: float = Field(
        default=600.0,
        gt=0,
        description="Seconds to wait for the answer to a whole mail (RFC 5321 §4.5.3.2.6: ten minutes).",
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.user is None and self.password is not None:
            raise ValueError("a password needs the user that it belongs to")
        return self


class FileSettings(_Part):
    """A folder in which each mail becomes an .eml file: for demos, tests, and hand-over to other programs."""

    transport: Literal["file"] = Field(description="Mail is written to files.")
    folder: str = Field(min_length=1, description="Folder for the .eml files; made when missing.")


Outgoing = Annotated[SmtpSettings | FileSettings, Field(discriminator="transport")]


class EmailSettings(ChannelSettings):
    """Settings of an e-mail channel: a mailbox, a door, a way out, or any of them."""

    kind: Literal["email"] = Field(default="email", description="The kind of the channel.")
    address: Address = Field(description="Our address, which customers write to and get answers from.")
    name: str = Field(default="", description="The name that customers see beside our address.")
    aliases: tuple[Address, ...] = Field(
        default=(), description="Further addresses of ours: never acknowledged, never copied."
    )
    forwarders: tuple[Address, ...] = Field(
        default=(),
        description="Mailboxes elsewhere that pass their mail on to us: of such mail, who wrote it first is the "
        "customer.",
    )
    scanners: Mapping[Address, str] = Field(
        default_factory=dict,
        description="Addresses of scanners that send scans by mail, each with the channel of letters that their "
        "attachments go to: {scanner@office.example: letters}.",
    )
    trusted_results: tuple[str, ...] = Field(
        default=(),
        description="Names (authserv-id) of our own mail servers, whose Authentication-Results are believed; "
        "without any, the topmost of a mail is.",
    )
    imap: ImapSettings | None = Field(default=None, description="A mailbox to read.")
    oauth: OAuthSettings | None = Field(
        default=None, description="Log-in by tokens where a provider takes no password."
    )
    door: DoorSettings | None = Field(default=None, description="A door of our own to receive at.")
    outgoing: Outgoing | None = Field(default=None, description="How answers are sent.")
    plus_addressing: bool = Field(
        default=False,
        description="Put a token into the reply address (feedback+token@…); our mail server must deliver those.",
    )
    null_sender: bool = Field(
        default=True,
        description="Send automatic mail with an empty return path, so that it cannot bounce to and fro; a server "
        "that refuses it is given our address.",
    )
    keep_copies: bool = Field(
        default=False,
        description="Whether answers also go to whom the customer's mail went to as well (its To and Cc).",
    )
    quote_chars: int = Field(
        default=20_000,
        ge=0,
        description="Characters of the customer's mail that an answer quotes below itself; 0 quotes nothing.",
    )

    @field_validator("proxy")
    @classmethod
    def _tunnels(cls, value: str | None) -> str | None:
        if value is not None and urlsplit(value).scheme == "https":
            raise ValueError(
                "must be http://HOST:PORT or socks5://HOST:PORT; mail goes through no https:// one"
            )
        return value

    @model_validator(mode="after")
    def _at_least_one_part(self) -> Self:
        if self.imap is None and self.door is None and self.outgoing is None:
            raise ValueError("an e-mail channel needs at least one of imap, door and outgoing")
        if self.imap is not None and (self.imap.password is None) == (self.oauth is None):
            raise ValueError("a mailbox needs imap.password or oauth, and not both")
        out = self.outgoing
        if isinstance(out, SmtpSettings) and out.user and out.password is None and self.oauth is None:
            raise ValueError("outgoing.user needs outgoing.password, or the channel's oauth")
        return self

    @property
    def domain(self) -> str:
        return self.address.rpartition("@")[2]

    def addresses(self) -> Sequence[str]:
        taken = self.door.recipients if self.door else ()
        return tuple(
            dict.fromkeys((self.address, *self.aliases, *(one.lower() for one in taken if "@" in one)))
        )

    def copies(self, thread: Mapping[str, Any]) -> Sequence[str]:
        return [str(one) for one in thread.get("cc", ())] if self.keep_copies else ()

    def quotes(self) -> int:
        return self.quote_chars

    def reading(self) -> Mapping[str, Any]:
        anyone = self.door is not None and "*" in self.door.recipients
        return {
            "addresses": list(self.addresses()),
            "check_recipient": not anyone,
            "forwarders": list(self.forwarders),
            "trusted_results": list(self.trusted_results),
            "scanners": dict(self.scanners),
        }


def _build(settings: EmailSettings, tools: Tools) -> Connector:
    try:
        from connectors.email.connector import assemble
    except ImportError as error:
        raise ImportError(
            f"the kind email needs the extra `email` ({error.name} is missing): pip install 'forebay[email]'"
        ) from error
    return assemble(settings, tools)


SPEC = ConnectorSpec(
    kind="email",
    settings=EmailSettings,
    build=_build,
    # The Message-ID is fixed by the message's key: whoever gets it twice shows it once.
    on_uncertain=OnUncertain.RESEND,
    summary="Mail: read over IMAP or taken in at an SMTP or LMTP door, answered over SMTP.",
    extra="email",
    reaches=("email",),
    requires=("aioimaplib", "aiosmtpd", "aiosmtplib", "asn1crypto", "tnefparse"),
)
