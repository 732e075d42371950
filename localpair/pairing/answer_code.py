"""The answer code: whoever joins shows it where only a person can tell whoever hosts where it is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace

from localpair.candidate import Candidate, Origin
from localpair.keys import SharedSecret
from localpair.limits import ANSWER_CODE_AFTER_S, ANSWER_CODE_LOOK_S, SIMULTANEOUS_AFTER_S
from localpair.net.agent.agent import Agent
from localpair.net.host.routes import sources_towards
from localpair.protocol.keyring import OFFER
from localpair.ranking import select_for_answer
from localpair.wire.answer import Answer


async def answer_codes(
    agent: Agent, secret: SharedSecret, offered: Sequence[Candidate], may_help: Callable[[], bool]
) -> AsyncIterator[str]:
    """The texts to show, one after the other: the first once pairing has been quiet for ANSWER_CODE_AFTER_S, and
    another one whenever our addresses have changed. ``offered`` are the issuer's addresses as the offer has them;
    ``may_help`` says whether a code could help as things stand.
    """
    clock = asyncio.get_running_loop().time
    quiet_since, shown = clock(), ""
    while True:
        await asyncio.sleep(ANSWER_CODE_LOOK_S)
        if agent.meets_somebody():
            quiet_since = clock()
        if clock() - quiet_since < ANSWER_CODE_AFTER_S or agent.is_heard_by(OFFER):
            continue  # the issuer knows by itself where we are, or will in a moment
        if not may_help():
            continue
        text = _answer_code(agent, secret, offered)
        if text and text != shown:
            shown = text
            yield text


def _answer_code(agent: Agent, secret: SharedSecret, offered: Sequence[Candidate]) -> str:
    """Where we can be called, as a text; empty where we have no address."""
    interfaces = agent.interfaces
    foreign = [one for one in offered if not interfaces.is_own(one.address)]
    addresses = select_for_answer(
        agent.own_candidates(), interfaces.interfaces, frozenset(sources_towards(foreign))
    )
    if not addresses:
        return ""
    return Answer(agent.tcp_port, agent.dial_port, addresses).text(secret)


def accept_answer_code(agent: Agent, answer: Answer) -> tuple[Candidate, ...]:
    """Treat the addresses of ``answer`` like others that are known: dial them, and send every beacon there too."""
    listeners = [
        Candidate(address, answer.port, origin=Origin.ANSWER, via="answer") for address in answer.addresses
    ]
    agent.note_dropped(answer.dropped)
    call(agent, listeners, answer.dial_port)
    agent.add_target(answer.addresses, answer.port)
    agent.resume_announcing()
    return tuple(listeners)


def call(agent: Agent, listeners: Sequence[Candidate], dial_port: int) -> None:
    """Dial a peer's listeners; and, a little later, its dial port (0: none) from ours, whether or not it is heard: it
    may have heard us, or been told where we are, and do the same.
    """
    agent.add(OFFER, listeners)
    own_port = agent.dial_port
    if own_port and dial_port:
        both = [replace(one, port=dial_port, dial_from=own_port) for one in listeners]
        agent.add(OFFER, both, delay=SIMULTANEOUS_AFTER_S)
