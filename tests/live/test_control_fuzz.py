"""Whatever the people's side is sent: never a 5xx, nothing changed by what is refused, errors in their one form.

As in test_fuzz.py, NLED_FUZZ=20 searches further.
"""

import copy
import json
import math
from typing import Any
from urllib.parse import quote, quote_from_bytes

from hypothesis import example, given
from hypothesis import strategies as st

from nled.domain.commands import COMMANDS, HOSTED
from nled.domain.settings import ALIASES, MINUTES, SETTINGS
from tests.live.fuzzing import places
from tests.live.support import LiveDaemon
from tests.live.test_control_access import TRIES
from tests.live.test_fuzz import FuzzCase, bounded
from tests.live.wire import SERIAL, Answer, request

WEEK = {
    "ver": 2,
    "schedule_mode": "RANGE",
    "name": "Mine",
    "days": {
        "0": [{"time": 0, "type": "RANGE", "temp-min": 18, "temp-max": 24, "touched_by": 3}],
        "6": {"0": {"time": "3600", "type": "range", "temp-min": "18.5", "temp-max": 24}},
    },
}
# Besides the examples of the commands.
_VALUES: list[tuple[str, Any]] = [
    ("set_temperature", {"low": 19, "high": 22.5}),
    ("set_schedule", WEEK),
    ("set_device_setting", dict.fromkeys(SETTINGS, 20)),
    ("set_device_setting", dict.fromkeys((*ALIASES, *MINUTES), 1)),
    ("set_device_setting", {"temperature_lock": True, "lower_safety_temp": 7, "upper_safety_temp": 31}),
    *((each.name, value) for each in COMMANDS.values() for value in each.examples),
]
_V1 = f"/api/v1/thermostat/{SERIAL}/"
_BODIES: dict[tuple[str, str], list[Any]] = {
    ("POST", "/command"): [{"serial": SERIAL, "command": name, "value": value} for name, value in _VALUES],
    **{(each.method, f"{_V1}{each.path}"): list(each.examples) for each in HOSTED},
    ("POST", "/notify-device"): [{"serial": SERIAL}],
    ("DELETE", "/api/device"): [{"serial": "02AA01AC00000000"}],
    ("POST", "/api/register"): [{"code": "ABC-2345", "userId": "somebody"}],
    ("POST", "/api/ensure-user"): [{"userId": "somebody", "email": "a@example.org"}],
    ("POST", "/api/shares"): [{"serial": SERIAL, "userId": "somebody", "permission": "read"}],
    ("POST", "/api/invites"): [{"serial": SERIAL, "permission": "read", "hours": 1}],
    ("POST", "/api/invites/accept"): [{"token": "nli_" + "0" * 64, "userId": "somebody"}],
    ("POST", "/api/transfer"): [{"serial": SERIAL, "userId": "somebody"}],
    ("POST", "/api/keys"): [{"name": "mine", "scopes": ["read"], "devices": [SERIAL], "days": 1}],
    ("POST", "/api/import"): [{"records": [{"kind": "person", "user": "somebody"}], "merge": True}],
    ("POST", "/api/configure-nest"): [{"ip": "127.0.0.1", "api_key": "x"}],
}

# What Python's JSON cannot write, by what stands in its place until the text is made.
_RAW = {
    **{f"<list {depth}>": b"[" * depth + b"]" * depth for depth in (200, 900, 1500, 10_000)},
    **{f"<dict {depth}>": b'{"a":' * depth + b"1" + b"}" * depth for depth in (200, 900, 10_000)},
    "<twice>": b'{"low":20,"low":"x","high":4,"high":30}',
    "<huge>": b"9" * 4000,
    "<more than int() takes>": b"9" * 5000,
    "<exponent>": b"1e400",
    "<small>": b"-0.0e0",
    "<smallest>": b"5e-324",
    "<bytes>": b'"\xff\xfe"',
    "<surrogate bytes>": b'"\xed\xa0\x80"',
    "<surrogate>": b'"\\ud800"',
    "<nothing>": b"",
}
_junk = st.one_of(
    st.sampled_from(
        [
            *_RAW,
            *(None, True, False, 0, -1, 1.5, -0.0, 2**31, 2**53 + 1, 2**63, 2**64, -(2**64), 10**300),
            *(1e308, -1e308, 5e-324, math.nan, math.inf, -math.inf, 4.4999999, 32.0000001, 86_400),
            *(
                "",
                "x",
                "\ud800",
                "\x00",
                "é\U0001f600",
                "21",
                "true",
                "NaN",
                "a" * 200_000,
                "\u202e",
                "' OR 1",
            ),
            *([], {}, [[]], [None], {"": ""}, {"low": None}, {"low": math.nan}, {"high": 10**400}),
            {f"field{number}": number for number in range(1500)},
            {"k" * 3000: "v"},
            {"__proto__": 1, "constructor": []},
            ["x"] * 3000,
        ]
    ),
    st.integers(),
    st.floats(),
    st.text(st.characters(), max_size=20),
)


@st.composite
def bodies(draw: Any) -> tuple[str, str, bytes]:
    """A method, a path, and a body that once was right for it."""
    method, path = draw(st.sampled_from(sorted(_BODIES)))
    root = [copy.deepcopy(draw(st.sampled_from(_BODIES[method, path])))]
    for _ in range(draw(st.integers(0, 2))):
        holder, key = draw(st.sampled_from(places(root)))
        value = copy.deepcopy(draw(_junk))
        if draw(st.integers(0, 2)) or not isinstance(holder, dict):
            holder[key] = value
        elif draw(st.booleans()):
            del holder[key]
        else:
            holder[value if isinstance(value, str) else str(value)[:100]] = holder.pop(key)
    text = json.dumps(root[0]).encode()
    for name, raw in _RAW.items():
        text = text.replace(f'"{name}"'.encode(), raw)
    if draw(st.integers(0, 5)) == 0:
        at, length = draw(st.integers(0, len(text))), draw(st.integers(0, 20))
        text = text[:at] + draw(st.binary(max_size=8)) + text[at + length :]
    return method, path, text


_pieces = st.one_of(
    st.sampled_from(
        [
            *(
                "%00",
                "%0a",
                "%0d%0aX:%20y",
                "%ff",
                "%ed%a0%80",
                "%F0%9F%98%80",
                "%E2%80%AE",
                "..",
                ".",
                "%2e%2e",
            ),
            *(
                "a%2Fb",
                "%2F",
                "%5C",
                "%25",
                "%",
                "%zz",
                "%2",
                "*",
                "'",
                '"',
                "<b>",
                ";",
                ":",
                "@",
                "{}",
                "%7B0%7D",
            ),
            *(
                "null",
                "undefined",
                "NaN",
                "nan",
                "-1",
                "1e999",
                "-0.0",
                "0x10",
                "9" * 400,
                "a" * 1100,
                "true",
            ),
            *(
                "1900-01-01",
                "9999-12-31T23:59:59Z",
                "0001-01-01",
                "2026-02-30",
                "2026-11-22T10:00:00%2B99:99",
            ),
            *(SERIAL, SERIAL.lower(), f"%20{SERIAL}%20", "dev_", "dev_a", "dev_gazdaqi", "dev_" + "a" * 500),
            *("0" * 16, "somebody", "user_", "default", "temperature,,", "temperature,nothing", ","),
        ]
    ),
    st.binary(max_size=12).map(quote_from_bytes),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8).map(lambda text: quote(text, safe="")),
)
_names = st.one_of(
    st.sampled_from(["serial", "userId", "wait", "from", "to", "fields", "after", "", "SERIAL", "%73erial"]),
    _pieces,
)


@st.composite
def lines(draw: Any) -> tuple[str, str, bytes]:
    """A method and a path of the API, with odd things for its variables and in its query."""
    method, template = draw(st.sampled_from(sorted(TRIES))).split(" ")
    path = template
    while "{" in path:
        begin, _, rest = path.partition("{")
        path = begin + draw(_pieces).replace("{", "%7B") + rest.partition("}")[2]
    if draw(st.integers(0, 4)) == 0:
        path += draw(st.sampled_from(["/", "//", "/.", "/..", "?", "#", "%20", "/x"]))
    parts = draw(st.lists(st.tuples(_names, _pieces), max_size=3))
    query = "&".join(f"{name}={value}" for name, value in parts)
    if draw(st.integers(0, 3)) == 0 and parts:
        query += f"&{parts[0][0]}={parts[0][1]}"
    body = TRIES[f"{method} {template}"].body
    return method, f"{path}?{query}" if query else path, b"" if body is None else json.dumps(body).encode()


class ControlFuzzTests(FuzzCase):
    """All is done as an administrator, with a key: whoever may less is stopped before this."""

    def setUp(self):
        self.daemon = LiveDaemon(
            {"pairing": {"claims_per_minute": 1000}, "api": {"rate_limit": 0, "failures_per_minute": 1000}}
        )
        self.addCleanup(self.daemon.stop)
        self.daemon.put("shared", {"target_temperature": 20.0, "can_heat": True, "can_cool": True})
        abilities = ("has_fan", "has_humidifier", "has_hot_water_control", "has_hot_water_temperature")
        self.daemon.put("device", dict.fromkeys(abilities, True))
        self.key = self.daemon.make_key(scopes=["read", "write", "admin"])

    @bounded(220)
    @given(bodies())
    @example(("POST", "/api/import", b"[" * 100_000))
    @example(("POST", "/command", b'{"serial":"%s","command":"\\ud800"}' % SERIAL.encode()))
    @example(
        ("POST", "/command", b'{"serial":"%s","command":"set_temperature","value":NaN}' % SERIAL.encode())
    )
    def test_bodies(self, sent):
        self.send(*sent)

    @bounded(150)
    @given(lines())
    @example(("GET", f"/api/history?serial={SERIAL}&to=1900-01-01", b""))
    @example(("GET", f"/api/history?serial={SERIAL}&from=0001-01-01&to=0001-01-02", b""))
    @example(("POST", "/command?wait=nan", b"{}"))
    def test_lines(self, sent):
        self.send(*sent)

    def send(self, method: str, path: str, body: bytes) -> None:
        if path.startswith(("/api/scan-network", "/api/events")) or (
            method == "DELETE" and SERIAL in path.upper()
        ):
            return
        headers = {"Authorization": f"Bearer {self.key}"}
        before = self.state()
        with self.watched(), self.daemon.connect("control") as wire:
            wire.send(request(method, path, body, serial=None, headers=headers))
            answer = wire.answer(method)
        self.check(answer)
        if answer.status >= 400:
            self.assertEqual(self.state(), before)
            keys = {"error"} if path.startswith("/api/v1") else {"success", "message", "error"}
            self.assertEqual(set(answer.json), keys | (set(answer.json) & {"auth_required"}), (path, answer))

    def state(self) -> Any:
        answer = self.daemon.control_ask("GET", f"/api/v1/thermostat/{SERIAL}/status", key=self.key)
        self.assertEqual(answer.status, 200)
        return answer.json["state"]

    def check(self, answer: Answer, *, head_only: bool = False) -> None:
        super().check(answer, head_only=head_only)
        self.assertEqual(answer.headers["Content-Type"], "application/json")
