"""`nledctl doctor`: why it does not work, and what to do."""

import os
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import click
import msgspec

from nled.config import Config, ConfigError
from nled.ctl import machine, reach
from nled.ctl.client import Client
from nled.ctl.command import Session, command, exists, pass_session
from nled.ctl.errors import FAILED, Refused, Unreachable
from nled.ctl.finding import Finding, bad, doubtful, good
from nled.ctl.output import printable
from nled.ctl.settings import read
from nled.ctl.values import DURATION

# Where systemd has what nled keeps, which a shell is not told.
_UNDER_SYSTEMD = {"STATE_DIRECTORY": "/var/lib/nled", "RUNTIME_DIRECTORY": "/run/nled"}
_MARKS = {"ok": "ok", "warning": "look", "bad": "BAD"}


@command(
    "doctor",
    examples="""
    nledctl doctor
    nledctl doctor --hold 300
    nledctl doctor --json""",
)
@click.option("--config", "file", metavar="FILE", help="The file of settings, if not /etc/nled/nled.yaml.")
@click.option(
    "--hold",
    type=DURATION,
    help="Also hold a poll for so long (300 is usual) through the URL that thermostats are given, to see "
    "whether something in between cuts it off.",
)
@pass_session
def doctor(session: Session, file: str | None, hold: float | None) -> None:
    """Look for what keeps nled from working, and say how to mend it.

    Run it on the machine of the daemon and as its user; with --url it sees only what the network shows, and
    says what it does not see.
    The exit status is 1 if something is bad.
    """
    found = []
    for finding in _all(session, file, hold):
        found.append(finding)
        if not session.json:
            click.echo(f"{_MARKS[finding.level]:4}  {finding.check}: {printable(finding.seen)}")
            if finding.fix:
                click.echo(f"      -> {finding.fix}")
    session.show([msgspec.structs.asdict(each) for each in found], lambda: None)
    if any(finding.level == "bad" for finding in found):
        raise SystemExit(FAILED)


def _all(session: Session, file: str | None, hold: float | None) -> Iterator[Finding]:
    config = None
    if session.url is None:
        config, found = _settings(file)
        yield from found
    client = _client(session, config)
    if client is None:
        answers = [bad("daemon", "nled is not running here.", "systemctl start nled, then look again.")]
    else:
        answers = list(reach.daemon(client, config))
    yield from answers
    running = answers[0].level == "ok"
    if config is not None:
        # Who may not use its socket cannot know whether it runs: its ports must not look taken by a stranger.
        socket = config.control_socket
        unknown = socket is not None and exists(str(socket)) and not os.access(socket, os.W_OK)
        yield from _machine(config, file, running=running or unknown)
    if client is not None and running:
        yield from reach.troubles(client)
        yield from _network(client, config, hold)
        if client.url is not None:
            yield from reach.clock_of(client, time.time())
    if session.url is not None:
        yield reach.unseen()


def _settings(file: str | None) -> tuple[Config | None, list[Finding]]:
    try:
        config = read(file, {**_systemd(), **os.environ})
    except ConfigError as error:
        sentences = str(error).splitlines()
        return None, [bad("settings", each, "Correct it; nled does not start with it.") for each in sentences]
    fix = "Change the setting, unless that is meant."
    return config, [
        *(doubtful("settings", sentence, fix) for sentence in config.warnings),
        good("settings", "nled can start with its settings."),
    ]


def _client(session: Session, config: Config | None) -> Client | None:
    socket = config.control_socket if config is not None else None
    if session.url is None and session.socket is None and socket is not None and exists(str(socket)):
        return Client(socket=str(socket))
    try:
        return session.client
    except Unreachable:
        return None


def _machine(config: Config, file: str | None, *, running: bool) -> Iterator[Finding]:
    checks: list[tuple[str, Callable[[], Iterable[Finding]]]] = [
        ("permissions", lambda: machine.permissions(config, file)),
        ("disk", lambda: [machine.disk(config)]),
        ("clock", lambda: [machine.clock(time.time())]),
        ("store's files", lambda: machine.repairs(config)),
    ]
    if not running:
        checks += [("ports", lambda: machine.ports(config)), ("store", lambda: [machine.store(config)])]
    for name, check in checks:
        found = list(check())
        yield from found or [good(name, "as they should be.")]


def _network(client: Client, config: Config | None, hold: float | None) -> Iterator[Finding]:
    try:
        origin = client.get("/api/config")["api_origin"]
    except (Refused, Unreachable) as error:
        yield bad("advertised URL", error.message, "Use the unix socket, or a key that may read.")
        return
    leads = True
    for finding in reach.advertised(origin, config):
        leads = leads and finding.level != "bad"
        yield finding
    if hold is not None and leads:
        yield reach.held(origin, hold, client)


def _systemd() -> dict[str, str]:
    return {name: path for name, path in _UNDER_SYSTEMD.items() if Path(path).exists()}
