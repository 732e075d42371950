"""Standard input as a file to send, standard output in place of a folder to receive into.

What is read from a pipe is kept in a private folder until it has been sent: its size is told beforehand, and a lost
connection goes on where it stood. What is received goes to standard output only once its checksum has been confirmed.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import sys
import tempfile
import threading
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from localpair.cli.options.piped import STANDARD
from localpair.cli.output.results import RunFailure
from localpair.cli.piping import spool
from localpair.cli.terminal.streams import READER_GONE
from localpair.errors import LocalError, TransferError, UsageError
from localpair.names.units import size
from localpair.protocol.transfer.filenames import PART_PREFIX

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence
    from typing import IO

    from localpair.cli.options.piped import Piped
    from localpair.cli.output.output import Output

T = TypeVar("T")
_CHUNK_BYTES: Final = 256 * 1024


@asynccontextmanager
async def spooled(paths: Sequence[Path], piped: Piped) -> AsyncIterator[tuple[Path, ...]]:
    """``paths`` with a file in the place of a hyphen: what standard input holds, read to its end.

    Raises LocalError where it cannot be read or kept, or holds another number of bytes than ``piped`` says.
    """
    if STANDARD not in paths:
        yield tuple(paths)
        return
    with spool.private_folder() as folder:
        file = folder / piped.name
        with file.open("xb") as kept:
            count = await _read_all(_standard_input(), kept)
        if piped.size is not None and count != piped.size:
            raise LocalError(
                f"standard input held {size(count)}, and --size says {size(piped.size)}"
                f" ({count} and {piped.size} bytes)",
                hint="Nothing was sent. See whether the program before the pipe has failed.",
            )
        yield tuple(file if path == STANDARD else path for path in paths)


async def read_text(limit: int) -> str:
    """The text that standard input holds. Raises UsageError for more than ``limit`` bytes, and for no text."""
    with tempfile.TemporaryFile() as kept:
        await _read_all(_standard_input(), kept, limit + 1)
        kept.seek(0)
        return as_text(kept.read(), limit)


def as_text(data: bytes, limit: int) -> str:
    """``data`` as text. Raises UsageError for more than ``limit`` bytes, and for what is no UTF-8."""
    if len(data) > limit:
        raise UsageError(f"a text has at most {size(limit)}", hint="Send it as a file.")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise UsageError("standard input holds no text in UTF-8", hint="Send it as a file.") from None


def require_pipe() -> None:
    """Raise UsageError where standard output is a terminal, which what comes could take over."""
    if sys.stdout.isatty():
        raise UsageError(
            "standard output is a terminal, and what comes may be anything",
            hint="Pipe it to a program or into a file, or name a folder with --receive.",
        )


@contextlib.contextmanager
def landing() -> Iterator[Path]:
    """A private folder for one file that goes on to standard output."""
    with spool.private_folder() as folder:
        yield folder


async def pass_on(folder: Path, output: Output) -> None:
    """Write the one file in ``folder`` to standard output. Raises TransferError where it is none, and LocalError."""
    files = await asyncio.to_thread(_files_in, folder)
    if len(files) != 1:
        raise TransferError(
            "what came is not a single file, and nothing was written to standard output",
            hint="Name a folder with --receive.",
        )
    with files[0].open("rb") as file:
        await _write_all(lambda: shutil.copyfileobj(file, sys.stdout.buffer, _CHUNK_BYTES), output)


def _files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(PART_PREFIX)]


async def write_text(text: str, output: Output) -> None:
    """Write a text to standard output as it is. Raises LocalError."""
    await _write_all(lambda: sys.stdout.buffer.write(text.encode("utf-8")), output)


async def _write_all(write: Callable[[], object], output: Output) -> None:
    def work() -> None:
        write()
        sys.stdout.buffer.flush()

    try:
        await _in_thread(work)
    except BrokenPipeError:
        message = "nobody reads standard output any more"
        output.lost = RunFailure("closed", message, None, READER_GONE)
        raise LocalError(message) from None
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or "it is closed"
        raise LocalError(f"standard output cannot be written: {reason}") from error


def _standard_input() -> int:
    try:
        return sys.stdin.fileno()
    except (AttributeError, OSError, ValueError):
        raise UsageError("there is no standard input to read", hint="Pipe something in.") from None


async def _read_all(source: int, kept: IO[bytes], limit: int | None = None) -> int:
    """Copy a descriptor to its end, or to somewhat more than ``limit`` bytes; how many came. Raises LocalError."""

    def work() -> int:
        count = 0
        while (limit is None or count < limit) and (chunk := os.read(source, _CHUNK_BYTES)):
            kept.write(chunk)
            count += len(chunk)
        kept.flush()
        return count

    try:
        return await _in_thread(work)
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or "it is closed"
        raise LocalError(f"standard input cannot be read and kept: {reason}") from error


async def _in_thread(work: Callable[[], T]) -> T:
    """Run ``work`` in a thread that dies with the process: a pipe may block for ever, and nobody can cancel that."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if done.cancelled():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(result)  # type: ignore[arg-type]

    def run() -> None:
        result: T | None = None
        error: BaseException | None = None
        try:
            result = work()
        except BaseException as raised:  # noqa: BLE001 - handed to whoever waits
            error = raised
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=run, name="pipe", daemon=True).start()
    return await done
