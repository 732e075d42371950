"""What nodes see of the machine besides its own programs: the interpreter, localpair, and the lab's helpers.

Where an interpreter keeps its parts differs from system to system, so a process that has it all loaded is asked.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from localpair_lab import paths

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

VARIABLE: Final = "LOCALPAIR_LAB_VISIBLE"
"""Further folders, for interpreters whose parts are found nowhere else; separated as in ``PATH``."""
_LIBRARY: Final = re.compile(r"/.*\.so(\.[^/]*)?")
_HOME_LINE: Final = re.compile(r"^home\s*=\s*(.+)$", re.MULTILINE)


def loaded(packages: Iterable[str]) -> list[str]:
    """The folders of this very interpreter, of those packages, and of every library that is loaded."""
    found = {sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix, *packages}
    found.update(map(str, _hops(sys.executable)))
    with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as lines:  # noqa: PTH123 - early, often
        mapped = {line.split(maxsplit=5)[-1].rstrip("\n") for line in lines if "/" in line}
    found.update(os.path.dirname(path) for path in mapped if _LIBRARY.fullmatch(path))  # noqa: PTH120
    return sorted(folder for folder in found if not Path.home().is_relative_to(folder))


def of_programs(commands: Iterable[str]) -> list[str]:
    """The folders that those programs are started from; of one in a virtual environment, the whole environment."""
    found: set[Path] = set()
    for command in commands:
        for folder in _hops(shutil.which(command) or command):
            found |= {folder, *_environment(folder.parent)}
    return sorted(map(str, found))


def of_the_lab() -> list[str]:
    """What the lab itself runs in nodes, and what the person adds."""
    return [*(str(paths.PACKAGE / name) for name in ("decoy.py", "inside.py", "fabric")), *added()]


def added() -> list[str]:
    """What the person adds."""
    return [folder for folder in os.environ.get(VARIABLE, "").split(os.pathsep) if folder]


def _hops(program: str) -> Iterator[Path]:
    """The folder of a program, and of each file that it leads to as a link."""
    path = Path(program)
    for _ in range(40):  # as many as the kernel follows
        yield path.parent
        if not path.is_symlink():
            return
        path = path.parent / path.readlink()


def _environment(folder: Path) -> Iterator[Path]:
    """The virtual environment that the folder is, and the installation it was made from."""
    settings = folder / "pyvenv.cfg"
    if settings.is_file():
        yield folder
        yield from (Path(home).parent for home in _HOME_LINE.findall(settings.read_text(errors="replace")))
