"""What of the log is passed on: twistd has begun to log before there are settings, and knows no levels."""

from twisted.logger import (
    FilteringLogObserver,
    LogLevel,
    LogLevelFilterPredicate,
    globalLogPublisher,
)

# Tell of each connection that one was made; the lines that matter would drown.
_CHATTY = ("twisted.internet.endpoints", "twisted.web.client")


def pass_on(level: str) -> None:
    """Drop events below `level` (debug, info, warn, error) from here on, whoever observes them."""
    wanted = LogLevelFilterPredicate(LogLevel.levelWithName(level))
    for namespace in _CHATTY:
        wanted.setLogLevelForNamespace(namespace, LogLevel.warn)
    # No public way leads to the observer that twistd has set.
    for observer in tuple(globalLogPublisher._observers):  # noqa: SLF001
        globalLogPublisher.removeObserver(observer)
        globalLogPublisher.addObserver(FilteringLogObserver(observer, [wanted]))
