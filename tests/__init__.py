"""All tests run on one kind of store, whatever else is on PATH: NLED_TEST_STORE, by default the bundled Valkey."""

import os
import tempfile
from pathlib import Path

from nled.store.binary import bundled

_folder = tempfile.TemporaryDirectory(prefix="nled-test-path-")


def _choose_store() -> None:
    """Put the store to test on PATH under the name that nled looks for first, for this process and its children."""
    store = os.environ.get("NLED_TEST_STORE") or next(bundled(), None)
    if store is not None:
        (Path(_folder.name) / "valkey-server").symlink_to(Path(store).absolute())
        os.environ["PATH"] = f"{_folder.name}{os.pathsep}{os.environ['PATH']}"


_choose_store()
