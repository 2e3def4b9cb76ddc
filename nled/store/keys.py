"""Every Redis key of nled, in one place; docs/store.md has the same table for people.

`{...}` is a hash tag: all keys of one device live in one slot. The Lua scripts get these names
from `LUA`, so that no name is spelled twice.

=========================== ====== ================================= ================================
key                         type   holds                             lives
=========================== ====== ================================= ================================
nled:devices                zset   serial by last contact (ms)       trimmed to object_ttl
nled:{SERIAL}:facts         hash   first, entry, bytes, model, ...   object_ttl after last contact
nled:{SERIAL}:buckets       set    the device's bucket keys          object_ttl after last contact
nled:{SERIAL}:bucket:KEY    hash   a bucket; of a home's bucket only object_ttl after last contact
                                   how far this device has come
nled:{SERIAL}:owner         hash   user, structure, at, code         for ever
nled:{SERIAL}:key           hash   code, expires                     entry_key_ttl, sliding
nled:{SERIAL}:pin           string SHA-256 of the pinned password    for ever
nled:code:CODE              string serial of a live entry key        as the entry key
nled:mac:MAC                string serial that came with this MAC    object_ttl, refreshed by entries
nled:home:{USER}:bucket:KEY hash   the home's user and structure     for ever
nled:home:{USER}:devices    set    serials of the home               for ever
nled:claims:ADDRESS         string claims tried in this minute       60 s
nled:changes                pub/sub one line for each change         -
=========================== ====== ================================= ================================

A bucket's hash has these fields: `r` revision, `t` timestamp, `w` timestamp of the newest server
write, `v:NAME` a value as JSON text, `s:NAME` the server's write of it as
`revision timestamp written-at kind` (kind m = momentary, s = setting); and for one device: `c` the
timestamp it last claimed, `a` acknowledged up to, `p` pushed up to, `pa` pushed at, `n` times the
same thing was pushed in answer to a new subscribe.
"""

DEVICES = "nled:devices"
CHANGES = "nled:changes"
_DEVICE = "nled:{%s}:"
_HOME = "nled:home:{%s}:"
_CODE = "nled:code:"
_MAC = "nled:mac:"
_CLAIMS = "nled:claims:"

LUA = f"""
local DEVICES, CHANGES = '{DEVICES}', '{CHANGES}'
local function device_key(serial, what) return string.format('{_DEVICE}', serial) .. what end
local function home_key(user, what) return string.format('{_HOME}', user) .. what end
local function code_key(code) return '{_CODE}' .. code end
local function mac_key(mac) return '{_MAC}' .. mac end
"""


def facts(serial: str) -> str:
    """Name the hash of what a device said of itself."""
    return _DEVICE % serial + "facts"


def bucket(serial: str, key: str) -> str:
    """Name the hash of one of a device's buckets."""
    return _DEVICE % serial + "bucket:" + key


def owner(serial: str) -> str:
    """Name the hash that says whose a device is."""
    return _DEVICE % serial + "owner"


def pin(serial: str) -> str:
    """Name the string that holds the hash of a pinned password."""
    return _DEVICE % serial + "pin"


def entry_key(serial: str) -> str:
    """Name the hash of a device's live entry key."""
    return _DEVICE % serial + "key"


def code(text: str) -> str:
    """Name the string that leads from an entry code to its device."""
    return _CODE + text


def mac(address: str) -> str:
    """Name the string that leads from a Wi-Fi MAC to a serial."""
    return _MAC + address


def claims(address: str) -> str:
    """Name the counter of the claims one client tried in this minute."""
    return _CLAIMS + address
