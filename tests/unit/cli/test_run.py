"""One run from outside: warnings, surprises, a bar for what takes long."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import TYPE_CHECKING

import pytest

from cli_fakes import (
    Api,
    Session,
)
from localpair import events
from localpair.cli import main
from localpair.trace import TRACE

if TYPE_CHECKING:
    from pathlib import Path


def test_warnings_of_the_library_are_calm_lines(
    api: Api, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def noisy() -> Session:
        logging.getLogger("localpair.net").warning("eth0: %s\nTraceback", "odd\x1b[2J")
        logging.getLogger("localpair.net").info("chatter")
        return Session()

    monkeypatch.setattr(api.pairing, "session", noisy)
    assert main(["host"], api) == 0
    said = capsys.readouterr().err
    assert "warning: eth0: odd\\x1b[2J\n" in said
    assert "Traceback" not in said
    assert "chatter" not in said


def test_a_bug_shows_one_line_and_on_request_its_traceback(
    api: Api, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    api.pairing.error = ZeroDivisionError("x")
    assert main(["host"], api) == 1
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert "error: an unexpected ZeroDivisionError in cli_fakes.py" in said
    monkeypatch.setenv("LOCALPAIR_DEBUG", "1")
    root = logging.getLogger()
    level = root.level
    try:
        assert main(["host"], api) == 1
    finally:
        root.setLevel(level)
    assert "Traceback" in capsys.readouterr().err


def test_a_trace_that_cannot_be_written_is_an_error_before_anything_starts(
    api: Api, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(api, "host", None)  # whoever starts it fails in another way
    monkeypatch.setenv("LOCALPAIR_TRACE", str(tmp_path / "none" / "trace.jsonl"))
    assert main(["host", "--json"], api) == 1
    (line,) = capsys.readouterr().out.splitlines()
    failed = json.loads(line)
    assert (failed["event"], failed["reason"]) == ("failed", "local")
    assert f"the trace cannot be written to {tmp_path}/none/trace.jsonl: No such file" in failed["message"]
    assert "LOCALPAIR_TRACE" in failed["hint"]


def test_a_trace_ends_with_its_run(api: Api, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    trace = tmp_path / "trace.jsonl"
    monkeypatch.setenv("LOCALPAIR_TRACE", str(trace))
    assert main(["host"], api) == 0
    assert not TRACE.on
    assert [json.loads(line)["kind"] for line in trace.read_text("utf-8").splitlines()] == ["run"]


def test_a_long_transfer_shows_a_bar_and_a_short_one_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    import io
    import re

    from localpair.cli.terminal import progress

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    async def show(stream: io.StringIO, patience: float) -> str:
        monkeypatch.setattr(progress, "_PATIENCE_S", patience)
        bars = progress.Bars(stream)
        running = asyncio.create_task(bars.run())
        bars.update(events.Progress("send", "a\x1b[2J.txt", 5_000_000, 10_000_000))
        if not patience:
            async with asyncio.timeout(20):
                while "MB" not in stream.getvalue():  # noqa: ASYNC110 - a terminal sends no events
                    await asyncio.sleep(0.01)
        bars.end()
        running.cancel()
        return stream.getvalue()

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    drawn = asyncio.run(show(Terminal(), 0.0))
    assert "Sending a\\x1b[2J.txt" in re.sub(r"\x1b\[[0-9;]*m", "", drawn)
    assert "5.0/10.0 MB" in re.sub(r"\x1b\[[0-9;]*m", "", drawn)
    assert asyncio.run(show(io.StringIO(), 0.0)) == "Sending: 5.0 MB of 10.0 MB\n"
    assert asyncio.run(show(Terminal(), 60.0)) == ""


def test_what_is_said_above_two_bars_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each device has a bar; none erases lines above the first of them when it comes back."""
    import io
    import re

    from localpair.cli.terminal import progress

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    async def show(stream: io.StringIO) -> str:
        bars = progress.Bars(stream)
        running = asyncio.create_task(bars.run())
        for device, name in (("3f2a", "kitchen"), ("9c11", "a study with a long name")):
            bars.update(events.Progress("send", "a.txt", 5_000_000, 10_000_000), device, name)
        async with asyncio.timeout(20):
            while stream.getvalue().count("MB") < 2:  # noqa: ASYNC110 - a terminal sends no events
                await asyncio.sleep(0.01)
        drawn = stream.getvalue()
        resume = bars.pause()
        stream.write("said meanwhile\n")
        before = len(stream.getvalue())
        resume()
        assert "MB" in stream.getvalue()[before:], "they are back"
        assert "\x1b[1A" not in stream.getvalue()[before:], "the cursor does not go up"
        bars.end("3f2a")
        bars.end("9c11")
        running.cancel()
        return drawn

    monkeypatch.setattr(progress, "_PATIENCE_S", 0.0)
    monkeypatch.setenv("TERM", "xterm")
    shown = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", asyncio.run(show(Terminal())))
    assert "Sending to kitchen a.txt" in shown
    assert "Sending to a study with" in shown


@pytest.mark.parametrize("draws", [True, False])
def test_a_transfer_that_stands_still_shows_no_rate(*, draws: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    import io
    import re

    from localpair.cli.terminal import progress

    class Screen(io.StringIO):
        def isatty(self) -> bool:
            return draws

    now = 0.0

    async def show() -> list[str]:
        stream, shown = Screen(), list[str]()
        bars = progress.Bars(stream, lambda: now)
        running = asyncio.create_task(bars.run())

        async def shows(bytes_: int, at: float) -> None:
            nonlocal now
            now = at
            bars.update(events.Progress("receive", "a.txt", bytes_, 10_000_000))
            stream.truncate(0)
            async with asyncio.timeout(20):
                while "MB" not in stream.getvalue():  # noqa: ASYNC110 - a terminal sends no events
                    await asyncio.sleep(0.01)
            shown.append(re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", stream.getvalue()))

        await shows(5_000_000, 0.0)
        await shows(5_000_000, 12.0)
        await shows(6_000_000, 13.0)
        await shows(10_000_000, 14.0)
        await shows(10_000_000, 60.0)  # all has come: the disk is behind
        bars.end()
        running.cancel()
        return shown

    monkeypatch.setattr(progress, "_PATIENCE_S", 0.0)
    monkeypatch.setattr(progress, "_LINE_S", 0.01)
    monkeypatch.setenv("TERM", "xterm")
    moving, still, *others = asyncio.run(show())
    assert "stalled" not in "".join([moving, *others])
    assert "stalled for 12 s" in still
    assert "/s" not in still
