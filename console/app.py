"""Puts the pages and the API into an aiohttp application."""

from __future__ import annotations

from aiohttp import web

from console import guard
from console.api import Api, Gate
from console.chat import Chat
from console.desk import Desk
from console.files import Files
from console.import_pages import ImportPages
from console.imports import Imports
from console.links import Links
from console.mending import Mending
from console.notes import Notes
from console.notes_api import NotesApi
from console.operations import Operations
from console.public import Public
from console.seats import Seats
from console.services import Services
from console.sessions import Sessions


def routes(services: Services, chat: Chat) -> list[web.RouteDef]:
    """Every address of the console."""
    links = Links(services.public_url, services.secret)
    seats = Seats(services, Sessions(services))
    gate = Gate(services)
    return [
        *Public(services, links).routes(),
        *chat.routes(),
        *Files(services, links).routes(),
        *Api(services, links, gate).routes(),
        *Operations(services, gate).routes(),
        *Imports(services, gate).routes(),
        *Desk(seats, links).routes(),
        *Mending(seats, links).routes(),
        *ImportPages(seats).routes(),
        *Notes(seats).routes(),
        *NotesApi(services, gate).routes(),
    ]


def install(app: web.Application, services: Services) -> None:
    """Add the console to an application; its middleware leaves the doors under /in alone."""
    app.middlewares.append(guard.middleware(services))
    app.on_response_prepare.append(guard.without_server_name)
    chat = Chat(services, Links(services.public_url, services.secret))
    app.on_shutdown.append(chat.close)
    app.router.add_routes(routes(services, chat))
