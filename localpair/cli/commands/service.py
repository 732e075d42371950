"""``localpair service``: ``listen`` in the background, by what the platform has for that."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE
from pathlib import Path
from typing import TYPE_CHECKING, Final

from localpair.choices.rules import Acceptance
from localpair.cli.arguments import parse
from localpair.cli.hook import require_program
from localpair.cli.options.listen import Listen
from localpair.cli.output import results
from localpair.cli.service.managers import Manager, manager
from localpair.cli.service.rendering import ServicePlan, command_line
from localpair.cli.terminal.text import printable
from localpair.errors import LocalError, UsageError
from localpair.trust.file import DeviceState

if TYPE_CHECKING:
    from localpair.cli.context import Context
    from localpair.cli.options.service import Service
    from localpair.trust.store import TrustStore

_CARRIED: Final = ("LOCALPAIR_HOME", "LOCALPAIR_CONFIG")  # what a service has to know of this environment
_INSTEAD: Final = (
    "`localpair service install --dry-run -- ...` shows what would run; docs/service.md has other ways."
)


async def run(command: Service, context: Context) -> None:
    """Do what was asked. Raises UsageError for options that no service can have, LocalError where the platform has
    nothing that runs it.
    """
    platform = manager()
    match command.action:
        case "install":
            await _install(command, platform, context)
        case "remove":
            await _remove(command, platform, context)
        case _:
            await _show(platform, context)


async def _install(command: Service, platform: Manager, context: Context) -> None:
    plan = plan_of(command.words, context.api.TrustStore())
    text = platform.render(plan)
    if command.dry_run:
        _tell(context, "would be installed", platform, text, platform.start)
        return
    if _is_root() and not command.allow_root:
        raise UsageError(
            "this is root, and what comes would be received as root",
            hint="Run it as the user who is to receive, or add --allow-root.",
        )
    before = platform.file.read_bytes() if platform.file.is_file() else None
    try:
        _write(platform, text)
        if before is not None:
            await _try(platform.stop)
        await _run_all(platform.start)
    except LocalError:
        _restore(platform.file, before)
        raise
    _tell(context, "installed", platform, text, platform.start)
    if platform.after:
        context.output.talk.note(platform.after)


async def _remove(command: Service, platform: Manager, context: Context) -> None:
    if command.dry_run:
        _tell(context, "would be removed", platform, "", platform.stop)
        return
    if not platform.file.is_file():
        raise UsageError("no service is installed", hint="`localpair service install` installs one.")
    await _try(platform.stop)  # it may have been ended, or never started
    try:
        platform.file.unlink()
    except OSError as error:
        raise LocalError(f"{platform.file} cannot be removed: {error.strerror}") from error
    _tell(context, "removed", platform, "", platform.stop)


async def _show(platform: Manager, context: Context) -> None:
    if not platform.file.is_file():
        _tell(context, "not installed", platform, "", ())
        return
    code, _ = await _run(platform.status)
    _tell(context, "running" if code == 0 else "not running", platform, "", (platform.status,))


def plan_of(words: tuple[str, ...], store: TrustStore) -> ServicePlan:
    """What the service runs. Raises UsageError for options that make no sense where nobody watches."""
    listen = parse(["listen", *words])
    if not isinstance(listen, Listen):
        raise UsageError("a service takes options of listen, behind --")
    if listen.once or listen.timeout is not None or listen.writes_payload:
        raise UsageError(
            "a service listens until it is stopped: it takes no --once, --timeout or --receive -",
            hint="Leave them out, here and in the configuration file.",
        )
    if listen.receive == Path():
        raise UsageError("a service needs to know where to store", hint="Add `-- --receive DIR`.")
    if not listen.yes and not any(
        one.rule.accept is Acceptance.ALWAYS and one.state is DeviceState.PAIRED for one in store.devices()
    ):
        raise UsageError(
            "a service can ask nobody, and nothing is to be stored unasked",
            hint="Add --yes, or `localpair devices rules DEVICE --accept always` for the devices that may send.",
        )
    environment = {
        name: value if value == "none" else str(Path(value).expanduser().absolute())
        for name in _CARRIED
        if (value := os.environ.get(name, ""))
    }
    # What is relative to this folder, or found by this PATH, is named as it is found now; the last word counts.
    whole = [f"--receive={listen.receive.absolute()}"]
    if listen.on_receive is not None:
        whole.append(f"--on-receive={Path(require_program(listen.on_receive)).absolute()}")
    return ServicePlan((_interpreter(), "-m", "localpair", "listen", *words, *whole), environment)


def _interpreter() -> str:
    """The Python that runs this; on Windows the one that opens no window."""
    windowless = Path(sys.executable).with_name("pythonw.exe")
    return str(windowless) if sys.platform == "win32" and windowless.is_file() else sys.executable


def _is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0


def _write(platform: Manager, text: str) -> None:
    try:
        platform.file.parent.mkdir(parents=True, exist_ok=True)
        platform.file.write_text(text, encoding=platform.encoding)
    except OSError as error:
        raise LocalError(f"{platform.file} cannot be written: {error.strerror}") from error


def _restore(file: Path, before: bytes | None) -> None:
    """Nothing is left of an install that failed."""
    if before is None:
        file.unlink(missing_ok=True)
    else:
        file.write_bytes(before)


async def _run_all(commands: tuple[tuple[str, ...], ...]) -> None:
    for words in commands:
        code, said = await _run(words)
        if code:
            lines = said.strip().splitlines()
            why = printable(lines[0], 200) if lines else f"exit code {code}"
            raise LocalError(f"`{command_line(words)}` failed: {why}", hint=_INSTEAD)


async def _try(commands: tuple[tuple[str, ...], ...]) -> None:
    for words in commands:
        await _run(words)


async def _run(words: tuple[str, ...]) -> tuple[int, str]:
    """The exit code, and what the program said about a failure. Raises LocalError where there is no such program."""
    try:
        process = await asyncio.create_subprocess_exec(*words, stdin=DEVNULL, stdout=DEVNULL, stderr=PIPE)
    except OSError as error:
        raise LocalError(
            f"{words[0]} cannot be started: {error.strerror}, so nothing here runs a service", hint=_INSTEAD
        ) from error
    _, said = await process.communicate()
    return process.returncode or 0, said.decode("utf-8", "replace")


def _tell(
    context: Context, state: str, platform: Manager, text: str, commands: tuple[tuple[str, ...], ...]
) -> None:
    shown = tuple(command_line(words) for words in commands)
    told = results.ServiceTold(state, platform.file, text if state.startswith("would") else "", shown)
    context.output.show(told)
