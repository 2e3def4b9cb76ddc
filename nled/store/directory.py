"""The directory of the private store: ours alone, used by one server at a time, never by an older one."""

import fcntl
import os
import pwd
from pathlib import Path
from typing import Final

from nled.store.errors import StartError
from nled.store.version import Version

_LOCK: Final = "lock"
_VERSION: Final = "server-version"


def prepare(directory: Path) -> None:
    """Make the directory, readable by nobody else.

    Raises:
        StartError: It cannot be made, is another user's or cannot be written.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        owner = directory.stat().st_uid
        # As root one could use it all the same, and leave files that its owner cannot use later.
        if owner != os.geteuid():
            raise StartError(
                f"The state directory {directory} belongs to {_user(owner)}, but nled runs as "
                f"{_user(os.geteuid())}; start nled as its owner or give it another directory."
            )
        directory.chmod(0o700)
    except OSError as error:
        raise StartError(
            f"The state directory {directory} cannot be made or used: {error.strerror}; "
            "create it for the user that runs nled."
        ) from error
    if not os.access(directory, os.W_OK | os.X_OK):
        raise StartError(f"The state directory {directory} cannot be written; make it writable.")


def try_lock(directory: Path) -> int | None:
    """Lock the directory; None if somebody else has it locked.

    The lock lasts until the last process that has the descriptor open has closed it or ended.
    """
    descriptor = os.open(directory / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def check_version(directory: Path, version: Version) -> None:
    """Refuse a server that cannot read what the last one wrote there.

    Raises:
        StartError: With the two versions.
    """
    record = directory / _VERSION
    written = Version.parse(record.read_text(errors="replace")) if record.exists() else None
    if written is not None and not version.can_read(written):
        raise StartError(
            f"The state directory {directory} was written by {written}, which {version} cannot read; "
            f"install {written} or newer, or start with an empty directory."
        )


def record_version(directory: Path, version: Version) -> None:
    """Note which server writes there from now on."""
    record = directory / _VERSION
    # A full disk must not end a server for a note that is there already.
    note = f"{version}\n".encode()
    if record.exists() and record.read_bytes() == note:
        return
    # In one step: a half-written record after a power cut would look like none.
    fresh = record.with_suffix(".new")
    with fresh.open("wb") as file:
        file.write(note)
        file.flush()
        os.fsync(file.fileno())
    fresh.rename(record)


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"
