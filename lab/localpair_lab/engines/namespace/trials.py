"""What the namespace engine can do on this machine, tried in throw-away namespaces."""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING, Final

from localpair_lab.engines.capabilities import NEEDS_NFT, RESTS_ON
from localpair_lab.engines.namespace.forkserver_client import Fork, fork_server
from localpair_lab.errors import LabError
from localpair_lab.fabric.system import channel, clock, tools

if TYPE_CHECKING:
    from collections.abc import Mapping


_PROBE_S: Final = 30.0


@functools.cache
def namespaces() -> Mapping[str, str]:
    """Each trial of the namespace engine with what went wrong; an empty text: it works. Asked once a process.

    Where no fabric starts at all, every trial has the reason.
    """
    answer = _ask_fabric()
    found: dict[str, str] = {**answer, "clock": "" if clock.library() else "libfaketime is not installed"}
    if not tools.find("nft"):
        found |= {name: "nft is not installed" for name in NEEDS_NFT if found.get(name)}
    return found


def _without_node(fork: Fork) -> str:
    """Why there can be no node; empty where there can."""
    nothing = {"hosts": "", "resolver": ""}
    for message in (
        {"do": "root", "folders": fork_server().folders},
        {"do": "hold", "node": "trial", **nothing},
    ):
        answer, passed = channel.ask(fork.channel, message)
        for descriptor in passed:
            os.close(descriptor)
        if not answer["ok"]:
            return str(answer["error"])
    return ""


def _ask_fabric() -> dict[str, str]:
    trials: dict[str, str] | None = None
    try:
        fork = fork_server().fork()
        fork.channel.settimeout(_PROBE_S)
        try:
            trials = channel.ask(fork.channel, {"do": "probe"})[0]["trials"]
            trials["events"] = trials["events"] or _without_node(fork)
        except OSError:
            pass  # it has said why, or nothing
        fork.end(_PROBE_S)
        reason = fork.last_words()
    except LabError as error:
        reason = error.message
    if trials is not None:
        return trials
    return {name: reason for names in RESTS_ON.values() for name in names}
