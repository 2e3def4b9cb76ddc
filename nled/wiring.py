"""From settings to the two sites: every use case and route is made here, and given what it needs."""

import secrets
import socket
import time
from collections.abc import Awaitable, Callable, Coroutine
from datetime import datetime
from functools import partial
from typing import Any

from attrs import frozen
from twisted.internet.defer import Deferred

from nled.actions.access import Authority
from nled.actions.archive import Archives
from nled.actions.control import Control
from nled.actions.feed import Feed
from nled.actions.history import Histories
from nled.actions.lan import Lan
from nled.actions.pairing import Arrivals, Desk
from nled.actions.people import Household
from nled.actions.strangers import Crowd
from nled.actions.thermostats import Thermostats
from nled.actions.transport import Transport
from nled.actions.uploads import Uploads
from nled.actions.watch import Watches
from nled.config import Config
from nled.config.schema import STRANGERS_SHARE
from nled.domain.archive.records import MOST_BODY
from nled.domain.availability import window
from nled.domain.entry import Origin
from nled.housekeeping import Ages, Housekeeping
from nled.hub import Hub
from nled.lan.networks import address_of, attached
from nled.lan.scan import Scanner
from nled.lan.settings_api import SettingsApi
from nled.memory import Relief
from nled.store.api_keys import ApiKeys
from nled.store.archive import Archive
from nled.store.buckets import Buckets
from nled.store.devices import Devices
from nled.store.events import Events
from nled.store.history import History
from nled.store.lan import Neighbours
from nled.store.pairing import Pairing
from nled.store.people import People
from nled.store.scripts import Limits, Runner, Scripts
from nled.store.strangers import Strangers
from nled.store.upkeep import Upkeep
from nled.troubles import Troubles
from nled.web.about import AboutRoutes
from nled.web.api_keys import KeyRoutes
from nled.web.archive import ArchiveRoutes
from nled.web.clients import Clients
from nled.web.control import ControlRoutes
from nled.web.device import DeviceRoutes
from nled.web.endpoint import Api
from nled.web.events import EventRoutes
from nled.web.guard import Guard, own_names
from nled.web.history import HistoryRoutes
from nled.web.lan import LanRoutes
from nled.web.paths import device_path
from nled.web.people import PeopleRoutes
from nled.web.registration import RegistrationRoutes
from nled.web.router import Root
from nled.web.shares import ShareRoutes
from nled.web.site import BoundedSite
from nled.web.strangers import StrangerRoutes
from nled.web.transport import Timing, TransportRoutes
from nled.web.uploads import UploadRoutes
from nled.web.v1 import HostedRoutes

_DAY = 86_400_000
_MINUTE = 60_000
# Event streams of one process; each may have some 100 KiB under way.
_MOST_WATCHES = 100


@frozen
class Sites:
    """The factories of the two ports and of the socket, what is done every few seconds, and the rest.

    Attributes:
        control, local: the same with bounds of their own: who fills the port must not shut out the socket.
        api: what they serve.
        store_is_back: stores what could not be stored.
        forget: deletes what this process keeps of a device in files.
        stop: stops the rest.
    """

    device: BoundedSite
    control: BoundedSite
    local: BoundedSite
    api: Api
    housekeeping: Housekeeping
    store_is_back: Callable[[], None]
    forget: Callable[[str], Coroutine[Deferred[Any], Any, None]]
    stop: Callable[[], Awaitable[None]]


def wire(  # noqa: PLR0917 - what all parts need, each once
    reactor: Any,
    now: Callable[[], int],
    config: Config,
    client: Runner,
    hub: Hub,
    feed: Feed,
    *,
    troubles: Troubles,
    room: Callable[[], bool] = lambda: True,
) -> Sites:
    """Make the sites on one store, one hub and one feed."""
    relief = Relief(reactor)

    async def stop() -> None:
        await arrivals.stop()
        await lan.stop()

    def site(
        root: Root, most_body: int, room: Callable[[], bool] = lambda: True, *, by_head: bool = False
    ) -> BoundedSite:
        return BoundedSite(
            root,
            reactor,
            now,
            most_body=most_body,
            most_connections=config.limits.connections,
            by_head=by_head,
            on_relief=relief,
            access_log=config.log.level == "debug",
            room=room,
        )

    scripts = Scripts(client, _limits(config))
    pairing = Pairing(scripts, config.pairing.entry_key_ttl * 1000)
    desk = Desk(
        pairing,
        secrets.randbelow,
        now,
        required=config.pairing.required,
        pinned=config.pairing.pin_password,
        claims_per_minute=config.pairing.claims_per_minute,
    )
    origin = Origin.parse(config.device.origin, config.device.port) if config.device.origin else None
    silence = window(config.transport.hold)
    events = Events(client, now)

    senders = Clients((), config.device.trusted_proxies)
    arrivals = Arrivals(pairing, reactor, now)
    device = DeviceRoutes(
        desk,
        arrivals,
        senders,
        origin,
        config.device.tier,
        secure=config.device.cert_dir is not None,
        entry_key_ttl=config.pairing.entry_key_ttl,
        now=now,
    )
    timing = Timing(
        config.transport.suspend_time_max,
        config.transport.defer_device_window,
        config.transport.disable_defer_window,
    )
    transport = Transport(Buckets(scripts), hub, now)
    polls = TransportRoutes(transport, desk, arrivals, senders, timing, config.limits.body_bytes, now)
    uploads = _uploads(config)
    logs = UploadRoutes(uploads, desk, arrivals, senders, config.uploads.max_bytes, now)
    device_root = Root(device_path, device.app, polls.app, logs.app, describe=device.describe)

    people = People(scripts)
    authority = Authority(
        ApiKeys(client),
        people,
        secrets.randbelow,
        now,
        config.api.rate_limit,
        config.api.failures_per_minute,
    )
    clients = Clients(config.control.trusted_networks, config.control.trusted_proxies)
    names = own_names(socket.gethostname(), config.control.hosts)
    api = Api(Guard(clients, authority, names, frozenset(config.control.origins)), now, config.api.rate_limit)
    devices = Devices(scripts)
    offset = partial(_utc_offset, config.home.time_zone)
    control = Control(devices, feed, reactor, now, offset, owned_only=config.pairing.required)
    thermostats = Thermostats(devices, authority, hub, now, silence, paired_only=config.pairing.required)
    household = Household(people, authority, secrets.randbelow, now)
    settings_api = SettingsApi(reactor)
    scanner = Scanner(settings_api, attached)
    own = partial(address_of, config.device.host)
    lan = Lan(settings_api, scanner, Neighbours(scripts), attached, own, origin, config.device.port)
    strangers = Crowd(Strangers(scripts), troubles, now, config.pairing.required)
    watches = Watches(feed, events, authority.still_visible, _MOST_WATCHES)
    for routes in (
        AboutRoutes(
            thermostats,
            troubles,
            lan.advertised,
            config.pairing.required,
            config.pairing.entry_key_ttl,
        ),
        ControlRoutes(control, thermostats),
        StrangerRoutes(strangers),
        RegistrationRoutes(desk, thermostats),
        HostedRoutes(control, thermostats),
        KeyRoutes(authority),
        PeopleRoutes(household),
        ShareRoutes(household),
        LanRoutes(lan),
        ArchiveRoutes(Archives(Archive(scripts), now)),
        HistoryRoutes(
            Histories(thermostats, History(client), config.history.days * _DAY, config.home.time_zone)
        ),
    ):
        routes.register(api)
    api.add(*EventRoutes(reactor, watches).endpoints())

    return Sites(
        site(device_root, max(config.limits.body_bytes, config.uploads.max_bytes), room),
        site(api.root, max(config.limits.body_bytes, MOST_BODY), room, by_head=True),
        site(api.root, max(config.limits.body_bytes, MOST_BODY), by_head=True),
        api,
        Housekeeping(
            reactor,
            now,
            Upkeep(scripts, private=config.redis.url is None),
            troubles,
            Ages(silence, config.retention.object_ttl_days * _DAY, config.history.days * _DAY),
            socket.gethostname(),
            strangers.look,
        ),
        arrivals.store_is_back,
        uploads.forget,
        stop,
    )


def _limits(config: Config) -> Limits:
    return Limits(
        devices=config.limits.devices,
        buckets=config.limits.buckets_per_device,
        device_bytes=config.limits.device_bytes,
        ttl=config.retention.object_ttl_days * _DAY,
        momentary=config.retention.momentary_minutes * _MINUTE,
        history=config.history.days * _DAY,
        points=config.history.points,
        arrival=max(_DAY, config.pairing.entry_key_ttl * 1000),
        per_address=config.limits.strangers_per_address,
        stranger_bytes=config.redis.maxmemory_mb * 2**20 // STRANGERS_SHARE,
    )


def _uploads(config: Config) -> Uploads:
    return Uploads(
        config.upload_dir if config.uploads.store else None,
        config.uploads.max_unpacked_bytes,
        config.uploads.device_quota_bytes,
        config.uploads.total_quota_bytes,
        config.redis.least_free_mb * 2**20,
    )


def _utc_offset(zone: str | None, now: int) -> int:
    if zone is None:
        return time.localtime(now / 1000).tm_gmtoff
    # Only here: few set it, and it takes memory.
    from zoneinfo import ZoneInfo  # noqa: PLC0415

    offset = datetime.fromtimestamp(now / 1000, ZoneInfo(zone)).utcoffset()
    return int(offset.total_seconds()) if offset else 0
