"""What a device does in a plan, the files that it finds, and what its programs say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from localpair_lab.plan.changes import When

PRODUCT = "@localpair"
PROGRAM = "@program"


@dataclass(frozen=True, slots=True)
class SampleFile:
    """A file made in the node's state folder before an action starts, of pseudo-random bytes from the
    plan's seed.
    """

    name: str
    size: int


@dataclass(frozen=True, slots=True)
class FileContent:
    """A file made in the node's state folder before an action starts: ``text``, or without it what is in the file
    ``source`` of the scenario's own folder. The node's programs may run it.
    """

    name: str
    text: str | None = None
    source: str = ""


@dataclass(frozen=True, slots=True)
class OutputWords:
    """What the lines of a program mean. ``events``: each event's name and the phrase (``words.phrases``) of its lines.
    ``json``: a line of stdout that is a JSON object with ``event`` is that event. ``port`` with its protocol: the event
    ``ready`` is that something listens there.
    """

    events: tuple[tuple[str, str], ...] = ()
    json: bool = False
    port: tuple[str, int] | None = None


PRODUCT_WORDS = OutputWords(json=True)
"""localpair's own."""


@dataclass(frozen=True, slots=True)
class Action:
    """One program on one device.

    ``argv`` is complete: ``@localpair`` first, or ``@program`` before the words of a program of the author's own.
    ``offer_from`` names the action whose last ``offer`` event is written to this one's stdin (with a line feed; stdin
    is then closed), at the moment ``offer_at``; empty: nothing is. ``answer_from`` names the action whose last
    ``answer`` event is written there likewise, at ``answer_at``. ``stdin`` is written there at the start. ``stop`` is
    the signal that ends the process at the moment ``stop_at`` (both None: it ends by itself or at the end of the run,
    when what still runs is interrupted with SIGINT). ``deadline_s`` counts from its start: a process that still runs
    then and is not ``background`` is a failure. Of the ``wanted_files`` of the node the checksum is taken in the end.
    ``gives_up``: its deadline ends an attempt that has failed, as a person's patience does. The word ``@offer`` in
    ``argv`` is the offer itself; nothing is written to stdin then.
    """

    id: str
    node: str
    verb: str
    argv: tuple[str, ...]
    when: When
    deadline_s: float
    offer_from: str = ""
    offer_at: When | None = None
    answer_from: str = ""
    answer_at: When | None = None
    files: tuple[SampleFile | FileContent, ...] = ()
    stdin: str = ""
    words: OutputWords = PRODUCT_WORDS
    wanted_files: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    stop: Literal["", "interrupt", "kill"] = ""
    stop_at: When | None = None
    background: bool = False
    gives_up: bool = False

    @property
    def is_product(self) -> bool:
        """Whether it runs localpair, so that localpair's own promises hold of it."""
        return self.argv[0] == PRODUCT
