"""What nled has acknowledged: the only witness that is believed."""

from collections.abc import Iterator, Mapping
from typing import Any

from attrs import define, field

_NOTHING = object()


@define
class _Field:
    """What a field may be: what was acknowledged last, or a value sent since whose fate is unknown."""

    by_device: bool
    acknowledged: Any = _NOTHING
    unknown: list[Any] = field(factory=list)

    def may_be(self, value: Any) -> bool:
        return value == self.acknowledged or value in self.unknown or self.acknowledged is _NOTHING


@define(eq=False)
class Write:
    """Values on their way into fields; their fate is unknown until somebody says it."""

    _ledger: "Ledger"
    _values: list[tuple[_Field, Any]]

    def acknowledged(self) -> None:
        """The answer was 200: from now on this is what has to be there."""
        for known, value in self._values:
            known.acknowledged, known.unknown = value, []
        self._ledger.acknowledged += 1

    def refused(self) -> None:
        """The answer says that nothing was done, as a 4xx does."""
        for known, value in self._values:
            known.unknown.remove(value)


@define(eq=False)
class Ledger:
    """Everything that was acknowledged, by thermostat, bucket and field.

    One field has one writer, who sends one value after the other.

    Attributes:
        acknowledged: how many requests were.
        lost: one sentence for each thing that was acknowledged and is not there.
        events: (bucket, revision) of commands that the event stream has yet to tell.
        owners: who claimed which thermostat; None after a factory reset.
    """

    acknowledged: int = 0
    lost: list[str] = field(factory=list)
    events: set[tuple[str, int]] = field(factory=set)
    owners: dict[str, str | None] = field(factory=dict)
    _fields: dict[str, dict[tuple[str, str], _Field]] = field(factory=dict)

    def write(self, serial: str, key: str, values: Mapping[str, Any], *, by_device: bool = False) -> Write:
        """Note that values are about to be sent."""
        fields = self._fields.setdefault(serial, {})
        write = [(fields.setdefault((key, name), _Field(by_device)), value) for name, value in values.items()]
        for known, value in write:
            known.unknown.append(value)
        return Write(self, write)

    def claimed(self, serial: str, user: str) -> None:
        """A thermostat was claimed; what was to be told of it before is nobody's business any more."""
        self.owners[serial] = user
        self.acknowledged += 1
        self._forget_events(serial)

    def forget(self, serial: str) -> None:
        """A thermostat is gone, or begins anew."""
        self._fields.pop(serial, None)
        self.owners.pop(serial, None)
        self._forget_events(serial)

    def differences(
        self, serial: str, read: Mapping[str, Mapping[str, Any]], *, on_device: bool = False
    ) -> Iterator[str]:
        """Compare with the buckets as somebody has them; one sentence for each field that is wrong.

        A device's own fields are what it says in any case.
        """
        for (key, name), known in self._fields.get(serial, {}).items():
            if on_device and known.by_device:
                continue
            found = read.get(key, {}).get(name)
            if not known.may_be(found):
                since = f" or {known.unknown}" if known.unknown else ""
                yield f"{key} {name} is {found!r}, acknowledged was {known.acknowledged!r}{since}"

    def settle(self, serial: str, read: Mapping[str, Mapping[str, Any]]) -> None:
        """Nothing is on its way: what is there is what counts from now on."""
        for (key, name), known in self._fields.get(serial, {}).items():
            if name in read.get(key, {}):
                known.acknowledged, known.unknown = read[key][name], []

    def _forget_events(self, serial: str) -> None:
        self.events = {each for each in self.events if not each[0].endswith(f".{serial}")}
