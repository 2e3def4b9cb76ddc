"""`nledctl export` and `import`: everything nled keeps in one file, and back."""

import os
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import click
import msgspec

from nled.ctl.client import PATIENCE, Client
from nled.ctl.command import Session, command, pass_session
from nled.ctl.errors import Failure

_PATH = "/api/import"
# A good deal less than the API takes at once.
_BATCH_BYTES = 1024 * 1024
_BATCH_RECORDS = 200


@command("export", examples="nledctl export nled-backup.jsonl")
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True))
@pass_session
def export(session: Session, file: str) -> None:
    """Write everything nled keeps to FILE (- for standard output): devices, people, keys, history.

    FILE holds secrets: the thermostats' passwords, and the hashes of API keys and locks. Only you can
    read it (mode 0600); keep it so.
    """
    from nled.domain.archive.file import VERSION, Header, Seal  # noqa: PLC0415 - few commands need the records

    seal = Seal()
    # Before anything is written: it may be refused.
    page = session.client.get("/api/export")
    with _written(file) as out:
        header = Header("export", VERSION, int(time.time() * 1000))
        out.write(msgspec.json.encode(header) + b"\n")
        while True:
            for record in page["records"]:
                line = msgspec.json.encode(record)
                seal.add(line)
                out.write(line + b"\n")
            if page["next"] is None:
                break
            page = session.client.get("/api/export", after=page["next"])
        trailer = seal.trailer()
        out.write(msgspec.json.encode(trailer) + b"\n")
    if file != "-":
        answer = {"file": file, "records": trailer.records}
        session.show(answer, lambda: click.echo(f"{trailer.records} records are in {file}."))


@command("import", examples="nledctl import nled-backup.jsonl")
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@click.option(
    "--merge", is_flag=True, help="Add what is missing to devices and people that are there already."
)
@pass_session
def import_(session: Session, file: str, *, merge: bool) -> None:
    """Bring back what `export` wrote to FILE.

    All of the file is checked before anything is imported. What is there already stays as it is, so an
    import that broke off can be done again, with --merge.
    """
    count = sum(1 for _ in _records(file))
    imported, kept = send(session.client, _records(file), merge=merge)
    answer = {"file": file, "records": count, "imported": imported, "kept": kept}
    session.show(answer, lambda: click.echo(told(imported, kept)))


def send(client: Client, lines: Iterable[bytes], *, merge: bool) -> tuple[int, int]:
    """Import the lines of checked records; returns how many brought something, and how many did not."""
    imported = kept = 0
    for batch in _batches(lines):
        body = {"records": [msgspec.Raw(line) for line in batch], "merge": merge}
        answer = client.send("POST", _PATH, body=body, patience=4 * PATIENCE)
        imported, kept = imported + answer["imported"], kept + answer["kept"]
        # After the first batch there are devices, which this brought.
        merge = True
    return imported, kept


def told(imported: int, kept: int) -> str:
    """Say what an import did."""
    there = f"; {kept} were there already and stay as they were" if kept else ""
    return f"Imported {imported} records{there}."


def _batches(lines: Iterable[bytes]) -> Iterator[list[bytes]]:
    batch: list[bytes] = []
    size = 0
    for line in lines:
        if batch and (size + len(line) > _BATCH_BYTES or len(batch) == _BATCH_RECORDS):
            yield batch
            batch, size = [], 0
        batch.append(line)
        size += len(line)
    if batch:
        yield batch


def _records(path: str) -> Iterator[bytes]:
    """Give the lines of the records of a file, checked; raises Failure, at its end if it is not whole."""
    # As in export.
    from nled.domain.archive.file import Seal, read_header, read_trailer  # noqa: PLC0415
    from nled.domain.errors import BadRequest, TooLarge  # noqa: PLC0415

    seal, end, now = Seal(), None, int(time.time() * 1000)
    with _opened(path) as lines:
        try:
            number = 1
            read_header(next(lines, b""))
            for number, line in enumerate(lines, 2):  # noqa: B007 - for the sentence
                if end is not None:
                    # Something is behind what was the last line.
                    end = None
                    break
                end = read_trailer(line)
                if end is None:
                    _check(line, now)
                    seal.add(line)
                    yield line
        except (BadRequest, TooLarge) as problem:
            raise Failure(f"{path} line {number}: {problem} Nothing of it was imported.") from None
    if end != seal.trailer():
        raise Failure(f"{path} is not whole: it was cut short, or changed. Nothing of it was imported.")


def _check(line: bytes, now: int) -> None:
    """See that a line is that of a record; raises BadRequest."""
    from nled.domain.archive.checks import check  # noqa: PLC0415 - as in export
    from nled.domain.archive.file import read_record  # noqa: PLC0415 - as in export
    from nled.domain.archive.records import MOST_LINE  # noqa: PLC0415 - as in export
    from nled.domain.errors import TooLarge  # noqa: PLC0415

    if len(line) > MOST_LINE:
        raise TooLarge(f"It has more than {MOST_LINE} bytes, which is more than nled takes at once.")
    check([read_record(line)], now)


@contextmanager
def _opened(path: str) -> Iterator[Iterator[bytes]]:
    try:
        with Path(path).open("rb") as file:
            yield (line.removesuffix(b"\n") for line in file)
    except OSError as error:
        raise Failure(f"Cannot read {path}: {error.strerror}.") from None


@contextmanager
def _written(path: str) -> Iterator[IO[bytes]]:
    """Open a file that is there whole once it is written, or not at all, and only for its owner."""
    if path == "-":
        yield sys.stdout.buffer
        return
    there = Path(path).resolve()
    part = Path(f"{there}.part")
    try:
        if there.exists() and not there.is_file():
            # A pipe or a device is written to, not replaced by a file.
            with there.open("wb") as file:
                yield file
            return
        part.unlink(missing_ok=True)
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(there)
    except OSError as error:
        raise Failure(f"Cannot write {path}: {error.strerror}.") from None
    finally:
        part.unlink(missing_ok=True)
