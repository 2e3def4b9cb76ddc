"""The JSON a thermostat reads.

It scans text instead of building a tree, so the order of the keys is part of the protocol: revision
and timestamp, then the key, the value last (protocol a.7.4).
"""

from collections.abc import Iterable, Mapping

from attrs import field, frozen

from nled.domain.buckets import encode


@frozen
class Receipt:
    """Where a bucket stands after a write: revision, timestamp in ms, key; never a value (protocol a.9.2)."""

    revision: int
    timestamp: int
    key: str

    def __str__(self) -> str:
        return (
            f'"object_revision":{self.revision},"object_timestamp":{self.timestamp},'
            f'"object_key":{encode(self.key)}'
        )


@frozen
class Update:
    """What a device has yet to learn of a bucket: the fields the server wrote, as JSON text.

    `written` says when the server wrote each (ms); unlike the timestamp, that changes only with a new write.
    """

    receipt: Receipt
    values: Mapping[str, str]
    written: Mapping[str, int] = field(factory=dict)

    def __str__(self) -> str:
        fields = ",".join(f"{encode(name)}:{text}" for name, text in self.values.items())
        return f'{self.receipt},"value":{{{fields}}}'


def document(objects: Iterable[Receipt | Update]) -> bytes:
    """Write one complete document, `{"objects":[...]}`; the device parses each chunk on its own."""
    return b'{"objects":[%s]}' % ",".join(f"{{{each}}}" for each in objects).encode("ascii")
