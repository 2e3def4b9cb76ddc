"""What `nledctl doctor` finds."""

from typing import Literal

import msgspec


class Finding(msgspec.Struct, frozen=True):
    """One thing that was looked at, what was seen, and what to do about it ("" where nothing)."""

    check: str
    level: Literal["ok", "warning", "bad"]
    seen: str
    fix: str = ""


def good(check: str, seen: str) -> Finding:
    """Say that something is as it should be."""
    return Finding(check, "ok", seen)


def doubtful(check: str, seen: str, fix: str) -> Finding:
    """Say that something works, but should be looked at."""
    return Finding(check, "warning", seen, fix)


def bad(check: str, seen: str, fix: str) -> Finding:
    """Say that something does not work."""
    return Finding(check, "bad", seen, fix)
