"""``listen --on-receive``: a program for each transfer that has arrived."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cli_fakes import Api, Session
from localpair.cli import main
from localpair.errors import TransferError
from localpair.events import Receipt, Received

if TYPE_CHECKING:
    from collections.abc import Callable

NAMES = ("a.txt", "$(touch pwned); b")


@pytest.fixture
def program(tmp_path: Path) -> Callable[[str], str]:
    def write(body: str) -> str:
        path = tmp_path / "on receive"
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)
        return str(path)

    return write


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    receive = Session.receive_files

    async def received(session: Session, directory: Path, *more: Any) -> Receipt:
        receipt = await receive(session, directory, *more)
        for name in NAMES:
            receipt = receipt.and_one(Received(directory / name, 5, "ab" * 32))
        return receipt

    monkeypatch.setattr(Session, "receive_files", received)
    monkeypatch.chdir(tmp_path)
    return Session()


def _listen(api: Api, session: Session, program: str) -> int:
    api.listened = [session]
    return main(["listen", "--once", "--yes", "--receive", "in", "--on-receive", program], api)


def test_the_program_is_told_what_came_from_whom(
    api: Api, session: Session, program: Callable[[str], str], tmp_path: Path
) -> None:
    told = tmp_path / "told"
    assert (
        _listen(
            api,
            session,
            program(f'env | grep -A1 ^LOCALPAIR_ | grep -v HOME > "{told}"; echo "$#" >> "{told}"'),
        )
        == 0
    )
    lines = told.read_text().splitlines()
    assert "LOCALPAIR_PEER_ID=3f2a-9c11-07de" in lines
    assert "LOCALPAIR_PEER_NAME=Anna's laptop" in lines
    assert f"LOCALPAIR_FOLDER={tmp_path}/in" in lines
    assert {"LOCALPAIR_FILES=2", "LOCALPAIR_BYTES=10"} <= set(lines)
    start = lines.index(f"LOCALPAIR_PATHS={tmp_path}/in/a.txt")
    assert lines[start + 1] == f"{tmp_path}/in/{NAMES[1]}"
    assert lines[-1] == "0", "no arguments: nothing that came is one"
    assert not (tmp_path / "pwned").exists()
    assert session.closed, "the sender does not wait for it"


def test_a_program_that_fails_is_told_and_what_came_stays(
    api: Api, session: Session, program: Callable[[str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert _listen(api, session, program("exit 3")) == 0
    assert "failed with exit code 3; what has arrived stays" in capsys.readouterr().err


def test_no_program_is_started_for_a_transfer_that_failed(
    api: Api, session: Session, program: Callable[[str], str], tmp_path: Path
) -> None:
    session.error = TransferError("lost")
    assert _listen(api, session, program(f'touch "{tmp_path}/started"')) == 5
    assert not (tmp_path / "started").exists()


@pytest.mark.parametrize("word", ["no-such-program", "sh -c true"])
def test_a_program_that_is_not_there_is_told_before_anybody_is_heard(
    word: str, api: Api, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["listen", "--yes", "--on-receive", word], api) == 2
    assert f"there is no program {word}" in capsys.readouterr().err
    assert main(["listen", "--once", "--receive", "-", "--on-receive", "true"], api) == 2
