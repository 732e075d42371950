"""What happened, in sentences: a timeline as it was written, told from the later start on."""

from __future__ import annotations

from pathlib import Path

from localpair_lab.report.narrative import MOST_ATTEMPTS, narrative
from localpair_lab.timeline import Record, read_timeline, shown

import lab_pages as pages


def told(folder: Path, *entries: tuple[float, str, str, str]) -> list[str]:
    record = Record()
    for at, kind, who, text in entries:
        record.note(at, kind, who, text)  # type: ignore[arg-type]
    record.write(folder)
    assert len(read_timeline(folder)) == len(entries)
    return [" ".join(str(one).split()) for one in narrative(pages.flat().plan, folder)]


def test_a_run_is_told_from_the_later_start_on(tmp_path: Path) -> None:
    path = {"local": "10.0.0.1:1", "remote": "10.0.0.2:2", "direction": "out"}
    found = told(
        tmp_path,
        (1.0, "action", "host", "starts on bob: x"),
        (1.5, "json", "host", shown("offer", {"offer": "LP:AAAA"})),
        (2.0, "action", "join", "starts on alice: x"),
        (2.1, "action", "join", "gets the offer"),
        (2.2, "event", "cut", "the cable of bob comes out"),
        (2.3, "event", "cut", "done"),
        (
            2.4,
            "json",
            "join",
            shown("attempt", {"outcome": "failed", "candidate": "10.0.0.9:1", "errno": "EPIPE"}),
        ),
        (2.5, "json", "join", shown("attempt", {"outcome": "ok", "candidate": "10.0.0.2:2"})),
        (3.0, "json", "join", shown("paired", {"path": path})),
        (3.5, "json", "host", shown("failed", {"message": "no room"})),
        (3.6, "stdout", "host", "nobody hears this"),
    )
    starts = " starts `localpair "
    assert [one for one in found if starts not in one] == [
        "-0.50 s bob shows an offer",
        "0.10 s alice reads the offer",
        "0.20 s network the cable of bob comes out",
        "0.40 s alice tried 10.0.0.9:1: EPIPE",
        "1.00 s alice is paired: 10.0.0.1:1 with 10.0.0.2:2, this side dialled",
        "1.50 s bob fails: no room",
    ]
    assert [one.partition(starts)[0] for one in found if starts in one] == ["-1.00 s bob", "0.00 s alice"]


def test_many_attempts_are_told_as_a_number(tmp_path: Path) -> None:
    failed = shown("attempt", {"outcome": "failed", "candidate": "10.0.0.9:1"})
    found = told(tmp_path, *((float(at), "json", "join", failed) for at in range(MOST_ATTEMPTS + 3)))
    assert len(found) == MOST_ATTEMPTS + 1
    assert found[-1].endswith("(3 more attempts)")


def test_a_run_without_a_timeline_tells_nothing(tmp_path: Path) -> None:
    assert narrative(pages.flat().plan, tmp_path) == []
