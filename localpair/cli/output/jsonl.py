"""Events as JSON, one object a line, for programs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final, TextIO

from localpair import events
from localpair.cli.output import json_fields, results

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_PROGRESS_GAP_S: Final = 0.1  # ten lines a second and direction are enough for any bar


class JsonLines:
    """Writes items to a stream, each flushed, and one ``done`` or ``failed`` at the end.

    ``clock`` gives monotonic seconds. Every method raises BrokenPipeError where nobody reads any more.
    """

    def __init__(self, stream: TextIO, clock: Callable[[], float]) -> None:
        self._stream = stream
        self._clock = clock
        self._shown: dict[tuple[str, str], tuple[float, str]] = {}  # device and direction: when, which file

    def show(self, item: results.Item) -> None:
        """Write one event; progress that comes too often is left out."""
        device, told = (item.peer.device_id, item.item) if isinstance(item, results.About) else ("", item)
        if not isinstance(told, events.Progress) or self._is_due(device, told):
            self._write(*json_fields.of_item(item))

    def show_all(self, items: Sequence[results.Item]) -> None:
        """Write one event for each."""
        for item in items:
            self.show(item)

    def done(self, exit_code: int = 0) -> None:
        """Write the last line of a run that did what was asked."""
        self._write("done", {"exit_code": exit_code})

    def failed(self, failure: results.RunFailure) -> None:
        """Write the last line of any other run."""
        self._write("failed", json_fields.of_failure(failure))

    def _write(self, name: str, values: json_fields.Fields) -> None:
        line = json.dumps({"event": name, "t": round(self._clock(), 6), **values})
        self._stream.write(line + "\n")
        self._stream.flush()

    def _is_due(self, device: str, item: events.Progress) -> bool:
        now, which = self._clock(), (device, item.direction)
        last, file = self._shown.get(which, (0.0, ""))
        ended = item.file == file and item.bytes == item.total
        if now - last < _PROGRESS_GAP_S and not ended:
            return False
        self._shown[which] = (now, item.file)
        return True
