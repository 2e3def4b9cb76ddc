"""Logs that devices upload: kept only if asked for, and never more than there is room for (protocol g.3)."""

import errno
import secrets
import shutil
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from attrs import frozen
from twisted.internet.threads import deferToThread
from twisted.logger import Logger

from nled.domain.errors import TooLarge

_GZIP = b"\x1f\x8b"
_BLOCK = 4096
_log = Logger()


@frozen
class Uploads:
    """Keeps uploaded logs, one file each, in a folder per device.

    Attributes:
        folder: where they are kept, or None to drop them.
        most_unpacked, device_quota, total_quota: bytes. Full quotas make room by their oldest files.
        least_free: bytes that are left free on the disk; a log that would need them is dropped.
    """

    folder: Path | None
    most_unpacked: int
    device_quota: int
    total_quota: int
    least_free: int = 0

    async def keep(self, serial: str, body: bytes, now: int) -> None:
        """Unpack and store one upload of a device, at `now` ms; or drop it if none are stored.

        Raises:
            TooLarge: it unpacks to more than it may.
        """
        if self.folder is None:
            return
        try:
            # A slow disk must not hold up the polls.
            await deferToThread(self._keep, self.folder, serial, body, now)
        except OSError as error:
            # No concern of the device, which would only send it again.
            _log.warn("{serial}: its log was not kept: {why}", serial=serial, why=error)

    async def forget(self, serial: str) -> None:
        """Delete what a device has uploaded."""
        if self.folder is not None:
            await deferToThread(shutil.rmtree, self.folder / serial, ignore_errors=True)

    def _keep(self, folder: Path, serial: str, body: bytes, now: int) -> None:
        text = self._unpack(body)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if shutil.disk_usage(folder).free < self.least_free + len(text):
            raise OSError(errno.ENOSPC, "the disk is nearly full (redis.least_free_mb)")
        mine = folder / serial
        mine.mkdir(mode=0o700, exist_ok=True)
        _make_room(mine.glob("*.log"), self.device_quota - len(text) - _BLOCK)
        _make_room(folder.glob("*/*.log"), self.total_quota - len(text) - _BLOCK)
        at = datetime.fromtimestamp(now / 1000, UTC).strftime("%Y%m%dT%H%M%SZ")
        (mine / f"{at}-{secrets.token_hex(4)}.log").write_bytes(text)
        _log.info("{serial}: uploaded a log of {size} bytes.", serial=serial, size=len(text))

    def _unpack(self, body: bytes) -> bytes:
        if not body.startswith(_GZIP):
            return body
        unpacker = zlib.decompressobj(wbits=31)
        try:
            text = unpacker.decompress(body, self.most_unpacked)
        except zlib.error:
            # Half a log tells something too; what cannot be unpacked is kept as it came.
            return body
        if unpacker.unconsumed_tail:
            raise TooLarge(f"The log may unpack to at most {self.most_unpacked} bytes.")
        return text


def _make_room(files: Iterator[Path], room: int) -> None:
    # Even an empty file counts for a block: it takes a place in its folder.
    by_age = sorted((file.stat().st_mtime, file.stat().st_size + _BLOCK, file) for file in files)
    used = sum(size for _, size, _ in by_age)
    for _, size, file in by_age:
        if used <= room:
            return
        file.unlink(missing_ok=True)
        used -= size
