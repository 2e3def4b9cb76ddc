"""The many spellings of the device paths, folded to one each before anything else looks at them.

Routing, authentication and logging see only the folded path, so no alias can skip a check
(protocol a.1).
"""

import re
from functools import lru_cache
from urllib.parse import unquote_to_bytes

from nled.domain.errors import BadRequest

_BASE = "/nest/transport"
# What old firmware and settings leave out (protocol a.1.1); /czfe is the transport's first name.
_LEGACY = re.compile(r"/(entry|ping|passphrase|weather|upload|pro_info|transport|czfe)(?=/|$)")
# What a device appends to a transport URL without a path, as the hosted tier hands out; and no more, since
# other paths of one or two parts are other services.
_BARE = re.compile(r"(?!/(?:nest|info)/)(?:/[^/]+)?/(?:subscribe|put|device/[^/]+)")
# What is remembered of paths must not grow with what strangers write into them.
_LONGEST = 1024
_ABSOLUTE = re.compile(rb"https?://[^/]*")
_CONTROL = re.compile("[\x00-\x1f\x7f]")
_VERSIONED = re.compile(rf"{_BASE}(?:/[^/]+)?/(subscribe|put)")


@lru_cache(maxsize=1024)
def device_path(raw: bytes) -> str:
    """Fold a request path as it stands on the request line.

    Doubled and trailing slashes go, legacy names get their `/nest`, and the transport's version
    segment goes: `/czfe//v7/subscribe/` is `/nest/transport`. A transport without a base gets it, but for the
    empty path, which is a subscribe only when POSTed to.

    Raises:
        BadRequest: it is no path, see `control_path`.
    """
    path = _fold(raw)
    if legacy := _LEGACY.match(path):
        name = "transport" if legacy[1] == "czfe" else legacy[1]
        path = f"/nest/{name}{path[legacy.end() :]}"
    elif _BARE.fullmatch(path):
        path = f"{_BASE}{path}"
    if versioned := _VERSIONED.fullmatch(path):
        path = _BASE if versioned[1] == "subscribe" else f"{_BASE}/put"
    return path


@lru_cache(maxsize=1024)
def control_path(raw: bytes) -> str:
    """Fold a path of the control port: doubled and trailing slashes go.

    Raises:
        BadRequest: it is too long, not UTF-8, or holds control characters.
    """
    return _fold(raw)


def _fold(raw: bytes) -> str:
    if len(raw) > _LONGEST:
        raise BadRequest(f"The path may have at most {_LONGEST} bytes.")
    try:
        # A proxy may send the whole URL (RFC 9112, 3.2.2).
        path = unquote_to_bytes(_ABSOLUTE.sub(b"", raw, count=1) if raw[:1] != b"/" else raw).decode("utf-8")
    except UnicodeDecodeError:
        raise BadRequest("The path is not UTF-8.") from None
    if _CONTROL.search(path):
        raise BadRequest("The path holds control characters.")
    return re.sub("/{2,}", "/", path).rstrip("/") or "/"
