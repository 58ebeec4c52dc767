"""Where the providers of mailboxes hand out tokens, and what for (their pages, looked up in November 2026)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from connectors.email import OAuthSettings
from connectors.wire.oauth import Grant


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """Addresses and scopes; `{tenant}` is the organisation's."""

    token_url: str = ""
    authorize_url: str = ""
    scope: str = ""
    """With a person's consent."""
    application_scope: str = ""
    """With the application's own right (client credentials)."""
    extra: Mapping[str, str] = field(default_factory=dict)
    life: timedelta | None = None


_MICROSOFT = "https://login.microsoftonline.com/{tenant}/oauth2/v2.0"
PROVIDERS: Mapping[str, Provider] = {
    "google": Provider(
        token_url="https://oauth2.googleapis.com/token",  # noqa: S106 - an address
        authorize_url="https://accounts.google.com/o/oauth2/v2/auth",
        scope="https://mail.google.com/",
        # Without both, a second consent brings no refresh token.
        extra={"access_type": "offline", "prompt": "consent"},
    ),
    "microsoft": Provider(
        token_url=f"{_MICROSOFT}/token",
        authorize_url=f"{_MICROSOFT}/authorize",
        scope="https://outlook.office.com/IMAP.AccessAsUser.All https://outlook.office.com/SMTP.Send offline_access",
        application_scope="https://outlook.office365.com/.default",
        # A refresh token ends when it was not used for so long; each use brings a new one.
        life=timedelta(days=90),
    ),
    "other": Provider(),
}


def grant(settings: OAuthSettings) -> Grant:
    """What the settings ask for, filled up with what the provider is known for."""
    provider = PROVIDERS[settings.provider]
    own = settings.grant == "client_credentials"
    known = provider.application_scope if own else provider.scope
    return Grant(
        kind=settings.grant,
        token_url=(settings.token_url or provider.token_url).format(tenant=settings.tenant),
        authorize_url=(settings.authorize_url or provider.authorize_url).format(tenant=settings.tenant),
        redirect_url=settings.redirect_url,
        client_id=settings.client_id,
        client_secret=settings.client_secret.get_secret_value() if settings.client_secret else "",
        scope=" ".join(settings.scopes) or known,
        refresh_token=settings.refresh_token.get_secret_value() if settings.refresh_token else "",
        extra=provider.extra,
        life=provider.life,
        secret_expires=settings.secret_expires,
    )
