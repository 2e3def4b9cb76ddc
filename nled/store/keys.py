"""Every Redis key of nled, in one place; docs/store.md has the same table for people.

`{...}` is a hash tag: all keys of one device live in one slot. The Lua scripts get these names
from `LUA`, so that no name is spelled twice.

=========================== ====== ================================= ================================
key                         type   holds                             lives
=========================== ====== ================================= ================================
nled:schema                 string version of all this (schema.py)   for ever
nled:devices                zset   serial by last contact (ms)       object_ttl
nled:arrivals               zset   serials that only asked for a     a day after the last contact
                                   code or said their entry, by
                                   last contact (ms)
nled:places                 hash   grade, first day, weight, told,   as the device or arrival
                                   address, by serial
nled:addresses:POOL         zset   addresses by how many they have   as those
nled:addresses:POOL:ADDRESS zset   serials of an address             as those
nled:weights                zset   addresses by the blocks of those  as those
                                   that are new
nled:polls                  zset   serials on their first day by     400 s, or until the second day
                                   last subscribe (ms)
nled:strangers              hash   devices, blocks of all that are   for ever
                                   not kept; at, why, from: the
                                   last that had to give way
nled:{SERIAL}:facts         hash   first, entry, bytes, model, ...   object_ttl after last contact
nled:{SERIAL}:buckets       set    the device's bucket keys          object_ttl after last contact
nled:{SERIAL}:bucket:KEY    hash   a bucket; of a home's bucket only object_ttl after last contact
                                   how far this device has come
nled:{SERIAL}:owner         hash   user, structure, at, code, open   until given up
nled:{SERIAL}:history       stream what changed when: JSON texts     history.days after the last
                                   by series                         point, and history.points
nled:{SERIAL}:latest        hash   the last point of each series     as history
nled:{SERIAL}:key           hash   code, expires                     entry_key_ttl, sliding
nled:{SERIAL}:pin           string SHA-256 of the pinned password    object_ttl, renewed by use
nled:{SERIAL}:secret        string the password it came with last    object_ttl after last contact
nled:{SERIAL}:previous      string the URL it looked for its server  until it is restored
                                   at before it was pointed to us
nled:lan                    hash   the same by address, of units     until they are restored
                                   whose serial was not known
nled:code:CODE              string serial of a live entry key        as the entry key
nled:mac:MAC                string serial that came with this MAC    object_ttl, refreshed by entries
nled:home:{USER}:bucket:KEY hash   the home's user and structure     for ever
nled:{SERIAL}:shares        hash   what others may do, by user       until ended, or nobody owns it
nled:{SERIAL}:invites       set    ids of invites to the device      as the shares
nled:home:{USER}:devices    set    serials of the home               for ever
nled:home:{USER}:shared     set    serials others share with USER    as the shares
nled:people                 hash   "created email" by user           until deleted
nled:invite:ID              hash   an invite: hash, serial, ...      7 days after its end
nled:api-keys               set    ids of API keys                   for ever
nled:api-key:ID             hash   an API key: hash, name, ...       until it is revoked
nled:failures:ADDRESS       string keys that were none, this minute  until it ends
nled:owned                  zset   serial by when it was claimed     for ever
nled:claims:ADDRESS         string claims tried in this minute       60 s
nled:online                 zset   serial by last contact (ms)       until found silent
nled:clock:HOST             string since when its clocks agree       a day
nled:events                 stream the last notices: n, f            the newest 10 000 or so
nled:probe                  -      nothing, see PROBE                never there
=========================== ====== ================================= ================================

A bucket's hash has these fields: `r` revision, `t` timestamp, `w` timestamp of the newest server
write, `v:NAME` a value as JSON text, `s:NAME` the server's write of it as
`revision timestamp written-at kind` (s setting, m momentary, c companion); and for one device: `c` the
timestamp it last claimed, `a` acknowledged up to, `p` pushed up to, `pa` pushed at, `n` answers that the
same thing was written to, counted up to `o`; `u` taken up to where the device does not list the bucket;
`q` and `qa` up to what and when a schedule was read; `x` what went stale before it was taken.
"""

from nled.domain.hosts import host_of

SCHEMA = "nled:schema"
DEVICES = "nled:devices"
# Never there: a write to it tells whether the server takes writes.
PROBE = "nled:probe"
OWNED = "nled:owned"
ONLINE = "nled:online"
EVENTS = "nled:events"
# About a day of one home; some 2 MB.
MOST_EVENTS = 10_000
ARRIVALS = "nled:arrivals"
PLACES = "nled:places"
POLLS = "nled:polls"
STRANGERS = "nled:strangers"
_ADDRESSES = "nled:addresses:"
_WEIGHTS = "nled:weights"
_DEVICE = "nled:{%s}:"
_HOME = "nled:home:{%s}:"
_CODE = "nled:code:"
_MAC = "nled:mac:"
_CLAIMS = "nled:claims:"
LAN = "nled:lan"
PEOPLE = "nled:people"
API_KEYS = "nled:api-keys"
_API_KEY = "nled:api-key:"
_INVITE = "nled:invite:"
_FAILURES = "nled:failures:"
_CLOCK = "nled:clock:"

LUA = f"""
local DEVICES, ONLINE = '{DEVICES}', '{ONLINE}'
local EVENTS, MOST_EVENTS = '{EVENTS}', {MOST_EVENTS}
local ARRIVALS, PLACES, POLLS = '{ARRIVALS}', '{PLACES}', '{POLLS}'
local STRANGERS, WEIGHTS = '{STRANGERS}', '{_WEIGHTS}'
local function addresses_key(pool) return '{_ADDRESSES}' .. pool end
local function address_key(pool, host) return '{_ADDRESSES}' .. pool .. ':' .. host end
local OWNED, LAN, PROBE = '{OWNED}', '{LAN}', '{PROBE}'
local function device_key(serial, what) return string.format('{_DEVICE}', serial) .. what end
local function home_key(user, what) return string.format('{_HOME}', user) .. what end
local function code_key(code) return '{_CODE}' .. code end
local function mac_key(mac) return '{_MAC}' .. mac end
local PEOPLE, API_KEYS = '{PEOPLE}', '{API_KEYS}'
local function api_key(id) return '{_API_KEY}' .. id end
local function invite_key(id) return '{_INVITE}' .. id end
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


def history(serial: str) -> str:
    """Name the stream of what changed when."""
    return _DEVICE % serial + "history"


def pin(serial: str) -> str:
    """Name the string that holds the hash of a pinned password."""
    return _DEVICE % serial + "pin"


def secret(serial: str) -> str:
    """Name the string that holds the password a device came with last."""
    return _DEVICE % serial + "secret"


def previous(serial: str) -> str:
    """Name the string that says where a device looked for its server before it was pointed here."""
    return _DEVICE % serial + "previous"


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
    return _CLAIMS + host_of(address)


def shares(serial: str) -> str:
    """Name the hash that says what others than its owner may do with a device."""
    return _DEVICE % serial + "shares"


def home_bucket(user: str, key: str) -> str:
    """Name the hash of one of a home's buckets."""
    return _HOME % user + "bucket:" + key


def home_devices(user: str) -> str:
    """Name the set of the devices somebody owns."""
    return _HOME % user + "devices"


def home_shared(user: str) -> str:
    """Name the set of the devices that others share with somebody."""
    return _HOME % user + "shared"


def api_key(identifier: str) -> str:
    """Name the hash of an API key."""
    return _API_KEY + identifier


def clock(host: str) -> str:
    """Name the string that says since when the clocks of a host agree."""
    return _CLOCK + host


def failures(address: str) -> str:
    """Name the counter of the wrong API keys one client came with in this minute."""
    return _FAILURES + host_of(address)


def invites(serial: str) -> str:
    """Name the set of the ids of the invites to a device."""
    return _DEVICE % serial + "invites"


def invite(identifier: str) -> str:
    """Name the hash of an invite."""
    return _INVITE + identifier
