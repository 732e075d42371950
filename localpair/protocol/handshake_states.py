"""The states of the handshake, and the one table of what moves each side from state to state.

docs/protocol.md prints these tables; a test holds it current.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TypeAlias

from localpair.keys import Role
from localpair.wire.messages import Approve, Commit, Hello, Identity, Message, Nominate, Proof, Recorded


class State(StrEnum):
    """Where a handshake stands, seen from one side."""

    HELLO = "hello"  # waits for the peer's hello
    PROOF = "proof"  # waits for the peer's proof
    IDENTITY = "identity"  # waits for the peer's identity
    VERIFIED = "verified"  # the peer is known by the offer; the issuer decides, the joiner waits for its word
    APPROVAL = "approval"  # waits for the approval of both sides
    OWN_APPROVAL = "own approval"  # the peer has approved
    PEER_APPROVAL = "peer approval"  # this side has approved
    COMMIT = "commit"  # both have approved: the issuer chooses the pair's key, the joiner waits for it
    COMMITTED = "committed"  # the issuer waits until the joiner has recorded the pair
    UNCONFIRMED = "unconfirmed"  # this side records the pair as unconfirmed
    RECORDED = "recorded"  # it has, and waits until the peer has
    PAIRED = "paired"  # this side records the pair as paired
    KNOWN = "known"  # the peer is known by the pair's key; otherwise as VERIFIED
    MEETING = "meeting"  # paired devices meet again on the nominated connection
    DONE = "done"
    ENDED = "ended"


Table: TypeAlias = dict[tuple[Role, State], dict[type[Message], State]]

# REFUSE may come, and ends the handshake, in every state but ENDED.
RECEIVED: Table = {
    (Role.ISSUER, State.HELLO): {Hello: State.PROOF},
    (Role.JOINER, State.HELLO): {Hello: State.PROOF},
    (Role.ISSUER, State.PROOF): {Proof: State.IDENTITY},
    (Role.JOINER, State.PROOF): {Proof: State.IDENTITY},
    (Role.ISSUER, State.IDENTITY): {Identity: State.VERIFIED},
    (Role.JOINER, State.IDENTITY): {Identity: State.VERIFIED},
    (Role.JOINER, State.VERIFIED): {Nominate: State.APPROVAL},
    (Role.ISSUER, State.APPROVAL): {Approve: State.OWN_APPROVAL},
    (Role.JOINER, State.APPROVAL): {Approve: State.OWN_APPROVAL},
    (Role.ISSUER, State.PEER_APPROVAL): {Approve: State.COMMIT},
    (Role.JOINER, State.PEER_APPROVAL): {Approve: State.COMMIT},
    (Role.JOINER, State.COMMIT): {Commit: State.UNCONFIRMED},
    (Role.ISSUER, State.COMMITTED): {Recorded: State.UNCONFIRMED},
    (Role.ISSUER, State.RECORDED): {Recorded: State.PAIRED},
    (Role.JOINER, State.RECORDED): {Recorded: State.PAIRED},
    (Role.JOINER, State.KNOWN): {Nominate: State.MEETING},
    (Role.ISSUER, State.MEETING): {Recorded: State.DONE},
}
"""By the side's role and state: the messages that it may receive, and its next state."""

SENT: Table = {
    (Role.ISSUER, State.VERIFIED): {Nominate: State.APPROVAL},
    (Role.ISSUER, State.APPROVAL): {Approve: State.PEER_APPROVAL},
    (Role.JOINER, State.APPROVAL): {Approve: State.PEER_APPROVAL},
    (Role.ISSUER, State.OWN_APPROVAL): {Approve: State.COMMIT},
    (Role.JOINER, State.OWN_APPROVAL): {Approve: State.COMMIT},
    (Role.ISSUER, State.COMMIT): {Commit: State.COMMITTED},
    (Role.ISSUER, State.UNCONFIRMED): {Recorded: State.RECORDED},
    (Role.JOINER, State.UNCONFIRMED): {Recorded: State.RECORDED},
    (Role.JOINER, State.PAIRED): {Recorded: State.DONE},
    (Role.ISSUER, State.KNOWN): {Nominate: State.MEETING},
    (Role.JOINER, State.MEETING): {Recorded: State.DONE},
}
"""The messages by which a side moves itself on. Those that only answer one (HELLO, PROOF, IDENTITY) are not here."""

SILENT: dict[tuple[Role, State], State] = {(Role.ISSUER, State.PAIRED): State.DONE}
"""What is on disk moves the issuer on without a word: the joiner had the last one."""

WITH_PAIR_KEY: dict[State, State] = {State.VERIFIED: State.KNOWN}
"""The state that takes the place of another one between devices that are paired already."""
