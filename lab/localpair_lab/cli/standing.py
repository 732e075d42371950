"""A network that stands: up, and shell, capture and down beside it."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import io
import os
import select
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

from localpair_lab import timeline
from localpair_lab.cli.output import complain, out, talk
from localpair_lab.cli.selection import chosen
from localpair_lab.cli.watch import LivePage, served
from localpair_lab.engines.registry import engine_names, make_engine
from localpair_lab.errors import LabError
from localpair_lab.run import standing as state
from localpair_lab.run.standing import StandingNetwork, standing

DOWN_S = 20.0
FETCH_S = 30.0
FOLLOW_MS = 200  # how often it is asked whether the network, and whoever reads the capture, are still there
SHELL = ("sh", "-c", "command -v bash >/dev/null && exec bash; exec sh")  # the caller's own may not be there


def up(options: argparse.Namespace) -> int:
    """Build the network of a scenario and hold it until Ctrl-C or ``down``."""
    cell = chosen(options.scenario, options.cell)
    engine = make_engine(engine_names(options.engine)[0], vars(options))
    missing = engine.supports(cell.plan)
    if missing:
        raise LabError(f"{missing[0].capability}: {missing[0].reason}", hint=missing[0].mend)
    if standing() is not None:
        raise LabError("a network stands already", hint="localpair-lab down")
    folder = state.folder()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)

    async def hold() -> None:
        over = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, over.set)
        running = await engine.up(cell.plan, folder)
        timeline.write_clock(folder, time.time_ns())
        try:
            network = state.announce(cell.title, running, cell.plan)
            page = LivePage(cell, engine.name, folder, lambda: _fetched(network))
            with served(page, options.port) if options.watch else contextlib.nullcontext("") as address:
                _say_standing(network, address)
                await over.wait()
        finally:
            try:
                await running.collect()
                await running.down()
            finally:
                state.withdraw()

    asyncio.run(hold())
    _say_gone()
    return 0


def _say_standing(network: StandingNetwork, address: str) -> None:
    talk(f"{network.title} stands; Ctrl-C takes it down")
    if address:
        talk(f"  its page, live: {address}")
    for command in network.commands():
        talk(f"  {command}")


def _say_gone() -> None:
    talk(f"the network is gone; its captures are in {state.folder() / 'captures'}")


def _required() -> StandingNetwork:
    found = standing()
    if found is None:
        raise LabError("no network stands", hint="localpair-lab up SCENARIO, in another terminal")
    return found


def shell(options: argparse.Namespace) -> int:
    """A shell, or a command, in a device of the network that stands."""
    is_terminal = sys.stdin.isatty() and sys.stdout.isatty()
    network = _required()
    doors = network.terminals if is_terminal else network.pipes
    if options.device not in doors:
        raise LabError(f"there is no device {options.device!r}", hint=f"there is {', '.join(doors)}")
    words = [*doors[options.device], *(options.command or SHELL)]
    os.execvp(words[0], words)  # noqa: S606 - it is what the person asked for


# --- Captures ---


def capture(options: argparse.Namespace) -> int:
    """The captures of the network that stands: where they are, one of them as it is, or one of them while it grows."""
    network = _required()
    found = _fetched(network)
    if not options.port:
        if options.follow:
            raise LabError("--follow needs a port", hint=f"there is {', '.join(network.ports)}")
        for path in found:
            out(str(path))
        return 0
    fitting = [path for path in found if path.stem == options.port.replace("/", ".")]
    if not fitting:
        raise LabError(f"there is no capture of {options.port!r}", hint="localpair-lab capture lists them")
    if options.follow:
        return _follow(network, options.port, options.output)
    written = options.output or f"{options.port.replace('/', '-')}.pcapng"
    shutil.copyfile(fitting[0], written)
    talk(f"wrote {written}")
    return 0


def _fetched(network: StandingNetwork) -> list[Path]:
    """The captures as they are now, brought here from where the fabric writes them."""
    folder = Path(network.folder)
    if network.captures:
        done = subprocess.run(network.captures, capture_output=True, timeout=FETCH_S, check=False)
        if done.returncode:
            raise LabError(f"the captures cannot be read: {done.stderr.decode(errors='replace').strip()}")
        with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
            archive.extractall(folder, filter="data")
    return sorted((folder / "captures").glob("*.pcapng"))


def _follow(network: StandingNetwork, port: str, output: str | None) -> int:
    """Pass the capture on until the network is gone, or whoever reads it."""
    with _followed_into(output, port) as target:
        readers = select.poll()
        readers.register(target, 0)  # told without being asked for: nobody reads any more
        follower = subprocess.Popen([*network.following, port], stdin=subprocess.PIPE, stdout=target)
        try:
            while follower.poll() is None and network.lives and not readers.poll(FOLLOW_MS):
                pass
        finally:
            with contextlib.suppress(subprocess.TimeoutExpired, BrokenPipeError):
                follower.communicate(timeout=FOLLOW_MS / 100)  # ends its stdin; the last packets come
            follower.kill()
            follower.wait()
    return 0


@contextlib.contextmanager
def _followed_into(output: str | None, port: str) -> Iterator[int]:
    """The descriptor that packets go to. Raises LabError for a person's terminal."""
    if output:
        with Path(output).open("wb") as file:
            yield file.fileno()
    elif sys.stdout.isatty():
        raise LabError(
            "packets are nothing to read on a terminal",
            hint=f"localpair-lab capture {port} --follow | wireshark -k -i -   or -o FILE",
        )
    else:
        yield sys.stdout.fileno()


def down(options: argparse.Namespace) -> int:
    """End the network that stands; nothing else is touched."""
    del options
    network = standing()
    if network is None:
        talk("no network stands")
        return 0
    os.kill(network.pid, signal.SIGTERM)
    end = time.monotonic() + DOWN_S
    while network.lives and time.monotonic() < end:
        time.sleep(0.05)
    if network.lives:
        return complain(LabError("it does not end", hint="localpair-lab gc removes what is left when it has"))
    talk(f"the network is gone; its captures are in {Path(network.folder) / 'captures'}")
    return 0
