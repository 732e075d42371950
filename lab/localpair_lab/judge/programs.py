"""What is expected of a program of anybody's: lines, files, packets that its device heard."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from localpair_lab.fabric.traffic.frames import Matcher
from localpair_lab.judge.packets import CapturedPacket, read_node
from localpair_lab.judge.verdict import Failure
from localpair_lab.loading.problems import Where
from localpair_lab.model.expectations import Expect, FileWanted, PacketsHeard, Times
from localpair_lab.model.words.phrases import matched
from localpair_lab.timeline import TIME_COLUMNS, ActionRecord, Record, SaidLine, last_lines

EVIDENCE_LINES = 8
NOTHING = "none"


def evidence(action: ActionRecord) -> tuple[str, ...]:
    """The last that the action said: its failed attempts and its log."""
    return tuple(f"{action.id}: {line}" for line in last_lines(action.log, EVIDENCE_LINES, TIME_COLUMNS))


def check_lines(expect: Expect, action: ActionRecord, where: Where) -> Iterator[Failure]:
    """Lines of its two streams, that are wanted or must not be there."""
    name = f"{action.id} on {action.node}"
    for stream in ("stdout", "stderr"):
        lines = [line for line in action.said if line.stream == stream]
        for number, phrase in enumerate(getattr(expect, stream)):
            if _first_with(phrase, lines) is None:
                came = _none_of(len(lines), stream)
                wanted = f"{name} should write `{phrase}` to {stream}"
                yield Failure((*where, stream, number), wanted, came, evidence(action))
        for number, phrase in enumerate(getattr(expect, f"not_{stream}")):
            if (found := _first_with(phrase, lines)) is not None:
                wanted = f"{name} should not write `{phrase}` to {stream}"
                came = f"it did after {found.at:.2f} s"
                yield Failure((*where, f"not_{stream}", number), wanted, came, evidence(action))


def _none_of(lines: int, stream: str) -> str:
    if not lines:
        return f"nothing came on {stream}"
    return "its only line does not" if lines == 1 else f"none of its {lines} lines does"


def _first_with(phrase: str, lines: Iterable[SaidLine]) -> SaidLine | None:
    return next((line for line in lines if matched(phrase, line.text) is not None), None)


def said_at(expect: Expect, action: ActionRecord) -> Iterator[float | None]:
    """When each of the expected lines came; None for one that never did."""
    for stream in ("stdout", "stderr"):
        lines = [line for line in action.said if line.stream == stream]
        for phrase in getattr(expect, stream):
            found = _first_with(phrase, lines)
            yield None if found is None else found.at


def check_files(expect: Expect, record: Record, action: ActionRecord, where: Where) -> Iterator[Failure]:
    """Files in the folder of its device, once all is over."""
    for number, file in enumerate(expect.file):
        yield from _check_file(file, record, action, (*where, "file", number))


def _check_file(file: FileWanted, record: Record, action: ActionRecord, where: Where) -> Iterator[Failure]:
    found = record.checksums.get((action.node, file.path), NOTHING)
    if found == NOTHING:
        wanted = f"{action.id} should leave {file.path} on {action.node}"
        yield Failure(where, wanted, "there is no such file", evidence(action))
    elif file.sha256 is not None and found != file.sha256:
        yield Failure(where, f"{file.path} on {action.node} should have the SHA-256 {file.sha256}", found)
    elif file.same_as is not None:
        device, _, name = file.same_as.partition("/")
        other = record.checksums.get((device, name), NOTHING)
        if found != other:
            came = f"there is no file {file.same_as}" if other == NOTHING else "their checksums differ"
            yield Failure(where, f"{file.path} on {action.node} should be the same as {file.same_as}", came)


def check_heard(expect: Expect, folder: Path, action: ActionRecord, where: Where) -> Iterator[Failure]:
    """Packets that came in at its device, or at the one that is named, by the captures in ``folder``."""
    for key, packets in (("heard", expect.heard), ("not_heard", expect.not_heard)):
        for number, heard in enumerate(packets):
            place = heard.at or action.node
            came = sum(1 for _ in _came_in(heard, folder, place))
            times = heard.times if key == "heard" else Times(most=0)
            if came < times.least or (times.most is not None and came > times.most):
                wanted = f"{place} should {'hear' if key == 'heard' else 'not hear'} {_words(heard)}"
                yield Failure(
                    (*where, key, number), wanted + _bound(heard, key), f"{came} such packets came in"
                )


def _came_in(heard: PacketsHeard, folder: Path, place: str) -> Iterator[CapturedPacket]:
    node, slash, _ = place.partition("/")
    matcher = Matcher(
        {
            "family": heard.family,
            "cast": heard.cast,
            "protocol": heard.protocol,
            "sources": heard.source,
            "destinations": heard.destination,
            "destination_ports": heard.port,
            "source_ports": heard.source_port,
            "larger_than": heard.larger_than,
        }
    )
    for one in read_node(folder / "captures", node):
        if not one.outbound and (not slash or one.port == place) and matcher.means(one.packet):
            yield one


def _words(heard: PacketsHeard) -> str:
    parts = heard.model_dump(exclude_defaults=True, exclude={"at", "times"})
    return (
        ", ".join(f"{key.replace('_', ' ')} {_shown(value)}" for key, value in parts.items()) or "any packet"
    )


def _shown(value: object) -> str:
    if isinstance(value, tuple) and value and all(isinstance(one, int) for one in value):
        return "-".join(str(one) for one in dict.fromkeys(value))
    return " or ".join(_shown(one) for one in value) if isinstance(value, tuple | list) else str(value)


def _bound(heard: PacketsHeard, key: str) -> str:
    times = heard.times
    if key != "heard" or (times.least, times.most) == (1, None):
        return ""
    return f" {times.least} to {'any number of' if times.most is None else times.most} times"
