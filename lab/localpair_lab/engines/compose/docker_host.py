"""One Docker engine, by its SDK for questions and by ``docker compose`` for projects.

``DOCKER_HOST`` and the current context are honoured; ``address`` names another engine. The SDK is imported
when it is first needed, so a machine without it can do everything else.
"""

from __future__ import annotations

import asyncio
import functools
import json
import os
import re
import shutil
import socket
import subprocess
import weakref
from typing import TYPE_CHECKING, Any, Final

from localpair_lab.errors import LabError

if TYPE_CHECKING:
    import docker

_ANSWER_S: Final = 10
_WORK_S: Final = 120.0
LEAST_COMPOSE: Final = (2, 24)  # before it, a project held no text of files (`configs`)
INSTALL: Final = "sudo lab/compose/install-engine"
JOIN_GROUP: Final = "sudo usermod -aG docker $USER, then log in anew"


class DockerHost:
    """An engine and the way to it. ``address`` empty: the one that ``docker`` would use."""

    def __init__(self, address: str = "") -> None:
        self.address = address or current_address()

    @functools.cached_property
    def client(self) -> docker.DockerClient:
        """The SDK's client. Raises ``LabError`` where no engine answers."""
        try:
            import docker
        except ImportError as error:
            raise LabError("the docker SDK is not installed", hint="pip install 'localpair[lab]'") from error
        if self.address.startswith("unix://"):
            self._knock(self.address.removeprefix("unix://"))
        try:
            client = docker.DockerClient(base_url=self.address or None, version="auto", timeout=_WORK_S)
        except docker.errors.DockerException as error:
            raise LabError(f"no Docker engine answers at {self.address}: {error}", hint=INSTALL) from error
        weakref.finalize(self, client.close)
        return client

    def _knock(self, path: str) -> None:
        """The SDK tells an engine that is not there in many words, and leaves its socket open."""
        with socket.socket(socket.AF_UNIX) as trial:
            try:
                trial.connect(path)
            except OSError as error:
                said = f"no Docker engine answers at {self.address}: {error.strerror or error}"
                hint = JOIN_GROUP if isinstance(error, PermissionError) else INSTALL
                raise LabError(said, hint=hint) from error

    @functools.cached_property
    def version(self) -> str:
        """The engine's version."""
        return str(self.client.version()["Version"])

    @functools.cached_property
    def is_podman(self) -> bool:
        """Whether podman answers in Docker's words."""
        parts = self.client.version().get("Components") or []
        return any("podman" in str(part.get("Name", "")).lower() for part in parts)

    def environment(self) -> dict[str, str]:
        """The environment in which ``docker`` speaks to this engine."""
        own = {
            key: value for key, value in os.environ.items() if key not in {"DOCKER_CONTEXT", "DOCKER_HOST"}
        }
        return {**own, "DOCKER_HOST": self.address}

    async def compose(self, project: str, *words: str, file: str = "") -> str:
        """Run ``docker compose`` for a project; its output. Raises ``LabError`` with its message."""
        chosen = ("-f", file) if file else ()
        process = await asyncio.create_subprocess_exec(
            "docker", "compose", "-p", project, *chosen, *words,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env=self.environment(),
        )  # fmt: skip
        try:
            output, _ = await asyncio.wait_for(process.communicate(), _WORK_S)
        except (TimeoutError, asyncio.CancelledError):
            process.kill()
            await process.wait()
            raise
        said = output.decode(errors="replace").strip()
        if process.returncode:
            raise LabError(f"docker compose {words[0]} failed: {said[-2000:]}")
        return said


def current_address() -> str:
    """Where ``docker`` would look: ``DOCKER_HOST``, else the current context, else the usual socket."""
    if "DOCKER_HOST" in os.environ:
        return os.environ["DOCKER_HOST"]
    if shutil.which("docker") is None:
        return "unix:///var/run/docker.sock"
    try:
        done = subprocess.run(
            ["docker", "context", "inspect"], capture_output=True, text=True, timeout=_ANSWER_S, check=False
        )
        found: list[dict[str, Any]] = json.loads(done.stdout)
        return str(found[0]["Endpoints"]["docker"]["Host"])
    except (ValueError, LookupError, subprocess.TimeoutExpired):
        return "unix:///var/run/docker.sock"


def has_compose() -> bool:
    """Whether a ``docker compose`` is there that is new enough. Raises ``LabError`` where it says nothing in time."""
    if shutil.which("docker") is None:
        return False
    try:
        done = subprocess.run(
            ["docker", "compose", "version", "--short"],
            capture_output=True,
            text=True,
            timeout=_ANSWER_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise LabError(f"`docker compose` said nothing for {_ANSWER_S} s", hint="try again") from None
    found = re.match(r"v?(\d+)\.(\d+)", done.stdout.strip())
    return done.returncode == 0 and found is not None and (int(found[1]), int(found[2])) >= LEAST_COMPOSE
