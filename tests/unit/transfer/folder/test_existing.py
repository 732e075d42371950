"""What stands under a name: what counts as there before, and what is never replaced."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import localpair.transfer.folder.existing
from localpair.choices.terms import Existing
from localpair.transfer.folder.inbox import Inbox


def put(inbox: Inbox, name: str, data: bytes) -> str:
    """Store a file; the name that it got."""
    part = inbox.part()
    part.write(data)
    path = inbox.place(part, (name,), replaces=True)
    part.let_go()
    return path.name


def let_its_clock_go_on(inbox: Inbox) -> None:
    """Until the file system, whose clock has a tick of its own, dates a file later than the inbox was opened."""
    part = inbox.part()
    while os.fstat(part.fd).st_ctime_ns <= inbox._folder.opened_ns:
        part.write(b"x")
    part.let_go()


@pytest.fixture
def forgetful(monkeypatch: pytest.MonkeyPatch) -> None:
    """As after so many names that the first ones are not known by heart any more."""
    monkeypatch.setattr(localpair.transfer.folder.existing, "NAMES_KEPT", 0)


@pytest.mark.usefixtures("forgetful")
def test_two_files_of_one_batch_never_replace_each_other(tmp_path: Path) -> None:
    # As on a file system that takes "A" and "a" for one.
    (tmp_path / "a").write_bytes(b"old")
    inbox = Inbox(tmp_path, existing=Existing.REPLACE)
    let_its_clock_go_on(inbox)
    assert put(inbox, "a", b"first") == "a"
    assert put(inbox, "a", b"second") == "a (1)"
    assert inbox.standing(("a",)) is None
    inbox.close()
    assert [(tmp_path / name).read_bytes() for name in ("a", "a (1)")] == [b"first", b"second"]
    # What the one batch has stored, the next one may replace.
    inbox = Inbox(tmp_path, existing=Existing.REPLACE)
    assert put(inbox, "a", b"third") == "a"
    inbox.close()


def test_a_clock_that_is_wrong_keeps_nothing_from_being_replaced(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path, existing=Existing.REPLACE)
    (tmp_path / "a").write_bytes(b"it looks as if it were made after the batch had begun")
    assert put(inbox, "a", b"new") == "a"
    inbox.close()


def test_a_number_replaces_nothing(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a (1)").write_bytes(b"another file of this name")
    inbox = Inbox(tmp_path, existing=Existing.REPLACE)
    assert put(inbox, "a", b"new") == "a (2)"
    inbox.close()
