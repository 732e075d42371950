"""What every run must keep to without being asked: clean logs, no secret in them, whole files, ends in
time, and no packet too many or to a wrong place.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from localpair_lab.judge.causes import causes_beside_a_pair
from localpair_lab.judge.conformance import check_conformance, circumstances
from localpair_lab.judge.packets import read_node
from localpair_lab.judge.verdict import Failure
from localpair_lab.plan.model import Plan
from localpair_lab.timeline import ActionRecord, Record

NEVER_LOGGED = (
    "Traceback (most recent call last)",
    "Exception in callback",
    "was never retrieved",
    "was never awaited",
    "ResourceWarning",
)
EXPECT = ("expect",)
SECRET_PIECE = 24  # characters of an offer that nothing else says by chance


def check_invariants(plan: Plan, record: Record, folder: Path) -> Iterator[Failure]:
    """Everything that is wrong in any run of any scenario; ``folder`` holds its captures."""
    yield from _silent_on_the_wire(record, folder)
    yield from _conforms(plan, record, folder)
    for action in record.actions.values():
        if action.is_product:
            yield from _clean(action)
            yield from _silent_about_secrets(record, action)
            yield from _whole(record, action)
            yield from causes_beside_a_pair(action, EXPECT)
        if action.timed_out:
            deadline = next(entry.deadline_s for entry in plan.actions if entry.id == action.id)
            yield Failure(EXPECT, f"{action.id} should end by itself within {deadline:g} s", "it was ended")
    for event in record.unreached:
        yield Failure(("events",), f"the event {event} should happen", "its moment never came")


def _clean(action: ActionRecord) -> Iterator[Failure]:
    for line in (*action.log, *action.stray):
        if any(word in line for word in NEVER_LOGGED):
            yield Failure(EXPECT, f"{action.id} should keep its logs clean", line.strip())
            return
    if action.stray:
        yield Failure(EXPECT, f"{action.id} should write only JSON events to stdout", repr(action.stray[0]))


def _secret_pieces(record: Record) -> Iterator[str]:
    """From the middle of each offer's text, where its secret stands."""
    for who, offers in record.offers.items():
        for offer in offers if record.actions[who].is_product else ():
            piece = offer[len(offer) // 2 :][:SECRET_PIECE]
            if len(piece) == SECRET_PIECE:
                yield piece


def _silent_about_secrets(record: Record, action: ActionRecord) -> Iterator[Failure]:
    traced = [entry.text for entry in record.timeline if entry.kind == "trace" and entry.who == action.id]
    for piece in _secret_pieces(record):
        for place, lines in (("log", action.log), ("trace", traced)):
            if any(piece in line for line in lines):
                wanted = f"{action.id} should not write an offer's secret"
                yield Failure(EXPECT, wanted, f"its {place} holds a piece of it")
                return


def _silent_on_the_wire(record: Record, folder: Path) -> Iterator[Failure]:
    pieces = [piece.encode() for piece in _secret_pieces(record)]
    for path in sorted((folder / "captures").glob("*.pcapng")) if pieces else ():
        seen = path.read_bytes()
        if any(piece in seen for piece in pieces):
            yield Failure(EXPECT, "no offer should cross the wire in plain text", f"one is in {path.name}")


def _conforms(plan: Plan, record: Record, folder: Path) -> Iterator[Failure]:
    others = {action.node for action in plan.actions if not action.is_product}  # may send what they like
    for node in plan.nodes:
        if node.role == "device" and node.name not in others:
            seen = read_node(folder / "captures", node.name)
            for wanted, came in check_conformance(circumstances(plan, record, node), seen):
                yield Failure(EXPECT, f"{node.name} should {wanted}", came)


def _whole(record: Record, action: ActionRecord) -> Iterator[Failure]:
    for event in action.events("received"):
        if record.sent and event.fields.get("sha256") not in record.sent.values():
            name = event.fields.get("path")
            yield Failure(
                EXPECT, f"{action.id} should receive {name} whole", "its checksum is no sent file's"
            )
