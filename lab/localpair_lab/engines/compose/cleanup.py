"""Removes what dead labs have left on a Docker engine, and nothing else.

Only objects with the lab's label are looked at; of those, only the ones made from this machine whose lease
nobody holds are removed. As a program this is the watch that a running lab keeps: it waits for the lab's end and
sweeps then.
"""

from __future__ import annotations

import functools
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from localpair_lab import paths
from localpair_lab.engines.compose import lease
from localpair_lab.engines.compose.docker_host import DockerHost
from localpair_lab.errors import LabError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def sweep(host: DockerHost) -> list[str]:
    """Remove everything of dead labs; what was removed, in words. Raises ``LabError`` without an engine."""
    import docker

    client = host.client
    mine = {"label": [lease.LABEL, f"{lease.LABEL_MACHINE}={lease.machine()}"]}
    removed: list[str] = []

    def remove(kind: str, found: Iterable[Any], how: Callable[[Any], None]) -> None:
        for one in found:
            labels = one.labels if hasattr(one, "labels") else one.attrs.get("Labels") or {}
            if not lease.is_free(labels.get(lease.LABEL_LEASE, "/")):
                continue
            try:
                how(one)
            except docker.errors.NotFound:
                continue
            except docker.errors.APIError as error:
                removed.append(f"could not remove {kind} {one.name}: {error.explanation}")
            else:
                removed.append(f"removed {kind} {one.name}")

    remove(
        "container",
        client.containers.list(all=True, filters=mine, ignore_removed=True),
        lambda one: one.remove(v=True, force=True),
    )
    remove("network", client.networks.list(filters=mine), lambda one: one.remove())
    remove("volume", client.volumes.list(filters=mine), lambda one: one.remove(force=True))
    return removed


def collect(addresses: Iterable[str] = ()) -> list[str]:
    """Sweep those engines (none named: the one ``docker`` would use), then forget the leases of the dead.

    What was removed, and what could not be, in words.
    """
    removed: list[str] = []
    for address in list(addresses) or [""]:
        try:
            removed += sweep(DockerHost(address))
        except LabError as error:
            removed.append(f"not swept: {error.message}")
    return removed + [f"forgot lease {name}" for name in lease.forget_free()]


class Watch:
    """A process that outlives this one by a moment, to sweep when this one was killed."""

    def __init__(self, addresses: Iterable[str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "localpair_lab.engines.compose.cleanup", *addresses],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=paths.IMPORT_ROOT,
            start_new_session=True,
        )

    def end(self) -> None:
        """Nothing is left to sweep: let it go and wait for it."""
        if self._process.stdin:
            self._process.stdin.close()
        self._process.wait()


@functools.cache
def watch(address: str) -> Watch:
    """The watch over that engine: one for this process, until its end."""
    return Watch([address])


def main(addresses: list[str]) -> int:
    """Wait until stdin ends, then sweep those engines."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sys.stdin.buffer.read()
    collect(addresses)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
