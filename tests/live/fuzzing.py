"""What to throw at the daemon: bodies and requests that once were right."""

import copy
import json
import math
from typing import Any
from urllib.parse import quote_from_bytes

from hypothesis import strategies as st

from tests.live.wire import SERIAL, basic, request

SHARED = f"shared.{SERIAL}"
_VALID: dict[str, list[Any]] = {
    "/nest/transport": [
        {
            "chunked": chunked,
            "session": f"18B430ABCDEF{SERIAL}",
            "objects": [
                {"object_key": SHARED, "object_revision": 1, "object_timestamp": 1707148800000},
                {
                    "object_key": f"device.{SERIAL}",
                    "object_revision": 0,
                    "object_timestamp": 0,
                    "value": {"a": 1},
                },
            ],
        }
        for chunked in (True, False)
    ]
    + [{"chunked": False, "shared": {"object_key": SHARED, "object_revision": 1, "object_timestamp": 1}}],
    "/nest/transport/put": [
        {
            "session": f"18B430ABCDEF{SERIAL}",
            "objects": [
                {"object_key": SHARED, "base_object_revision": 1, "value": {"hvac_heater_state": True}},
                {
                    "object_key": f"schedule.{SERIAL}",
                    "value": {"ver": 2, "days": {"0": {"0": {"temp": 20.5}}}},
                },
            ],
        },
        {
            "session": "x",
            SHARED: {"object_key": SHARED, "if_object_revision": 3, "target_temperature": 21.5},
        },
    ],
    "/command": [
        {"serial": SERIAL, "command": "set_temperature", "value": 21.5},
        {"serial": SERIAL, "command": "set_temperature", "value": {"low": 19, "high": 22.5}},
    ],
    "/api/register": [{"code": "ABC-2345", "userId": "somebody"}],
    # Any body at all is good enough for these.
    "/nest/entry": [{"reset": "FALSE", "mac": "18B430ABCDEF"}],
    "/nest/upload": ["a log"],
}
CONTROL = frozenset({"/command", "/api/register"})

# What Python's JSON cannot write, by what stands in its place until the text is made.
_RAW = {
    **{f"<list {depth}>": b"[" * depth + b"]" * depth for depth in (31, 32, 33, 200, 600, 900, 1500)},
    **{f"<dict {depth}>": b'{"a":' * depth + b"1" + b"}" * depth for depth in (32, 33, 600, 900)},
    "<twice>": b'{"a":1,"a":{},"object_key":1,"object_key":"x.y"}',
    "<huge>": b"9" * 4000,
    "<exponent>": b"1e400",
    "<bytes>": b'"\xff\xfe"',
    "<surrogate bytes>": b'"\xed\xa0\x80"',
    "<nothing>": b"",
    "<zero>": b"-0.0e0",
}
_junk = st.one_of(
    st.sampled_from(
        [
            *_RAW,
            *(
                None,
                True,
                False,
                0,
                -1,
                1.5,
                2**31,
                2**53 + 1,
                2**63,
                2**64,
                -(2**64),
                10**300,
                1e308,
                5e-324,
            ),
            *(math.nan, math.inf, -math.inf),
            *("", "x", "\ud800", "\udc00\ud800", "\x00", "é\U0001f600", "1", "true", "a" * 5000),
            *([], {}, [[]], [None], {"": ""}, {"object_key": None}, {"low": None}, {"$version": 1}),
            {f"field{i}": i for i in range(1500)},
            {"k" * 3000: "v"},
            [{"object_key": f"thing.{i}", "value": {"a": i}} for i in range(200)],
            [
                {"object_key": key, "value": {"a": 1}}
                for key in (f"device.OTHER{SERIAL}", "user.x", "a.b", ".", "")
            ],
        ]
    ),
    st.integers(),
    st.floats(),
    st.text(st.characters(), max_size=20),
)


def places(tree: Any) -> list[tuple[Any, Any]]:
    """Every place in a document, as what holds it and under which key."""
    inner = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    found = []
    for key, value in inner:
        found += [(tree, key), *places(value)]
    return found


@st.composite
def bodies(draw: Any) -> tuple[str, bytes]:
    """A path, and a body that once was right for it."""
    path = draw(st.sampled_from(sorted(_VALID)))
    root = [copy.deepcopy(draw(st.sampled_from(_VALID[path])))]
    for _ in range(draw(st.integers(0, 3))):
        holder, key = draw(st.sampled_from(places(root)))
        # A copy: it may be changed in its turn, and the samples must stay as they are.
        value = copy.deepcopy(draw(_junk))
        if draw(st.booleans()) or not isinstance(holder, dict):
            holder[key] = value
        elif draw(st.booleans()):
            del holder[key]
        else:
            holder[value if isinstance(value, str) else str(value)[:100]] = holder.pop(key)
    text = json.dumps(root[0]).encode()
    for name, raw in _RAW.items():
        text = text.replace(f'"{name}"'.encode(), raw)
    if draw(st.integers(0, 4)) == 0:
        at, length = draw(st.integers(0, len(text))), draw(st.integers(0, 20))
        text = text[:at] + draw(st.binary(max_size=8)) + text[at + length :]
    return path, text


_ROUTES = (
    *("/nest/entry", "/entry", "/info", "/nest/ping", "/nest/passphrase", "/nest/passphrase/status"),
    *("/nest/pro_info/X", "/nest/weather/v1?query=07719,US", "/nest/upload", "/nest/transport", "/czfe"),
    *("/nest/transport/v7/subscribe", "/nest/transport/put", f"/nest/transport/device/device.{SERIAL}"),
    *("/command", "/api/register", "/health", "/nowhere", "*", "/", ""),
)
_targets = st.one_of(
    st.sampled_from(_ROUTES).map(str.encode),
    st.tuples(
        st.sampled_from(_ROUTES).map(str.encode),
        st.sampled_from(
            [
                *(
                    b"/",
                    b"//",
                    b"/%00",
                    b"/%ff",
                    b"\xff",
                    b"/%0a",
                    b"/%0d%0aX: y",
                    b"/%2f..%2f",
                    b"/%",
                    b"/%zz",
                ),
                *(b"?", b"?serial=%ff", b"?serial=" + b"A" * 3000, b"?query", b"?" + b"a=b&" * 500, b"#x"),
                *(
                    b"/" + b"a" * 1500,
                    b"/" + b"a" * 17000,
                    b"/" * 5000,
                    b"/\xe2\x82\xac",
                    b" ._sync",
                    b"\t",
                    b"\x00",
                ),
            ]
        ),
    ).map(b"".join),
    st.sampled_from(_ROUTES).map(lambda route: b"http://127.0.0.1:1" + route.encode()),
    st.binary(max_size=30).map(lambda raw: b"/" + quote_from_bytes(raw).encode()),
    st.binary(max_size=30),
)
_methods = st.one_of(
    st.sampled_from([b"GET", b"POST", b"HEAD"]),
    st.sampled_from(
        [b"PUT", b"DELETE", b"OPTIONS", b"TRACE", b"CONNECT", b"PATCH", b"get", b"X" * 3000, b"", b"\xff"]
    ),
)
_IDENTITY = b"Authorization: " + basic().encode()
_header_lines = st.one_of(
    st.sampled_from(
        [
            *(
                b"Host: 127.0.0.1",
                b"Host: \xff",
                b"Host: a..b",
                b"Host: " + b"a" * 300,
                b"Host:",
                b"Host: [::1",
            ),
            *(
                _IDENTITY,
                b"Authorization: Basic",
                b"Authorization: Basic \xff\xfe",
                b"Authorization: Basic =====",
            ),
            *(
                b"Authorization: Basic Og==",
                b"Authorization: Basic /////w==",
                b"Authorization: " + b"B" * 9000,
            ),
            *(b"X-nl-client-id: \xff.\xff", b"X-nl-device-id: \xf0\x9f\x98\x80", b"X-NL-Device-Serial: ,;:"),
            *(b"Content-Length: 0", b"Content-Length: 2", b"Content-Length: 3", b"Content-Length: -1"),
            *(b"Content-Length: 1e3", b"Content-Length: " + b"9" * 30, b"Content-Length: " + b"9" * 5000),
            *(b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip, chunked", b"Transfer-Encoding: \xff"),
            *(
                b"Expect: 100-continue",
                b"Connection: close",
                b"Connection: \xff",
                b"Upgrade: h2c",
                b"Cookie: \xff=\xff",
            ),
            *(
                b"Content-Type: multipart/form-data; boundary=x",
                b"Content-Encoding: gzip",
                b"Range: bytes=0-",
            ),
            *(b"nonsense", b": nothing", b" folded", b"Bad Name: x", b"X: \x00", b"X: " + b"y" * 17000),
        ]
    ),
    st.tuples(st.binary(max_size=10), st.binary(max_size=20)).map(b": ".join),
)
_contents = st.one_of(
    st.sampled_from(
        [
            *(b"", b"{}", b"2\r\n{}\r\n0\r\n\r\n", b"zz\r\n", b"-1\r\n", b"f" * 100 + b"\r\n", b"1" * 9000),
            *(
                b"1\r\nab\r\n",
                b"2;x=y\r\n{}\r\n0\r\nX: y\r\n\r\n",
                b"2\r\n{}\r\n0\r\n" + b"X: y\r\n" * 5000 + b"\r\n",
            ),
            request("GET", "/nest/ping"),
        ]
    ),
    st.binary(max_size=40),
)


@st.composite
def raw_requests(draw: Any) -> tuple[str, bytes]:
    """The name of a port, and what may once have been a request."""
    line = b" ".join(
        (
            draw(_methods),
            draw(_targets),
            draw(st.sampled_from([b"HTTP/1.1"] * 8 + [b"HTTP/1.0", b"HTTP/9", b"", b"\xff"])),
        )
    )
    headers = draw(st.lists(_header_lines, max_size=5))
    if draw(st.booleans()):
        headers += [_IDENTITY]
    end = draw(st.sampled_from([b"\r\n"] * 10 + [b"\n", b"\r"]))
    return draw(st.sampled_from(["device", "control"])), end.join((line, *headers, b"", draw(_contents)))
