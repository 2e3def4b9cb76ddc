"""Thermostats to give commands to, and a look at what comes of it."""

import os
from collections.abc import Mapping
from typing import Any

from hypothesis import settings
from twisted.trial.unittest import SynchronousTestCase

from nled.domain.buckets import ObjectKey
from nled.domain.commands import rule_of
from nled.domain.device import Bucket, Device, Moment
from nled.domain.errors import BadRequest

SERIAL = "02AA01AB01234567"
NOW = 1_795_000_000_000
SECONDS = NOW // 1000
MOMENT = Moment(NOW, 3600)
# The same in every run; NLED_FUZZ=20 takes twenty times as many, new ones each time.
_DEEPER = int(os.environ.get("NLED_FUZZ", "1"))
EXAMPLES = settings(max_examples=200 * _DEEPER, derandomize=_DEEPER == 1, database=None, deadline=None)
# That of PIN 0000 and SERIAL (protocol d.6).
HASH = "kFRc/skLylZUKACup2bPzjQDUII="
# What a device that has told all of itself has in its bucket.
TOLD = {"current_version": "5.9.4-5"}
TOUCHED = {"touched_by": 3, "touched_at": SECONDS, "touched_tzo": 3600, "touched_user_id": ""}


def thermostat(shared: Mapping[str, Any] | None = None, device: Mapping[str, Any] | None = None) -> Device:
    """A device with these buckets; None for one that is not there."""
    given = {"shared": shared, "device": device}
    buckets = [
        Bucket(ObjectKey(kind, SERIAL), 1, 1, values) for kind, values in given.items() if values is not None
    ]
    return Device(SERIAL, buckets={str(bucket.key): bucket for bucket in buckets})


class CommandTestCase(SynchronousTestCase):
    """For one command, which subclasses name."""

    command = ""

    def plan(
        self,
        value: object,
        shared: Mapping[str, Any] | None = None,
        device: Mapping[str, Any] | None = None,
    ) -> dict[str, dict[str, Any]]:
        """What is written, by kind of bucket, in the order of the changes."""
        changes = rule_of(self.command)(value, thermostat(shared, device), MOMENT)
        return {change.kind: dict(change.values) for change in changes}

    def refusal(
        self,
        value: object,
        shared: Mapping[str, Any] | None = None,
        device: Mapping[str, Any] | None = None,
    ) -> str:
        """The sentence of a refusal."""
        return str(self.assertRaises(BadRequest, self.plan, value, shared, device))
