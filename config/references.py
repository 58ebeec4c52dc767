"""Names that must exist elsewhere in the configuration, and values that must agree with one another."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path as FilePath
from typing import Any

from pydantic import BaseModel

from config.problems import Path, suggest
from config.settings import Settings
from connectors.contract import ChannelSettings, ConnectorSpec
from destinations.contract import DestinationSettings, DestinationSpec
from router.settings import Actions, RulesSettings


@dataclass(frozen=True, slots=True)
class Broken:
    """A reference that leads nowhere, or a disagreement; `path` counts from the top of the main file."""

    path: Path
    message: str
    remedy: str = ""


def check(settings: Settings, value: Any) -> Iterator[Broken]:
    """Everything that does not fit together.

    Names are looked up in the value as it was written, so that a fault elsewhere in a channel does not
    hide that it names another one wrongly, nor make it count as missing.
    """
    channels = within(value, "channels")
    for name in channels:
        for identity, via in within(value, "channels", name, "reply_via").items():
            yield from exists(via, channels, "channel", ("channels", name, "reply_via", identity))
        for address, to in within(value, "channels", name, "scanners").items():
            yield from exists(to, channels, "channel", ("channels", name, "scanners", address))
        for n, via in enumerate(_listed(within(value, "channels", name).get("fallback"))):
            if via != "template":
                yield from exists(via, channels, "channel", ("channels", name, "fallback", n))
    for name in within(value, "retention", "channels"):
        yield from exists(name, channels, "channel", ("retention", "channels", name))
    sender = within(value, "alerts", "email").get("channel")
    yield from exists(sender, channels, "channel", ("alerts", "email", "channel"))
    if isinstance(sender, str) and sender in settings.channels and settings.channels[sender].kind != "email":
        yield Broken(("alerts", "email", "channel"), "must name a channel of the kind email")
    yield from _sender(settings, channels, within(value, "office", "escalation").get("channel"), "escalation")
    yield from _sender(settings, channels, within(value, "office", "report").get("channel"), "report")
    yield from _ca_files(settings)
    yield from _ports(settings)
    yield from _leases(settings)
    yield from _tokens(settings)


def check_rules(rules: RulesSettings, value: Any, templates: Collection[str]) -> Iterator[Broken]:
    """Destinations and templates that the rules name and nobody has; paths count from the rules."""
    destinations, departments = within(value, "destinations"), within(value, "office", "departments")
    places: list[tuple[Path, Actions]] = [(("rules", n, "set"), r.set) for n, r in enumerate(rules.rules)]
    for place, actions in (*places, (("default",), rules.default)):
        for n, name in enumerate(actions.destinations or ()):
            yield from exists(name, destinations, "destination", (*place, "destinations", n))
        if departments and actions.department:
            yield from exists(actions.department, departments, "department", (*place, "department"))
        if actions.acknowledgement:
            yield from exists(actions.acknowledgement, templates, "template", (*place, "acknowledgement"))


def _sender(settings: Settings, channels: Collection[str], name: Any, part: str) -> Iterator[Broken]:
    """What is wrong with the channel that sends a part of the office's mail."""
    place = ("office", part, "channel")
    yield from exists(name, channels, "channel", place)
    if isinstance(name, str) and name in settings.channels and settings.channels[name].kind != "email":
        yield Broken(place, "must name a channel of the kind email")


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def within(value: Any, *keys: str) -> Mapping[str, Any]:
    """The mapping at the keys, or an empty one; what has another form is told elsewhere."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def exists(name: Any, known: Collection[str], noun: str, path: Path) -> Iterator[Broken]:
    """A broken reference, unless the name is known."""
    if isinstance(name, str) and name not in known:
        yield Broken(path, f"names no {noun}", suggest(name, known) or f"add it under `{noun}s`")


def doors(settings: ChannelSettings) -> Iterator[tuple[Path, str, int]]:
    """Where a channel listens by itself: every group of its settings called `door` with a host and a port."""
    door: Any = getattr(settings, "door", None)
    if isinstance(door, BaseModel):
        host, port = getattr(door, "host", None), getattr(door, "port", None)
        if isinstance(host, str) and isinstance(port, int):
            yield ("door", "port"), host, port


def extras(
    settings: Settings,
    connectors: Mapping[str, ConnectorSpec],
    destinations: Mapping[str, DestinationSpec],
) -> Iterator[Broken]:
    """Libraries that a channel or destination needs and that are not installed; none is imported."""
    for path, one in _all(settings):
        spec = (connectors if path[0] == "channels" else destinations).get(one.kind)
        if spec is not None and spec.extra is not None:
            yield from _needs((*path, "kind"), f"the kind {one.kind}", spec.extra, spec.requires)
        if one.proxy is not None and one.proxy.lower().startswith("socks5:"):
            yield from _needs((*path, "proxy"), "a socks5:// proxy", "socks", ("python_socks",))
    report = settings.office.report
    needs = {"pdf": ("letter", "fpdf"), "xlsx": ("tables", "openpyxl")}
    for format_ in report.formats if report.to else ():
        extra, module = needs[format_]
        yield from _needs(("office", "report", "formats"), f"a report as {format_}", extra, (module,))


def _needs(path: Path, what: str, extra: str, modules: Collection[str]) -> Iterator[Broken]:
    missing = [name for name in modules if find_spec(name) is None]
    if missing:
        text = f"{what} needs the extra `{extra}`, which is not installed (no {', '.join(missing)})"
        yield Broken(path, text, f"pip install 'forebay[{extra}]'")


def _ca_files(settings: Settings) -> Iterator[Broken]:
    for path, one in _all(settings):
        if one.ca_file is not None and not FilePath(one.ca_file).is_file():
            remedy = "relative paths start at the folder of this file"
            yield Broken((*path, "ca_file"), "there is no such file", remedy)


def _all(settings: Settings) -> Iterator[tuple[Path, ChannelSettings | DestinationSettings]]:
    """Every channel and destination, and where it stands."""
    for name, channel in settings.channels.items():
        yield ("channels", name), channel
    for name, destination in settings.destinations.items():
        yield ("destinations", name), destination


def _ports(settings: Settings) -> Iterator[Broken]:
    taken: dict[int, list[tuple[str, str]]] = {}
    listen = settings.listen
    if listen.port:
        taken[listen.port] = [(listen.host, "listen")]
    for name, channel in settings.channels.items():
        for where, host, port in doors(channel):
            for other, owner in taken.get(port, ()):
                if port and (host == other or _everywhere(host) or _everywhere(other)):
                    path = ("channels", name, *where)
                    yield Broken(path, f"port {port} is taken by {owner}", "choose another port")
            taken.setdefault(port, []).append((host, f"channels.{name}"))


def _everywhere(host: str) -> bool:
    return host in ("", "0.0.0.0", "::", "*")  # noqa: S104 - compared, not bound


def _leases(settings: Settings) -> Iterator[Broken]:
    leases = settings.leases
    if leases.renew * 2 > leases.ttl:
        yield Broken(
            ("leases", "renew"),
            "a lease must be renewed at least twice in its time",
            "make it half of leases.ttl or less",
        )


def _tokens(settings: Settings) -> Iterator[Broken]:
    names: dict[str, int] = {}
    values: dict[str, int] = {}
    if settings.api.admin_token:
        values[settings.api.admin_token.get_secret_value()] = -1
    for n, token in enumerate(settings.api.tokens):
        if token.name in names:
            yield Broken(
                ("api", "tokens", n, "name"), f"the name is that of api.tokens[{names[token.name]}] too"
            )
        if token.token.get_secret_value() in values:
            yield Broken(
                ("api", "tokens", n, "token"), "the token is used twice", "give each program its own token"
            )
        names.setdefault(token.name, n)
        values.setdefault(token.token.get_secret_value(), n)
