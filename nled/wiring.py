"""From settings to the two sites: every use case and route is made here, and given what it needs."""

import secrets
import time
from typing import Any

from attrs import frozen

from nled.actions.control import Control
from nled.actions.pairing import Arrivals, Desk
from nled.actions.transport import Transport
from nled.actions.uploads import Uploads
from nled.config import Config
from nled.domain.entry import Origin
from nled.hub import Hub
from nled.store.buckets import Buckets
from nled.store.pairing import Pairing
from nled.store.scripts import Limits, Runner, Scripts
from nled.web.control import ControlRoutes, control_error
from nled.web.device import DeviceRoutes
from nled.web.paths import control_path, device_path
from nled.web.router import Router
from nled.web.site import BoundedSite
from nled.web.transport import Timing, TransportRoutes
from nled.web.uploads import UploadRoutes

_DAY = 86_400_000
_MINUTE = 60_000


@frozen
class Sites:
    """The factories of the two ports."""

    device: BoundedSite
    control: BoundedSite


def wire(reactor: Any, config: Config, client: Runner, hub: Hub) -> Sites:
    """Make both sites on one store and one hub."""

    def now() -> int:
        return int(reactor.seconds() * 1000)

    scripts = Scripts(client, _limits(config))
    buckets = Buckets(scripts)
    pairing = Pairing(scripts, config.pairing.entry_key_ttl * 1000)
    desk = Desk(
        pairing,
        secrets.randbelow,
        now,
        required=config.pairing.required,
        pinned=config.pairing.pin_password,
        claims_per_minute=config.pairing.claims_per_minute,
    )
    device = Router(device_path)
    DeviceRoutes(
        desk,
        Arrivals(pairing, reactor),
        Origin.parse(config.device.origin, config.device.port) if config.device.origin else None,
        config.device.tier,
        secure=config.device.cert_dir is not None,
        entry_key_ttl=config.pairing.entry_key_ttl,
        now=now,
    ).register(device)
    timing = Timing(
        config.transport.suspend_time_max,
        config.transport.defer_device_window,
        config.transport.disable_defer_window,
    )
    transport = Transport(buckets, hub, now)
    TransportRoutes(transport, desk, timing, config.limits.body_bytes, now).register(device)
    UploadRoutes(_uploads(config), desk, config.uploads.max_bytes, now).register(device)

    control = Router(control_path, control_error)
    ControlRoutes(Control(buckets, now, _utc_offset), desk).register(control)

    def site(router: Router, most_body: int) -> BoundedSite:
        return BoundedSite(
            router.resource(),
            reactor,
            most_body=most_body,
            most_connections=config.limits.connections,
            access_log=config.log.level == "debug",
        )

    largest = max(config.limits.body_bytes, config.uploads.max_bytes)
    return Sites(
        site(device, largest),
        site(control, config.limits.body_bytes),
    )


def _limits(config: Config) -> Limits:
    return Limits(
        devices=config.limits.devices,
        buckets=config.limits.buckets_per_device,
        device_bytes=config.limits.device_bytes,
        ttl=config.retention.object_ttl_days * _DAY,
        momentary=config.retention.momentary_minutes * _MINUTE,
    )


def _uploads(config: Config) -> Uploads:
    return Uploads(
        config.upload_dir if config.uploads.store else None,
        config.uploads.max_unpacked_bytes,
        config.uploads.device_quota_bytes,
        config.uploads.total_quota_bytes,
    )


def _utc_offset() -> int:
    return time.localtime().tm_gmtoff
