"""Messages of the application: each delivered once and in order, whatever happens to the connection under it."""

from __future__ import annotations

from collections import deque

from localpair.errors import WireError
from localpair.limits import NOTES_AHEAD, NOTES_AHEAD_BYTES
from localpair.wire.payload import Note, NoteAck


class MessageQueue:
    """Both directions of one session's messages.

    A message is kept until the peer's application has taken it, so that the window bounds the memory of both sides;
    after a new connection those that the peer has not received go out again under their old numbers.
    """

    def __init__(self) -> None:
        self._posted: deque[Note] = deque()  # not taken yet, oldest first
        self._posted_bytes = 0
        self._number = 0
        self._acknowledged = 0
        self._received = 0
        self._taken = 0
        self._waiting: deque[int] = deque()  # sizes of received messages that our application has not taken

    # --- sending

    def room(self, size: int) -> bool:
        """Whether a message of ``size`` bytes may be posted now; one is always allowed."""
        if not self._posted:
            return True
        return len(self._posted) < NOTES_AHEAD and self._posted_bytes + size <= NOTES_AHEAD_BYTES

    @property
    def unacknowledged(self) -> int:
        """How many messages the peer has not said it received."""
        return self._number - self._acknowledged

    def post(self, data: bytes) -> Note:
        """Number a message and keep it until it is taken."""
        self._number += 1
        note = Note(self._number, data)
        self._posted.append(note)
        self._posted_bytes += len(data)
        return note

    def acknowledge(self, ack: NoteAck) -> None:
        """Let go of what the peer's application has taken. Raises WireError for numbers that were never sent."""
        if not ack.taken <= ack.received <= self._number:
            raise WireError("an acknowledgement of messages that were never sent")
        self._acknowledged = max(self._acknowledged, ack.received)
        while self._posted and self._posted[0].number <= ack.taken:
            self._posted_bytes -= len(self._posted.popleft().data)

    def after(self, number: int) -> Note | None:
        """The next message behind ``number``: what a new connection must carry again when the peer has that many."""
        return next((note for note in self._posted if note.number > number), None)

    # --- receiving

    @property
    def received(self) -> int:
        """The number of the last message received."""
        return self._received

    def receive(self, note: Note) -> bool:
        """Whether ``note`` is new and must be delivered.

        Raises WireError for a gap and for a peer that sends more than the window.
        """
        if note.number <= self._received:
            return False
        if note.number != self._received + 1:
            raise WireError(f"message {note.number} after message {self._received}")
        if self._waiting and not self._fits(len(note.data)):
            raise WireError("more messages than the receiver has room for")
        self._received += 1
        self._waiting.append(len(note.data))
        return True

    def take(self) -> None:
        """The application has taken the oldest message that was delivered."""
        self._waiting.popleft()
        self._taken += 1

    def ack(self) -> NoteAck:
        """What to tell the peer."""
        return NoteAck(self._received, self._taken)

    def _fits(self, size: int) -> bool:
        return len(self._waiting) < NOTES_AHEAD and sum(self._waiting) + size <= NOTES_AHEAD_BYTES
