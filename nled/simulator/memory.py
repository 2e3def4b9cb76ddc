"""What one device knows of its buckets, and which news it takes (protocol b.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import define, field, frozen

from nled.simulator.facts import DEVICE_ONLY, OWN_TYPES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nled.simulator.rules import Complain, Sent


@define
class Bucket:
    """One bucket as the device has it.

    Attributes:
        cleared: the timestamp of the last ``target_change_pending:true`` that was taken back.
    """

    revision: int = 0
    timestamp: int = 0
    value: dict[str, Any] = field(factory=dict)
    cleared: int = 0


@frozen
class Memory:
    """The buckets of one device, by key; ``complain`` hears what the server should not have sent."""

    serial: str
    complain: Complain
    buckets: dict[str, Bucket] = field(factory=dict)

    def key(self, name: str) -> str:
        """The key of an own bucket: ``shared`` is ``shared.SERIAL``; a whole key stays."""
        return name if "." in name else f"{name}.{self.serial}"

    def listing(self) -> list[dict[str, Any]]:
        """The ``objects`` of a subscribe."""
        return [
            {"object_key": key, "object_revision": bucket.revision, "object_timestamp": bucket.timestamp}
            for key, bucket in self.buckets.items()
        ]

    def change(self, puts: Mapping[str, Mapping[str, Any]], *, compare: bool) -> dict[str, Any]:
        """Change own fields, by bucket key; returns the body of the PUT (protocol a.9.1)."""
        body: dict[str, Any] = {} if compare else {"objects": []}
        for key, fields in puts.items():
            bucket = self.buckets[key]
            bucket.value.update(fields)
            if compare:
                body[key] = {"object_key": key, "if_object_revision": bucket.revision, **fields}
            else:
                base = {"object_key": key, "base_object_revision": bucket.revision}
                body["objects"].append({**base, "value": fields})
        return body

    def take(self, sent: Sent) -> bool:
        """Apply a pushed object if it is newer; returns whether it was."""
        kind, _, owner = sent.key.partition(".")
        value = sent.value or {}
        if kind in OWN_TYPES and owner != self.serial:
            self.complain(f"{sent.key} belongs to another device")
            return False
        if forbidden := DEVICE_ONLY.get(kind, frozenset()) & value.keys():
            self.complain(f"{sent.key}: only the device writes {', '.join(sorted(forbidden))}")
        bucket = self.buckets.setdefault(sent.key, Bucket())
        if value.get("target_change_pending") is True and sent.timestamp <= bucket.cleared:
            self.complain(f"{sent.key}: target_change_pending is sent again after the device cleared it")
        if sent.timestamp <= bucket.timestamp:
            return False
        if kind == "schedule":
            bucket.value.clear()
        bucket.value.update(value)
        bucket.revision, bucket.timestamp = sent.revision, sent.timestamp
        return True

    def adopt(self, receipt: Sent, before: int, *, compared: bool) -> None:
        """Take the revision and timestamp of a receipt.

        Args:
            receipt: as the server sent it.
            before: the timestamp the device had when it sent the PUT.
            compared: whether the PUT was conditional.
        """
        bucket = self.buckets[receipt.key]
        if receipt.timestamp < before:
            self.complain(
                f"{receipt.key}: the receipt goes back from timestamp {before} to {receipt.timestamp}"
            )
        elif compared:
            # Revision + 1 stands in the receipt both when this write was taken and when somebody
            # else's stands there instead. Only the old timestamp brings the latter with a poll.
            bucket.revision = max(bucket.revision, receipt.revision)
        elif receipt.timestamp > bucket.timestamp:
            bucket.revision, bucket.timestamp = receipt.revision, receipt.timestamp
