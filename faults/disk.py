"""A small disk of one's own, to be filled."""

import subprocess
from pathlib import Path


def mount(folder: Path, size: int) -> bool:
    """Put a disk of so many bytes there; tells whether this process may."""
    options = f"size={size},mode=700"
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    try:
        return not subprocess.run(command, capture_output=True, check=False).returncode
    except FileNotFoundError:
        return False


def unmount(folder: Path) -> None:
    """Take it away, whoever still uses it."""
    subprocess.run(["umount", "-l", str(folder)], check=True)
