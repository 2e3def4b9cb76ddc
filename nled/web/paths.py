"""The many spellings of the device paths, folded to one each before anything else looks at them.

Routing, authentication and logging see only the folded path, so no alias can skip a check
(PROTOCOL.md a.1, j-2).
"""

import re
from functools import lru_cache
from urllib.parse import unquote_to_bytes

_BASE = "/nest/transport"
# What old firmware and settings leave out (a.1.1); /czfe is the transport's first name.
_LEGACY = re.compile(r"/(entry|ping|passphrase|weather|upload|pro_info|transport|czfe)(?=/|$)")
_VERSIONED = re.compile(rf"{_BASE}(?:/[^/]+)?/(subscribe|put)")


@lru_cache(maxsize=1024)
def device_path(raw: bytes) -> str:
    """Fold a request path as it stands on the request line.

    Doubled and trailing slashes go, legacy names get their `/nest`, and the transport's version
    segment goes: `/czfe//v7/subscribe/` is `/nest/transport`.

    Raises:
        UnicodeDecodeError: it is not UTF-8.
    """
    path = re.sub("/{2,}", "/", unquote_to_bytes(raw).decode("utf-8"))
    path = path.rstrip("/") or "/"
    if legacy := _LEGACY.match(path):
        name = "transport" if legacy[1] == "czfe" else legacy[1]
        path = f"/nest/{name}{path[legacy.end() :]}"
    if versioned := _VERSIONED.fullmatch(path):
        path = _BASE if versioned[1] == "subscribe" else f"{_BASE}/put"
    return path


@lru_cache(maxsize=1024)
def control_path(raw: bytes) -> str:
    """Fold a path of the control port: doubled and trailing slashes go.

    Raises:
        UnicodeDecodeError: it is not UTF-8.
    """
    return re.sub("/{2,}", "/", unquote_to_bytes(raw).decode("utf-8")).rstrip("/") or "/"
