"""The states of the handshake as docs/protocol.md prints them, and what must hold of the table itself.

`PYTHONPATH=tests/support python tests/unit/protocol/test_handshake_states.py` writes the printed table anew.
"""

from __future__ import annotations

import pytest

import places
from localpair.keys import Role
from localpair.protocol.handshake_states import RECEIVED, SENT, SILENT, WITH_PAIR_KEY, State

PAGE = places.DOCS / "protocol.md"
BEGIN, END = (
    "<!-- states: written by tests/unit/protocol/test_handshake_states.py -->\n",
    "<!-- end of states -->\n",
)


def moves(role: Role, state: State) -> list[str]:
    """What may happen to a side in a state, in words."""
    received = [f"{kind.__name__.upper()} → {to}" for kind, to in RECEIVED.get((role, state), {}).items()]
    sent = [f"sends {kind.__name__.upper()} → {to}" for kind, to in SENT.get((role, state), {}).items()]
    silent = [f"has recorded → {SILENT[role, state]}"] if (role, state) in SILENT else []
    return received + sent + silent


def printed() -> str:
    rows = [(state, *("; ".join(moves(role, state)) for role in Role)) for state in State]
    lines = ["| state | issuer | joiner |", "|---|---|---|"]
    lines += [f"| {state} | {issuer} | {joiner} |" for state, issuer, joiner in rows if issuer or joiner]
    instead = ", ".join(f"`{state}` is `{known}`" for state, known in WITH_PAIR_KEY.items())
    return "\n".join(lines) + f"\n\nBetween devices that are paired already, {instead}.\n"


def test_the_page_prints_the_table() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert text[text.index(BEGIN) + len(BEGIN) : text.index(END)] == printed()


@pytest.mark.parametrize("role", list(Role))
def test_every_state_is_reached_and_every_way_leads_to_the_end(role: Role) -> None:
    reached, waiting = {State.HELLO}, [State.HELLO]
    while waiting:
        state = waiting.pop()
        following = {*RECEIVED.get((role, state), {}).values(), *SENT.get((role, state), {}).values()}
        following |= {SILENT[role, state]} if (role, state) in SILENT else set()
        following |= {WITH_PAIR_KEY[to] for to in following if to in WITH_PAIR_KEY}
        assert following or state is State.DONE, f"{role} is stuck in {state}"
        waiting += following - reached
        reached |= following
    only_the_issuers = {State.COMMITTED} if role is Role.JOINER else set()
    assert reached == set(State) - {State.ENDED} - only_the_issuers


def test_no_message_is_both_awaited_and_sent_by_both_sides_at_once_but_approve() -> None:
    """Two sides that wait for each other would wait for ever."""
    for key, row in RECEIVED.items():
        assert {kind.__name__ for kind in row.keys() & SENT.get(key, {}).keys()} <= {"Approve"}


if __name__ == "__main__":
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(
        page[: page.index(BEGIN) + len(BEGIN)] + printed() + page[page.index(END) :], encoding="utf-8"
    )
