"""What of the log is passed on: twistd has begun to log before there are settings, and knows no levels."""

from typing import Any, cast

from twisted.logger import (
    FileLogObserver,
    FilteringLogObserver,
    ILogFilterPredicate,
    LogEvent,
    LogLevel,
    LogLevelFilterPredicate,
    PredicateResult,
    formatEventAsClassicLogText,
    formatTime,
    globalLogPublisher,
)

from nled.ext.twisted import log_observers

# Tell of each connection that it is made, or tried again; the lines that matter would drown.
_CHATTY = ("twisted.application._client_service", "twisted.internet.endpoints", "twisted.web.client")
# Say thousands of times a second that no file can be opened, with tracebacks; nled.descriptors says it once.
_TOLD_BETTER = tuple(
    f"twisted.internet.{each}" for each in ("tcp.Port", "tcp._FileDescriptorReservation", "unix.Port")
)


def pass_on(level: str) -> None:
    """Drop events below `level` (debug, info, warn, error) from here on, whoever observes them."""
    wanted = LogLevelFilterPredicate(LogLevel.levelWithName(level))
    for namespace in _CHATTY:
        wanted.setLogLevelForNamespace(namespace, LogLevel.warn)
    for observer in log_observers():
        if isinstance(observer, FileLogObserver):
            observer.formatEvent = Lines().line
        globalLogPublisher.removeObserver(observer)
        globalLogPublisher.addObserver(
            FilteringLogObserver(observer, [cast("ILogFilterPredicate", _told_better), wanted])
        )


def _told_better(event: LogEvent) -> Any:
    return (
        PredicateResult.no
        if str(event.get("log_namespace")).startswith(_TOLD_BETTER)
        else PredicateResult.maybe
    )


class Lines:
    """Writes events as Twisted's text log does, in a quarter of the time: each command is one."""

    def __init__(self) -> None:
        self._second = 0
        self._stamp = ""

    def line(self, event: dict[str, Any]) -> str | None:
        """Write one event; None for one without a text."""
        second = int(event["log_time"])
        if second != self._second:
            self._second, self._stamp = second, formatTime(second)
        try:
            text = event["log_format"].format_map(event)
            if text and "log_failure" not in event and "log_system" not in event:
                text = text.replace("\n", "\n\t")
                return f"{self._stamp} [{event['log_namespace']}#{event['log_level'].name}] {text}\n"
        except Exception:  # noqa: BLE001, S110 - a rare or wrong format; Twisted's own way never fails
            pass
        return formatEventAsClassicLogText(event)
