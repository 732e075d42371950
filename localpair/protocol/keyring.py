"""The secrets a process answers to, each under a name, and the beacons sealed with them."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator

from localpair.dataclass import dataclass
from localpair.errors import Refusal, WireError
from localpair.keys import BEACON_NONCE_BYTES, BEACON_TAG_BYTES, SharedSecret, digest
from localpair.protocol.replays import marks_of
from localpair.protocol.short_code import CodeExchange
from localpair.trust.marks import NOTHING_HEARD, Marks, raised
from localpair.wire.beacon import Beacon, Envelope, Mode

OFFER = "offer"
"""The name under which the offer's secret is kept; pairs are kept under their device id."""


_RETIRED = 8
_RECENT_NONCES = 256  # a beat comes back within milliseconds


@dataclass(frozen=True, slots=True)
class Meant:
    """What a peer has named: a secret that is held here, under ``name``; or one that has ended, and ``why``; or none
    that is known.
    """

    secret: SharedSecret | None = None
    name: str | None = None
    why: Refusal = Refusal.WRONG_SECRET


class Keyring:
    """Named secrets. An empty ring means flow post before the offer: open beacons only."""

    def __init__(self, secrets: Iterable[tuple[str, SharedSecret]] = ()) -> None:
        self._secrets = dict(secrets)
        self._retired: deque[tuple[SharedSecret, Refusal]] = deque(maxlen=_RETIRED)
        self._revoked: tuple[SharedSecret, ...] = ()
        self._codes: dict[str, CodeExchange] = {}
        self._heard: dict[str, Marks] = {}

    def __repr__(self) -> str:
        return f"<Keyring of {len(self._secrets)}>"

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._secrets))

    def __len__(self) -> int:
        return len(self._secrets)

    def __contains__(self, name: object) -> bool:
        return name in self._secrets

    def __getitem__(self, name: str) -> SharedSecret:
        return self._secrets[name]

    def holds(self, name: str, secret: SharedSecret) -> bool:
        """Whether this very secret is still kept under this name, and was not replaced, revoked or used up."""
        kept = self._secrets.get(name)
        return kept is not None and kept.same_as(secret)

    def put(self, name: str, secret: SharedSecret, heard: Marks = NOTHING_HEARD) -> None:
        """Keep a secret under a name, in place of another one. ``heard`` is what was heard with it in earlier runs."""
        if not self.holds(name, secret):
            self.drop(name)
        self._secrets[name] = secret
        self._heard[name] = raised(self.heard(name), heard)

    def heard(self, name: str) -> Marks:
        """How far the beacons sealed with this secret have been heard."""
        return self._heard.get(name, NOTHING_HEARD)

    def note_heard(self, name: str, beacon: Beacon) -> None:
        """A beacon sealed with this secret was heard: earlier ones are recordings from now on."""
        self._heard[name] = raised(self.heard(name), marks_of(beacon))

    def drop(self, name: str) -> None:
        """Forget a secret; a name that is not there is no error."""
        self._secrets.pop(name, None)
        self._heard.pop(name, None)
        self._codes.pop(name, None)

    def retire(self, name: str, why: Refusal = Refusal.EXPIRED) -> None:
        """Forget a secret for everything but telling its late users that it has ended, and ``why``."""
        secret = self._secrets.get(name)
        self.drop(name)
        if secret is not None:
            self._retired.append((secret, why))

    def code_exchange(self, name: str, nonce: bytes) -> CodeExchange:
        """The one exchange of the short code that goes with this secret; ``nonce`` is used if there is none yet."""
        return self._codes.setdefault(name, CodeExchange(nonce))

    def revoke(self, secrets: Iterable[SharedSecret]) -> None:
        """Tell the holders of these, and of no others, that their pair was revoked."""
        self._revoked = tuple(secrets)

    def meant(self, names: Callable[[SharedSecret], bool]) -> Meant:
        """What a peer means, where ``names`` tells whether it has named a secret.

        Every secret is asked, also after one was found: the time that it takes says nothing.
        """
        held = [Meant(secret, name) for name, secret in self._secrets.items() if names(secret)]
        ended = [Meant(secret, why=why) for secret, why in self._retired if names(secret)]
        revoked = [Meant(secret, why=Refusal.REVOKED) for secret in self._revoked if names(secret)]
        return next(iter([*held, *revoked, *ended]), Meant())

    def find(self, nonce: bytes, tag: bytes, carrier: bytes) -> str | None:
        """The name of the secret that made this tag, if it is here."""
        for name, secret in self._secrets.items():
            if secret.recognises(nonce, tag, carrier):
                return name
        return None

    def open(self, envelope: Envelope, carrier: bytes = b"") -> tuple[str | None, Beacon]:
        """The name of the secret and the beacon it authenticated; None and a hint for an open beacon.

        ``carrier`` is that of ``SharedSecret.tag``. Raises WireError where no secret opens it; ``StrangerError`` where
        it merely is somebody else's.
        """
        if envelope.mode is Mode.OPEN:
            return None, Beacon.decode(envelope.unverified)
        name = self.find(envelope.nonce, envelope.tag, carrier)
        if name is None:
            raise StrangerError("a beacon of somebody else's pairing")
        body = self._secrets[name].open(envelope.nonce, envelope.unverified, envelope.header, carrier)
        return name, Beacon.decode(body)

    def seal(self, name: str | None, beacon: Beacon, nonce: bytes, carrier: bytes = b"") -> bytes:
        """The datagram of a beacon, sealed with a secret, or open where ``name`` is None. A nonce is used once."""
        if name is None:
            tag = digest(b"localpair open beacon", nonce)[:BEACON_TAG_BYTES]
            padding = bytes(16)
            return Envelope(Mode.OPEN, nonce, tag, beacon.encode() + padding).encode()
        secret = self._secrets[name]
        frame = Envelope(Mode.SEALED, nonce, secret.tag(nonce, carrier), b"")
        return frame.header + secret.seal(nonce, beacon.encode(), frame.header, carrier)


class Nonces:
    """Nonces that never repeat, from one random seed: a protocol object has no generator of its own."""

    def __init__(self, seed: bytes) -> None:
        self._seed = seed
        self._count = 0
        self._recent: OrderedDict[bytes, None] = OrderedDict()

    def __repr__(self) -> str:
        return "<Nonces>"

    def take(self, size: int = BEACON_NONCE_BYTES) -> bytes:
        """The next nonce; ``size`` up to 32 bytes."""
        self._count += 1
        nonce = digest(b"localpair nonces", self._seed, self._count.to_bytes(8, "big"))[:size]
        self._recent[nonce] = None
        if len(self._recent) > _RECENT_NONCES:
            self._recent.popitem(last=False)
        return nonce

    def is_recent(self, nonce: bytes) -> bool:
        """Whether it is one of the last ones: multicast comes back to its sender."""
        return nonce in self._recent

    def jitter(self) -> float:
        """A number in [-1, 1) for spreading beats."""
        return int.from_bytes(self.take(4), "big") / 2**31 - 1.0


class StrangerError(WireError):
    """Whoever says this holds no secret of ours, or did not show it."""
