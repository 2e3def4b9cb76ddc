"""File, environment and defaults, put together."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from nled.config import checks, environment
from nled.config.schema import Config
from nled.config.values import SECTIONS, Entry, typed


class ConfigError(Exception):
    """Settings that nled does not start with; its text has one sentence per line, one for each problem."""


def load(path: str | None, environ: Mapping[str, str]) -> Config:
    """Read the settings: the environment over the file over the defaults.

    Args:
        path: the YAML file, which must exist; None for none.
        environ: as `os.environ`.

    Raises:
        ConfigError: with everything that is wrong, not only the first of it. A password is never part of it.
    """
    problems: list[str] = []
    written = [
        *environment.fallbacks(environ),
        *(_from_file(path, problems) if path is not None else ()),
        *environment.overrides(environ),
    ]
    values: dict[str, dict[str, Any]] = defaultdict(dict)
    for entry, value in _effective(written, problems):
        section, _, name = entry.path.rpartition(".")
        values[section][name] = value
    fields = values.pop("", {})
    for section, given in values.items():
        fields[section] = SECTIONS[section](**given)
    config = Config(**fields)
    # A value that was refused has left its default behind, and that contradicts nobody.
    if problems or (problems := list(checks.contradictions(config))):
        raise ConfigError("\n".join(problems))
    return replace(config, warnings=(*environment.warnings(environ), *checks.warnings(config)))


def _from_file(path: str, problems: list[str]) -> list[Entry]:
    # Only here: without a file there is no need of a YAML parser, nor of the memory that it takes.
    from nled.config import document  # noqa: PLC0415

    return document.read(path, problems)


def _effective(written: list[Entry], problems: list[str]) -> list[tuple[Entry, Any]]:
    """The last of each setting with its final value; overridden ones must be possible as well."""
    last: dict[str, tuple[Entry, Any]] = {}
    for entry in written:
        try:
            last[entry.path] = entry, typed(entry)
        except ValueError as error:
            problems.append(str(error))
    refined = []
    for entry, value in last.values():
        try:
            # Only a value that counts: a certificate directory that is overridden need not be there.
            refine = checks.REFINE.get(entry.path)
            refined.append((entry, refine(value) if refine and value is not None else value))
        except ValueError as error:
            problems.append(f"{entry.place} {error}")
    return refined
