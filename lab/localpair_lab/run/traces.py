"""The product's traces: each program of an action writes one where it runs, and the timeline takes them all."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from localpair_lab.engines.base import Running
from localpair_lab.errors import LabError
from localpair_lab.plan.actions import Action
from localpair_lab.timeline import ActionRecord, Record

SLACK_S = 5.0  # between what happened and when a busy lab has noted it


def file_name(action: str) -> str:
    """The trace of an action, in its node's state folder and among the artifacts."""
    return f"{action}.trace.jsonl"


def variables(action: Action) -> Mapping[str, str]:
    """What makes the action's program write its trace; nothing where that is no localpair."""
    return {"LOCALPAIR_TRACE": f"@state/{file_name(action.id)}"} if action.is_product else {}


async def collect(running: Running, record: Record, began: float) -> None:
    """Bring the traces of all actions here and into the timeline, whose second 0 was at ``began`` (monotonic). What is
    missing is noted, never raised.
    """
    for action in record.actions.values():
        if action.started is None or not action.is_product:
            continue
        name = file_name(action.id)
        try:
            data = await running.get(action.node, name)
        except (LabError, OSError) as error:
            record.note(action.ended or action.started, "run", "lab", f"no trace of {action.id}: {error}")
            continue
        await asyncio.to_thread((running.folder / name).write_bytes, data)
        _merge(data, record, action, began)


def _merge(data: bytes, record: Record, action: ActionRecord, began: float) -> None:
    lines = [line for line in map(_parsed, data.splitlines()) if line is not None]
    shift = _shift(lines, action, began)
    for line in lines:
        at, kind = float(line.pop("t")) - shift, str(line.pop("kind"))
        line.pop("pid", None)
        record.note(at, "trace", action.id, f"{kind} {json.dumps(line, ensure_ascii=False)}")


def _parsed(line: bytes) -> dict[str, Any] | None:
    """A line, or None for one that was cut off, as by a disk that is full."""
    try:
        parsed = json.loads(line)
    except ValueError:
        return None
    is_line = isinstance(parsed, dict) and isinstance(parsed.get("t"), int | float) and "kind" in parsed
    return parsed if is_line else None


def _shift(lines: list[dict[str, Any]], action: ActionRecord, began: float) -> float:
    """What the trace's clock shows at second 0. A node on another computer, as behind a remote Docker, has a clock of
    its own: there the first line counts as written when the action started.
    """
    if not lines or action.started is None:
        return began
    first = float(lines[0]["t"])
    ended = action.ended if action.ended is not None else float("inf")
    is_shared = action.started - SLACK_S <= first - began <= ended + SLACK_S
    return began if is_shared else first - action.started
