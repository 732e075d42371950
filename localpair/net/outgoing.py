"""Sending files: the pump between the reading thread, the sender's machine and the connection."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from localpair.errors import LocalError, LocalpairError, TransferError
from localpair.events import Event, Progress, Sent
from localpair.limits import PROGRESS_S
from localpair.net.link import Link
from localpair.net.reading import (
    Backlog,
    Chunk,
    Crashed,
    Exhausted,
    FileReader,
    Item,
    Opened,
    Read,
    Unreadable,
    Whole,
)
from localpair.net.walking import Skipped, Source, count, top_sources, walk
from localpair.net.workers import Workers
from localpair.protocol.sending import BatchDone, EntrySettled, Sender, StoppedByReceiver
from localpair.wire.payload import Accept, Attach, Closed, Kind, Partial, SendPhase, Settled, Stop, Total
