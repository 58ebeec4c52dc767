"""A Facebook page at the Send API (Messenger Platform, "Send API reference")."""

from __future__ import annotations

from connectors.messenger import MessengerSettings
from connectors.wire.meta_pages import MetaPages, Site
from connectors.wire.splitting import Unit
from model.tools import Tools

#: The page's events that the reader knows; without `message_echoes` no doubt is ever settled.
FIELDS = (
    "messages",
    "messaging_postbacks",
    "messaging_referrals",
    "messaging_optins",
    "message_deliveries",
    "message_reads",
    "message_echoes",
    "message_edits",
    "message_reactions",
    "feed",
)


class MessengerConnector(MetaPages):
    """The whole kind."""

    def __init__(self, settings: MessengerSettings, tools: Tools) -> None:
        site = Site(
            person="psid",
            profile="first_name,last_name,name,locale",
            below="comments",
            node=settings.account,
            text=settings.text_characters,
            unit=Unit.CODE_POINTS,
            fields=FIELDS,
            upload={},
            echoes_key=True,
        )
        super().__init__(settings, tools, site)
