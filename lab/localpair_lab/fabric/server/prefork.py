"""Running a program by fork alone, in a process that has its modules already.

Most of the processor time of a short play is two interpreters' start. Where the fabric was forked from a process
that has imported the program (see ``engines.fork_server``), a device's process needs no new interpreter. It differs
from a started one in what the interpreter reads at its start: the loader's and the interpreter's own variables, and
``/proc/PID/cmdline``, which shows the first process's words. Whoever needs those starts the program instead.
"""

from __future__ import annotations

import io
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Final, TextIO

from localpair_lab.paths import CLONE, IMPORT_ROOT

Program = Callable[[], int]

_FIRST_OTHER: Final = 3  # after the three streams
_OF_THE_START: Final = ("LD_", "PYTHON", "GLIBC_", "MALLOC_", "OPENSSL_", "SSL_", "LC_", "LANG", "TZ")
_UNBUFFERED: Final = "PYTHONUNBUFFERED"
_programs: dict[str, Program] = {}


def provide(word: str, program: Program) -> None:
    """From now on, children of this process can live as ``program`` when asked for ``word``."""
    _programs[word] = program


def fits(environment: Iterable[str]) -> bool:
    """Whether variables of these names mean the same to a process that is only forked."""
    return not any(name.startswith(_OF_THE_START) for name in environment if name != _UNBUFFERED)


def live(word: str, arguments: list[str], environment: dict[str, str]) -> None:
    """In a forked child whose streams are in place: be the program until it ends. Never returns."""
    status = 1
    try:
        program = _programs[word]
        _forget(arguments, environment)
        status = program()
    except SystemExit as ending:
        status = ending.code if isinstance(ending.code, int) else int(ending.code is not None)
    except BaseException:  # noqa: BLE001 - the interpreter's last words, whatever it is
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (OSError, ValueError):  # whoever read it is gone
                status = status or 1
        os._exit(status)


def _forget(arguments: list[str], environment: dict[str, str]) -> None:
    """Leave nothing of the parent's but its modules."""
    os.closerange(_FIRST_OTHER, os.sysconf("SC_OPEN_MAX"))
    os.environ.clear()
    os.environ.update(environment)
    # Imported long since, where there is anything to add to; here it would slow down containers that never fork.
    import_module("ssl").RAND_add(os.urandom(32), 32.0)
    # An installed program knows nothing of the tree that the lab lies in.
    sys.path[:] = [folder for folder in sys.path if CLONE is None or folder != str(IMPORT_ROOT)]
    for name in [name for name in sys.modules if name.partition(".")[0] == "localpair_lab"]:
        del sys.modules[name]
    sys.argv[:] = arguments
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    sys.stdin = _stream(0, "rb", "surrogateescape", -1)
    sys.stdout = _stream(1, "wb", "surrogateescape", 0 if environment.get(_UNBUFFERED) else -1)
    sys.stderr = _stream(2, "wb", "backslashreplace", 0)


def _stream(number: int, mode: str, errors: str, buffering: int) -> TextIO:
    """A standard stream as the interpreter makes it in a C.UTF-8 locale."""
    binary = os.fdopen(number, mode, buffering, closefd=False)
    line_by_line = os.isatty(number)
    return io.TextIOWrapper(
        binary, encoding="utf-8", errors=errors, line_buffering=line_by_line, write_through=not buffering
    )
