"""A network that stands: up, and shell, capture and down beside it."""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from typing import Any

from localpair_lab.cli.output import complain, out, talk
from localpair_lab.cli.selection import chosen
from localpair_lab.engines.base import Running
from localpair_lab.engines.registry import engine_names, make_engine
from localpair_lab.errors import LabError
from localpair_lab.paths import ARTIFACTS

STANDING = ARTIFACTS / "up.json"
DOWN_S = 20.0
FETCH_S = 30.0
TERMINAL, PIPES = "terminal", "pipes"
SHELL = ("sh", "-c", "command -v bash >/dev/null && exec bash; exec sh")  # the caller's own may not be there


def up(options: argparse.Namespace) -> int:
    """Build the network of a scenario and hold it until Ctrl-C or ``down``."""
    cell = chosen(options.scenario, options.cell)
    engine = make_engine(engine_names(options.engine)[0], vars(options))
    missing = engine.supports(cell.plan)
    if missing:
        raise LabError(f"{missing[0].capability}: {missing[0].reason}", hint=missing[0].mend)
    if _standing() is not None:
        raise LabError("a network stands already", hint="localpair-lab down")
    folder = ARTIFACTS / "up"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)

    async def hold() -> None:
        over = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, over.set)
        running = await engine.up(cell.plan, folder)
        try:
            _announce(cell.title, running, [node.name for node in cell.plan.nodes])
            await over.wait()
        finally:
            try:
                await running.collect()
                await running.down()
            finally:
                STANDING.unlink(missing_ok=True)  # last: `down` waits for it

    asyncio.run(hold())
    _say_gone()
    return 0


def _say_gone() -> None:
    talk(f"the network is gone; its captures are in {ARTIFACTS / 'up' / 'captures'}")


def _announce(title: str, running: Running, nodes: list[str]) -> None:
    doors = {}
    for node in nodes:
        try:
            doors[node] = {
                TERMINAL: running.enter(node, terminal=True),
                PIPES: running.enter(node, terminal=False),
            }
        except LabError:
            continue  # routers are kept inside the fabric, where nobody enters
    standing = {
        "title": title,
        "pid": os.getpid(),
        "folder": str(running.folder),
        "enter": doors,
        "captures": running.captures(),
    }
    STANDING.write_text(json.dumps(standing, indent=2), encoding="utf-8")
    talk(f"{title} stands; Ctrl-C takes it down")
    for node in doors:
        talk(f"  localpair-lab shell {node}")


def _standing() -> dict[str, Any] | None:
    """What ``up`` wrote, if its process still lives."""
    try:
        standing: dict[str, Any] = json.loads(STANDING.read_text(encoding="utf-8"))
        os.kill(int(standing["pid"]), 0)
    except (OSError, ValueError, KeyError):
        return None
    return standing


def _required() -> dict[str, Any]:
    standing = _standing()
    if standing is None:
        raise LabError("no network stands", hint="localpair-lab up SCENARIO, in another terminal")
    return standing


def shell(options: argparse.Namespace) -> int:
    """A shell, or a command, in a device of the network that stands."""
    doors = _required()["enter"]
    if options.device not in doors:
        raise LabError(f"there is no device {options.device!r}", hint=f"there is {', '.join(doors)}")
    is_terminal = sys.stdin.isatty() and sys.stdout.isatty()
    words = [*doors[options.device][TERMINAL if is_terminal else PIPES], *(options.command or SHELL)]
    os.execvp(words[0], words)  # noqa: S606 - it is what the person asked for


def capture(options: argparse.Namespace) -> int:
    """Where the captures of the network that stands are; ``-o`` copies one."""
    found = _fetched(_required())
    if not options.port:
        for path in found:
            out(str(path))
        return 0
    fitting = [path for path in found if path.stem == options.port.replace("/", ".")]
    if not fitting:
        raise LabError(f"there is no capture of {options.port!r}", hint="localpair-lab capture lists them")
    written = options.output or f"{options.port.replace('/', '-')}.pcapng"
    shutil.copyfile(fitting[0], written)
    talk(f"wrote {written}")
    return 0


def _fetched(standing: dict[str, Any]) -> list[Path]:
    """The captures as they are now, brought here from where the fabric writes them."""
    folder = Path(standing["folder"])
    if command := standing["captures"]:
        done = subprocess.run(command, capture_output=True, timeout=FETCH_S, check=False)
        if done.returncode:
            raise LabError(f"the captures cannot be read: {done.stderr.decode(errors='replace').strip()}")
        with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
            archive.extractall(folder, filter="data")
    return sorted((folder / "captures").glob("*.pcapng"))


def down(options: argparse.Namespace) -> int:
    """End the network that stands; nothing else is touched."""
    del options
    standing = _standing()
    if standing is None:
        talk("no network stands")
        return 0
    os.kill(int(standing["pid"]), signal.SIGTERM)
    end = time.monotonic() + DOWN_S
    while _standing() is not None and time.monotonic() < end:
        time.sleep(0.05)
    if _standing() is not None:
        return complain(LabError("it does not end", hint="localpair-lab gc removes what is left when it has"))
    _say_gone()
    return 0
