"""`twistd nled`: the options, and the service that they make."""

import gc
import os
from pathlib import Path
from typing import ClassVar

from twisted.application.service import IService
from twisted.python import usage

from nled import __version__
from nled.config import Config, ConfigError, load


class Options(usage.Options):
    """Command line of `twistd nled`; once parsed, `config` holds the settings."""

    synopsis = "[options]"
    longdesc = (
        "A server for Nest Learning Thermostats freed from their vendor's cloud. "
        "Without a file of settings it keeps its state in ./var and listens on ports 8000 and 8082."
    )
    default_file: ClassVar[str] = "/etc/nled/nled.yaml"
    optParameters: ClassVar[list[list[str | None]]] = [
        ["config", "c", None, f"Read the settings from this file. [default: {default_file}, if it exists]"],
    ]

    config: Config

    def opt_version(self) -> None:
        """Show the version of nled and exit."""
        print(f"nled {__version__}")  # noqa: T201 - this is what was asked for
        raise SystemExit(0)

    def postOptions(self) -> None:
        """Read the settings.

        Raises:
            SystemExit: they are refused. A `UsageError` would bury the sentences below the whole usage text.
        """
        try:
            self.config = load(self["config"] or self._existing_default(), os.environ)
        except ConfigError as error:
            raise SystemExit(str(error)) from None

    def _existing_default(self) -> str | None:
        """The default file unless there is none; one that may not be read is refused, not passed over."""
        try:
            Path(self.default_file).stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError:
            pass
        return self.default_file


def makeService(options: Options) -> IService:
    """The whole daemon, as twistd starts it."""
    # Not before: neither --help nor a refused setting should need a reactor and all that hangs on it.
    from twisted.internet import reactor  # noqa: PLC0415

    from nled.app import Daemon  # noqa: PLC0415
    from nled.clocks import steady  # noqa: PLC0415
    from nled.ext.twisted import run_timers_on  # noqa: PLC0415
    from nled.logs import pass_on  # noqa: PLC0415

    run_timers_on(reactor, steady)
    # Only then is twistd's own log there to be filtered.
    reactor.callWhenRunning(pass_on, options.config.log.level)
    reactor.callWhenRunning(_settle)
    return Daemon(reactor, options.config)


def _settle() -> None:
    """Make full collections of garbage rare: with 5,000 polls held, each stops all answers for 0.2 s.

    What requests and polls leave behind is free of cycles and goes without one (tests/web/test_site.py);
    the few cycles that werkzeug makes are young when they die, and short collections see to them.
    """
    gc.collect()
    # What was imported need not be looked through ever again.
    gc.freeze()
    _, middle, _ = gc.get_threshold()
    # With Python's own 700 the list of 1,000 thermostats is looked through a hundred times while it is made.
    gc.set_threshold(10_000, middle, 1000)
