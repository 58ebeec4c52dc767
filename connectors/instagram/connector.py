"""An Instagram account at the Send API (Instagram Platform, "Send a message")."""

from __future__ import annotations

from connectors.instagram import InstagramSettings
from connectors.wire.meta_pages import MetaPages, Site
from connectors.wire.splitting import Unit
from model.tools import Tools

#: The account's events that the reader knows; echoes come with `messages`.
FIELDS = (
    "messages",
    "messaging_postbacks",
    "messaging_seen",
    "messaging_referral",
    "message_reactions",
    "comments",
)


class InstagramConnector(MetaPages):
    """The whole kind."""

    def __init__(self, settings: InstagramSettings, tools: Tools) -> None:
        by_page = settings.login == "facebook"
        site = Site(
            person="igsid",
            profile="name,username",
            below="replies",
            node=settings.page if by_page and settings.page else settings.account,
            text=settings.text_bytes,
            unit=Unit.BYTES,
            # Behind a page Meta takes the page's subscription; which of its fields counts is not told.
            fields=("messages",) if by_page else FIELDS,
            upload={"platform": "instagram"},
            echoes_key=False,
        )
        super().__init__(settings, tools, site)
