"""Puts the pages and the API into an aiohttp application."""

from __future__ import annotations

from aiohttp import web

from console import guard, openapi
from console.api import Api, Gate, json
from console.attending import Attending
from console.bundle_pages import BundlePages
from console.bundles import Bundles
from console.case_files import CaseFiles
from console.cases import Cases
from console.chat import Chat
from console.correcting import Correcting
from console.desk import Desk
from console.files import Files
from console.import_pages import ImportPages
from console.imports import Imports
from console.links import Links
from console.mending import Mending
from console.notes import Notes
from console.notes_api import NotesApi
from console.operations import Operations
from console.passing import Passing
from console.person_pages import Persons
from console.posters import Posters
from console.public import Public
from console.question import Question
from console.report_pages import ReportPages
from console.review_pages import Reviews
from console.seats import Seats
from console.services import Services
from console.sessions import Sessions
from console.surge_pages import SurgePages
from console.user_pages import Users


def served(services: Services, chat: Chat) -> list[web.RouteDef]:
    """Every address of the console, but that of its own description."""
    links = Links(services.public_url, services.secret)
    seats = Seats(services, Sessions(services))
    gate = Gate(services)
    desk = Desk(seats, links)
    return [
        *Public(services, links).routes(),
        *Question(services, links).routes(),
        *chat.routes(),
        *Files(services, links).routes(),
        *Api(services, links, gate).routes(),
        *Passing(services, gate).routes(),
        *Operations(services, gate).routes(),
        *Imports(services, gate).routes(),
        *desk.routes(),
        *CaseFiles(seats, links, gate).routes(),
        *Attending(seats).routes(),
        *Cases(seats, desk.again).routes(),
        *Mending(seats, links).routes(),
        *Correcting(seats, links, gate).routes(),
        *ImportPages(seats).routes(),
        *Notes(seats).routes(),
        *NotesApi(services, gate).routes(),
        *Posters(seats, gate).routes(),
        *Bundles(services, gate).routes(),
        *BundlePages(seats).routes(),
        *ReportPages(seats, gate).routes(),
        *Reviews(seats, desk.again, gate).routes(),
        *SurgePages(seats, gate).routes(),
        *Users(seats, gate).routes(),
        *Persons(seats, gate).routes(),
    ]


def routes(services: Services, chat: Chat) -> list[web.RouteDef]:
    """Every address of the console."""
    found = served(services, chat)
    described = json(openapi.document(found, services.version))

    async def description(_request: web.Request) -> web.Response:
        """This document."""
        return web.Response(body=described.body, content_type="application/json")

    return [*found, web.get("/v1/openapi.json", description)]


def install(app: web.Application, services: Services) -> None:
    """Add the console to an application; its middleware leaves the doors under /in alone."""
    app.middlewares.append(guard.middleware(services))
    app.on_response_prepare.append(guard.without_server_name)
    chat = Chat(services, Links(services.public_url, services.secret))
    app.on_shutdown.append(chat.close)
    app.router.add_routes(routes(services, chat))
