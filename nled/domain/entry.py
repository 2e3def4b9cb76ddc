"""Service discovery: the answer of `/nest/entry` and the origin it is built on (protocol a.3)."""

import re
from typing import Literal
from urllib.parse import unquote_plus, urlsplit

from attrs import frozen

from nled.domain.buckets import encode

SERVER_VERSION = "1.0.1"
Tier = Literal["local", "hosted"]

# What a device says of itself; all of it informational, all of it possibly missing (protocol a.3).
FACTS = frozenset({"reset", "mac", "model", "software_version", "wireless_reg_domain", "backplate_model"})
_LONGEST_FACT = 64
_MOST_FIELDS = 50
_MAC = re.compile("[0-9A-Fa-f]{12}")


@frozen
class Origin:
    """Scheme, host and port under which a device reaches this server.

    The port is always written: without it a sleeping thermostat is not woken (protocol a.3).
    """

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    @classmethod
    def parse(cls, text: str, default_port: int) -> "Origin":
        """Read `API_ORIGIN`; a missing port becomes the one the device listener has."""
        parts = urlsplit(text)
        return cls(parts.scheme, parts.hostname or "", parts.port or default_port)


def entry(origin: Origin, tier: Tier) -> bytes:
    """Write the entry answer: eleven keys (nine for the hosted tier), flat, in the specified order."""
    at = str(origin)
    transport = f"{at}/nest/transport"
    if tier == "hosted":
        urls = {
            "transport_url": at,
            "weather_url": at,
            "czfe_url": at,
            "direct_transport_url": at,
            "passphrase_url": f"{at}/nest/passphrase",
            "upload_url": f"{at}/nest/upload",
        }
    else:
        urls = {
            "czfe_url": transport,
            "transport_url": transport,
            "direct_transport_url": transport,
            "passphrase_url": f"{at}/nest/passphrase",
            "ping_url": transport,
            "pro_info_url": f"{at}/nest/pro_info",
            "weather_url": f"{at}/nest/weather/v1?query=",
            "upload_url": f"{at}/nest/upload",
        }
    return encode(
        {**urls, "software_update_url": "", "server_version": SERVER_VERSION, "tier_name": tier}
    ).encode()


def parse_form(body: bytes) -> dict[str, str]:
    """Read what a device says of itself at its entry; what is garbled is left out, never refused."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        return {}
    pairs = (pair.partition("=") for pair in text.split("&", _MOST_FIELDS)[:_MOST_FIELDS])
    form = {name: unquote_plus(value) for name, _, value in pairs if name in FACTS}
    facts = {
        name: value
        for name, value in form.items()
        if value and len(value) <= _LONGEST_FACT and value.isprintable()
    }
    if "mac" in facts and not _MAC.fullmatch(facts["mac"]):
        del facts["mac"]
    return facts
