"""`nledctl import-nolongerevil`: carry an installation of NoLongerEvil-SelfHosted over (protocol i)."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import click
import msgspec

from nled.ctl.archive import send, told
from nled.ctl.command import Session, command, pass_session
from nled.ctl.errors import Failure
from nled.ctl.output import printable

if TYPE_CHECKING:
    import sqlite3

    from nled.domain.nolongerevil import Conversion


@command("import-nolongerevil", examples="nledctl import-nolongerevil --dry-run /data/database.sqlite")
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@click.option("--dry-run", is_flag=True, help="Only say what would be taken, and what not and why.")
@click.option(
    "--merge", is_flag=True, help="Add what is missing to devices and people that are there already."
)
@pass_session
def import_nolongerevil(session: Session, file: str, *, dry_run: bool, merge: bool) -> None:
    """Take devices, owners, people and shares over from the SQLite FILE of NoLongerEvil-SelfHosted.

    No thermostat has to be paired again. FILE is only read; stop the other server first, so that all of
    it is there. What is left out is said on standard error.
    """
    # The records and SQLite are for few commands only.
    from nled.domain.nolongerevil import convert  # noqa: PLC0415

    done = convert(_tables(file), int(time.time() * 1000))
    counts = _counts(done)
    answer: dict[str, Any] = {"file": file, **counts, "left_out": done.left_out}
    if dry_run:
        session.show(answer, lambda: _report(done, f"Would import {_words(counts)}."))
        return
    lines = [msgspec.json.encode(record) for record in done.records]
    imported, kept = send(session.client, lines, merge=merge)
    answer |= {"imported": imported, "kept": kept}
    session.show(answer, lambda: _report(done, f"{told(imported, kept)} These are {_words(counts)}."))


def _tables(path: str) -> Mapping[str, Sequence[Mapping[str, Any]]]:
    """Read the tables that are known; raises Failure."""
    import sqlite3  # noqa: PLC0415 - as above
    from contextlib import closing  # noqa: PLC0415

    from nled.domain.nolongerevil import COLUMNS, NOT_TAKEN  # noqa: PLC0415

    try:
        with closing(sqlite3.connect(_uri(path), uri=True)) as database:
            database.text_factory = lambda text: text.decode("utf-8", "replace")
            database.row_factory = sqlite3.Row
            there = _names(database, "SELECT name FROM sqlite_master WHERE type = 'table'")
            if "states" not in there:
                raise Failure(f"{path} is no database of NoLongerEvil-SelfHosted: it has no table `states`.")
            tables: dict[str, list[Mapping[str, Any]]] = {}
            for table in (*COLUMNS, *NOT_TAKEN):
                if table in there:
                    tables[table] = _rows(database, table, COLUMNS.get(table, ()))
    except sqlite3.Error as error:
        # The lower byte is the kind of error.
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN):
            raise Failure(
                f"{path} was not closed: start the other server and stop it once more. Or copy it, with its "
                "-journal or -wal, to where you may write; `sqlite3 COPY .schema` closes the copy."
            ) from None
        raise Failure(f"Cannot read {path} as an SQLite database: {error}.") from None
    except OSError as error:
        raise Failure(f"Cannot read {path}: {error.strerror}.") from None
    return tables


def _uri(path: str) -> str:
    """Name a database to SQLite, to be read only.

    One that goes with a write-ahead log is taken as it is where there is none: nobody has it open then, and
    SQLite would leave an empty log beside it, which the other server may not be able to write to.
    """
    with Path(path).open("rb") as file:
        logs = file.read(19)[18:] == b"\2"
    alone = logs and not Path(f"{Path(path).resolve()}-wal").exists()
    return f"file:{quote(path)}?mode=ro{'&immutable=1' if alone else ''}"


def _names(database: "sqlite3.Connection", query: str) -> set[str]:
    return {row["name"] for row in database.execute(query)}


def _rows(database: "sqlite3.Connection", table: str, columns: Sequence[str]) -> list[Mapping[str, Any]]:
    # The names are ours, from COLUMNS; a column that an older version did not have is read as null.
    there = _names(database, f"PRAGMA table_info({table})")
    wanted = ", ".join(name if name in there else f"NULL AS {name}" for name in columns) or "1"
    return [dict(row) for row in database.execute(f"SELECT {wanted} FROM {table}")]  # noqa: S608


def _counts(done: "Conversion") -> dict[str, int]:
    from nled.domain.archive.records import DeviceRecord, PersonRecord  # noqa: PLC0415 - as above

    kinds = Counter(type(record) for record in done.records)
    devices = [record for record in done.records if isinstance(record, DeviceRecord)]
    return {
        "devices": kinds[DeviceRecord],
        "owned": sum(record.owner is not None for record in devices),
        "people": kinds[PersonRecord],
        "shares": sum(len(record.shares) for record in devices),
        "buckets": sum(len(record.buckets) for record in devices),
    }


def _words(counts: Mapping[str, int]) -> str:
    return (
        f"{counts['devices']} devices ({counts['owned']} owned) with {counts['buckets']} buckets, "
        f"{counts['people']} people and {counts['shares']} shares"
    )


def _report(done: "Conversion", sentence: str) -> None:
    for each in done.left_out:
        click.echo(f"left out: {printable(each)}", err=True)
    click.echo(sentence)
