"""The handshake inside TLS: from two strangers on one connection to one recorded pair.

    issuer (TLS server)                      joiner (TLS client, certificate pinned)
                       <------------------     HELLO            names the secret, to its holder, here and now
      HELLO            ------------------>
                       <------------------     PROOF            of the secret, over the transcript
      PROOF, IDENTITY  ------------------>                      only after the joiner's proof was right; a commitment
                       <------------------     IDENTITY         device key, signature, share of the short code
      NOMINATE         ------------------>                      this connection and no other; share of the short code
      APPROVE          <----------------->     APPROVE          each side's person, or nothing to ask
      COMMIT           ------------------>                      the pair's key; the joiner records it
                       <------------------     RECORDED         the issuer records it
      RECORDED         ------------------>                      the joiner marks it paired
                       <------------------     RECORDED         the issuer marks it paired

With a pair's key in place of the offer's secret (reconnect) the joiner answers NOMINATE with RECORDED, and that
is all: both have approved and recorded before.

Nothing that identifies a device is sent before the other side has proven the secret. The machine is told what the
world does (``nominate``, ``approve``, ``commit``, ``recorded``) and tells it what to do (events); what does not fit
its state raises WireError and ends the connection.
"""

from __future__ import annotations

import hmac
from collections import deque
from dataclasses import field
from typing import TypeAlias

from localpair.address import IPAddress
from localpair.dataclass import dataclass
from localpair.errors import Refusal, RefusedError, SameRoleError, WireError
from localpair.keys import (
    MAC_BYTES,
    DeviceIdentity,
    ProvingKeys,
    Purpose,
    Role,
    SharedSecret,
    check_signature,
    device_id,
    digest,
)
from localpair.protocol.handshake_states import RECEIVED, SENT, SILENT, WITH_PAIR_KEY, State
from localpair.protocol.keyring import Keyring, StrangerError
from localpair.protocol.short_code import NO_CODE, CodeExchange, PeerShare, check_opening
from localpair.wire.messages import (
    REASONS,
    Approve,
    Claims,
    Commit,
    Hello,
    Identity,
    Message,
    Nominate,
    Proof,
    Recorded,
    Refuse,
    decode_message,
)


@dataclass(frozen=True, slots=True)
class Verified:
    """The peer has proven the secret and its device key. ``secret`` is the secret's name in the keyring."""

    public_key: bytes
    device_id: str
    label: str
    instance: bytes
    secret: str
    called: IPAddress  # our address as the peer sees it
    peer_gives: bool
    peer_takes: bool
    via: str  # how the peer knew our address, where it dialled
    peer_resumes: bool  # a session of ours is to go on here


@dataclass(frozen=True, slots=True)
class Nominated:
    """The issuer chose this connection. ``code`` is what both screens show; empty between paired devices."""

    code: str = ""


@dataclass(frozen=True, slots=True)
class ApprovalNeeded:
    """Ask the person about this code, then call ``approve()`` or ``refuse()``."""

    code: str


@dataclass(frozen=True, slots=True)
class CommitNeeded:
    """Issuer: everybody has approved; call ``commit()`` with the pair's key."""


@dataclass(frozen=True, slots=True)
class RecordUnconfirmed:
    """Record the pair durably as unconfirmed under this key, then call ``recorded()``."""

    pair_key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class RecordPaired:
    """Mark the pair durably as paired, then call ``recorded()``."""


@dataclass(frozen=True, slots=True)
class Complete:
    """Both sides have recorded the pair, or have met again: the session may start."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The peer said no; ``reason`` None means that another connection of ours was chosen.

    ``proven``: whoever said so holds the secret. Otherwise anybody may have said it.
    """

    reason: Refusal | None
    proven: bool


HandshakeEvent: TypeAlias = (
    Verified
    | Nominated
    | ApprovalNeeded
    | CommitNeeded
    | RecordUnconfirmed
    | RecordPaired
    | Complete
    | Refused
)


@dataclass(frozen=True, slots=True)
class LocalSide:
    """What this side brings into a handshake.

    ``nonce`` is random and used once; ``code_nonce`` (32 bytes) is random, too, and becomes this side's share of the
    short code if this is the first handshake with the offer.
    """

    role: Role
    identity: DeviceIdentity
    label: str
    instance: bytes
    nonce: bytes = field(repr=False)
    code_nonce: bytes = field(repr=False)
    gives: bool = False
    takes: bool = False
    via: str = ""
    resumes: bool = False


class Handshake:
    """One side of the handshake on one connection.

    ``secret`` names the secret that the joiner means; the issuer finds it by the joiner's hello (None).
    ``certificate`` is the fingerprint of the TLS server's certificate, and ``called`` the peer's address.
    """

    def __init__(
        self,
        local: LocalSide,
        keyring: Keyring,
        certificate: bytes,
        called: IPAddress,
        secret: str | None = None,
    ) -> None:
        self._local, self._keyring, self._certificate = local, keyring, certificate
        self._role, self._called, self._secret = local.role, called, secret
        self._shared: SharedSecret | None = None
        self._exchange: CodeExchange | None = None  # None between paired devices: nothing is compared there
        if secret is not None:
            self._mean(secret)
        self.state = State.HELLO
        self._outgoing: deque[Message] = deque()
        self._events: deque[HandshakeEvent] = deque()
        self._own_hello = self._peer_hello = b""
        self._claims: Claims | None = None
        self._share: PeerShare | None = None
        self._proving: ProvingKeys | None = None
        self._is_named = False  # the peer has named our secret: it holds it
        self._code = ""
        self._pair_key: bytes | None = None
        if self._role is Role.JOINER:
            self._say_hello()

    @property
    def role(self) -> Role:
        """Our own part in the pairing."""
        return self._role

    @property
    def purpose(self) -> Purpose:
        """What the secret is for that is meant here."""
        return self._shared.purpose if self._shared is not None else Purpose.OFFER

    def __repr__(self) -> str:
        return f"<Handshake {self._role} {self.state}>"

    # -- what the world does ------------------------------------------------------------------------------------

    def receive(self, kind: int, body: bytes) -> None:
        """Take one frame. Raises WireError for what does not belong here, StrangerError where an issuer does not know
        the secret, and RefusedError for any other reason to refuse the peer.
        """
        message = decode_message(kind, body)
        if self.state is State.ENDED:
            raise WireError("a message after the end of the handshake")
        if isinstance(message, Refuse):
            self.state = State.ENDED
            self._events.append(Refused(message.reason, self._has_refused(message)))
            return
        following = RECEIVED.get((self._role, self.state), {}).get(type(message))
        if following is None:
            raise WireError(f"{type(message).__name__} does not belong in state {self.state}")
        self._take(message, body)
        self._enter(following)

    def nominate(self) -> None:
        """Issuer: this connection is the one. Raises RefusedError unless ``may_be_nominated``."""
        self._require(Nominate)
        share = NO_CODE
        if self._exchange is not None:
            self._exchange.bind(self._peer_share)
            share = self._exchange.nonce
            self._code = self._short_code(share, self._peer_share.value)
        self._say(Nominate(share))

    def approve(self) -> None:
        """This side's person agrees."""
        self._say(Approve())

    def commit(self, pair_key: bytes) -> None:
        """Issuer: ask the joiner to record the pair; the same key each time a pairing is tried again."""
        self._pair_key = pair_key
        self._say(Commit(pair_key))

    def recorded(self) -> None:
        """What the last Record event asked for is on disk."""
        following = SILENT.get((self._role, self.state))
        if following is None:
            self._say(Recorded())
        else:
            self._enter(following)

    def refuse(self, reason: Refusal | None) -> None:
        """End the connection and tell the peer why, where it holds the secret. All others hear one and the same."""
        if self.state is not State.ENDED:
            self._send(self._refusal(reason))
            self.state = State.ENDED

    # -- what the world is to do --------------------------------------------------------------------------------

    def take_outgoing(self) -> list[tuple[int, bytes]]:
        """The frames to send now, in order."""
        frames = [(message.TYPE, message.encode()) for message in self._outgoing]
        self._outgoing.clear()
        return frames

    def take_events(self) -> list[HandshakeEvent]:
        """What happened since the last call."""
        events = list(self._events)
        self._events.clear()
        return events

    @property
    def proven_instance(self) -> bytes | None:
        """Which run of the peer's this is, once it has proven the secret and said so."""
        return self._claims.instance if self._claims is not None else None

    @property
    def may_be_nominated(self) -> bool:
        """Issuer: whether our share of the code was shown to nobody else, nor to this device with another share."""
        return self._exchange is None or self._exchange.admits(self._peer_share)

    @property
    def must_approve(self) -> bool:
        """Whether this side's person is asked: whoever gives data is, and the issuer besides, since its offer may
        have been read by somebody else. Only an issuer that is there to take what the joiner gives is not asked.
        """
        local, peer = self._local, self._claims
        if peer is None or local.gives:
            return True
        return self._role is Role.ISSUER and not (local.takes and peer.gives)

    # -- inside -------------------------------------------------------------------------------------------------

    def _take(self, message: Message, body: bytes) -> None:
        """Check a message that belongs here, and keep what it tells. Raises WireError or RefusedError."""
        match message:
            case Hello():
                self._take_hello(message, body)
            case Proof(proof):
                self._take_proof(proof)
            case Identity():
                self._take_identity(message)
            case Nominate(opening):
                self._take_nomination(opening)
            case Commit(pair_key):
                self._pair_key = pair_key
            case _:
                pass  # APPROVE and RECORDED tell nothing but that they came

    def _enter(self, state: State) -> None:
        """Go on to a state, and do what it begins with."""
        self.state = state if self._meant.purpose is Purpose.OFFER else WITH_PAIR_KEY.get(state, state)
        match self.state:
            case State.VERIFIED | State.KNOWN:
                self._events.append(self._verified())
            case State.APPROVAL:
                self._ask()
            case State.COMMIT if self._role is Role.ISSUER:
                self._events.append(CommitNeeded())
            case State.UNCONFIRMED:
                self._events.append(RecordUnconfirmed(self._key_of_pair))
            case State.PAIRED:
                self._events.append(RecordPaired())
            case State.MEETING:
                self._meet_again()
            case State.DONE:
                self._events.append(Complete())
            case _:
                pass  # it waits for the peer

    def _take_hello(self, hello: Hello, body: bytes) -> None:
        if hello.role is self._role:
            raise SameRoleError(f"both sides are {self._role}")
        self._peer_hello = body
        if self._role is Role.ISSUER:
            self._find_meant(hello)
            self._say_hello()
        elif not self._names(hello, self._meant):
            raise StrangerError(f"a device answered that does not know this {self.purpose}")
        self._is_named = True
        self._proving = self._meant.proving(self._transcript())
        if self._role is Role.JOINER:
            self._send(Proof(self._proving.proof(Role.JOINER)))

    def _find_meant(self, hello: Hello) -> None:
        meant = self._keyring.meant(lambda secret: self._names(hello, secret))
        if meant.name is None:
            self._shared, self._is_named = meant.secret, meant.secret is not None
            raise RefusedError(meant.why, "the peer means another offer or another pair")
        self._secret = meant.name
        self._mean(meant.name)

    def _names(self, hello: Hello, secret: SharedSecret) -> bool:
        """Whether the peer names this secret, on this very connection."""
        question = self._own_hello if self._role is Role.JOINER else b""
        tag = secret.hello_tag(self._role.other, self._certificate, question, hello.nonce)
        return hmac.compare_digest(tag, hello.tag)

    def _mean(self, secret: str) -> None:
        """Take the secret, and what goes with it, as they are now: an offer may be replaced meanwhile."""
        self._shared = self._keyring[secret]
        if self._shared.purpose is Purpose.OFFER:
            self._exchange = self._keyring.code_exchange(secret, self._local.code_nonce)

    def _take_proof(self, proof: bytes) -> None:
        self._keys.check_proof(self._role.other, proof)
        self._check_still_held()
        if self._role is Role.ISSUER:
            self._send(Proof(self._keys.proof(Role.ISSUER)))
            self._send_identity()

    def _take_identity(self, identity: Identity) -> None:
        self._check_still_held()
        transcript = self._transcript()
        check_signature(
            identity.public_key, identity.signature, self._role.other, transcript, identity.claims
        )
        claims = self._claims = Claims.decode(identity.claims)
        if claims.instance == self._local.instance:
            raise RefusedError(Refusal.SELF, "this device answered itself")
        own = self._local.identity.public
        if identity.public_key == own:
            raise RefusedError(
                Refusal.SELF,
                "the other side has this very device's identity",
                hint="two runs on one computer need a LOCALPAIR_HOME each; on a device that was cloned from another "
                "one, remove the clone's localpair state folder",
            )
        self._share = PeerShare(identity.public_key, claims.code)
        if self._role is Role.JOINER:
            if self._exchange is not None:
                self._exchange.bind(self._share)
            self._send_identity()

    def _verified(self) -> Verified:
        peer, key = self._peer_claims, self._peer_share.public_key
        return Verified(
            key, device_id(key), peer.label, peer.instance, self._name,
            peer.called, peer.gives, peer.takes, peer.via, peer.resumes,
        )  # fmt: skip

    def _check_still_held(self) -> None:
        """Whoever began with a secret that has ended meanwhile (expired, used up, revoked) comes too late."""
        if not self._keyring.holds(self._name, self._meant):
            paired = self._meant.purpose is Purpose.PAIR
            reason = Refusal.UNKNOWN_DEVICE if paired else Refusal.EXPIRED
            raise RefusedError(reason, "the secret ended while the handshake was under way")

    def _take_nomination(self, opening: bytes) -> None:
        if self._exchange is not None:
            share = self._peer_share
            check_opening(share.value, self._certificate, share.public_key, opening)
            self._code = self._short_code(opening, self._exchange.nonce)

    def _short_code(self, issuer_nonce: bytes, joiner_nonce: bytes) -> str:
        keys = (self._local.identity.public, self._peer_share.public_key)
        issuer_key, joiner_key = keys if self._role is Role.ISSUER else keys[::-1]
        return self._meant.short_code(self._certificate, issuer_key, joiner_key, issuer_nonce, joiner_nonce)

    def _ask(self) -> None:
        self._events.append(Nominated(self._code))
        if self.must_approve:
            self._events.append(ApprovalNeeded(self._code))
        else:
            self.approve()

    def _meet_again(self) -> None:
        """Both have approved and recorded before."""
        self._events.append(Nominated())
        if self._role is Role.JOINER:
            self._say(Recorded())

    def _say_hello(self) -> None:
        nonce = self._local.nonce
        tag = self._meant.hello_tag(self._role, self._certificate, self._peer_hello, nonce)
        hello = Hello(self._role, nonce, tag)
        self._own_hello = hello.encode()
        self._send(hello)

    def _send_identity(self) -> None:
        local = self._local
        claims = Claims(
            self._own_code(), local.instance, self._called, local.gives, local.takes, local.via, local.resumes,
            local.label,
        ).encode()  # fmt: skip
        signature = local.identity.sign(self._role, self._transcript(), claims)
        self._send(Identity(local.identity.public, signature, claims))

    def _refusal(self, reason: Refusal | None) -> Refuse:
        """With its reason for whoever has named our secret; for all others one that says nothing and looks the same."""
        if self._shared is None or not self._is_named or reason is Refusal.WRONG_SECRET:
            random_looking = digest(b"localpair v1 no refusal", self._local.nonce)[:MAC_BYTES]
            return Refuse(REASONS.index(Refusal.WRONG_SECRET), random_looking)
        code = REASONS.index(reason)
        return Refuse(code, self._shared.refusal_mac(self._role, self._certificate, self._question, code))

    def _has_refused(self, message: Refuse) -> bool:
        """Whether it is a holder of the secret that refuses, on this very connection."""
        if self._shared is None:
            return False
        mac = self._shared.refusal_mac(self._role.other, self._certificate, self._question, message.code)
        return hmac.compare_digest(mac, message.mac)

    @property
    def _question(self) -> bytes:
        """The joiner's HELLO."""
        return self._own_hello if self._role is Role.JOINER else self._peer_hello

    def _own_code(self) -> bytes:
        if self._exchange is None:
            return NO_CODE
        if self._role is Role.JOINER:
            return self._exchange.nonce
        return self._exchange.commitment(self._certificate, self._local.identity.public)

    def _transcript(self) -> bytes:
        """Everything that was said in clear inside TLS, in the order of roles, under the server's certificate."""
        hellos = (self._own_hello, self._peer_hello)
        issuer, joiner = hellos if self._role is Role.ISSUER else hellos[::-1]
        purpose = self._meant.purpose.encode()
        return digest(b"localpair handshake v1", purpose, self._certificate, issuer, joiner)

    def _send(self, message: Message) -> None:
        self._outgoing.append(message)

    def _say(self, message: Message) -> None:
        """Send a message that moves this side on."""
        self._require(type(message))
        self._send(message)
        self._enter(SENT[self._role, self.state][type(message)])

    def _require(self, message: type[Message]) -> None:
        if message not in SENT.get((self._role, self.state), {}):
            raise ValueError(f"{message.__name__} is not possible for the {self._role} in state {self.state}")

    @property
    def _name(self) -> str:
        assert self._secret is not None, "the joiner names the secret, the issuer has found it"  # noqa: S101
        return self._secret

    @property
    def _meant(self) -> SharedSecret:
        assert self._shared is not None, "the joiner names the secret, the issuer has found it"  # noqa: S101
        return self._shared

    @property
    def _peer_share(self) -> PeerShare:
        assert self._share is not None, "the peer's identity was taken"  # noqa: S101
        return self._share

    @property
    def _key_of_pair(self) -> bytes:
        assert self._pair_key is not None, "there was a commit"  # noqa: S101
        return self._pair_key

    @property
    def _keys(self) -> ProvingKeys:
        assert self._proving is not None, "both hellos were said"  # noqa: S101
        return self._proving

    @property
    def _peer_claims(self) -> Claims:
        assert self._claims is not None, "the peer's identity was taken"  # noqa: S101
        return self._claims
