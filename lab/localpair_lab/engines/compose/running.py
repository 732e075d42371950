"""One Compose project while it runs."""

from __future__ import annotations

import asyncio
import io
import json
import tarfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from localpair_lab import plan as p
from localpair_lab.engines.compose import device_image, lease
from localpair_lab.engines.compose.docker_host import DockerHost
from localpair_lab.engines.compose.exec import FABRIC_PROGRAM, Execution, Stream, tell
from localpair_lab.engines.compose.render import as_text, project_name, render
from localpair_lab.engines.network import STEPS_FILE, Wiring, collect, held_nodes
from localpair_lab.errors import LabError
from localpair_lab.fabric.server import node_files
from localpair_lab.fabric.steps import FABRIC
from localpair_lab.fabric.system import clock

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from localpair_lab.plan.changes import Change
    from localpair_lab.plan.model import Plan
    from localpair_lab.plan.probe import Probe
    from localpair_lab.plan.topology import Node


FILE: Final = "compose.yaml"


_PRODUCT: Final = ("python3", "-m", "localpair")


_PATHS: Final = {"PYTHONPATH": "/opt/localpair"}


_HOME: Final = {"HOME": str(node_files.HOME), "TMPDIR": str(node_files.TEMPORARY)}


_DECOY: Final = ("python3", "-I", "-S", "/opt/lab/localpair_lab/decoy.py")


_INSIDE: Final = ("python3", "-I", "-S", "/opt/lab/localpair_lab/inside.py")


_COMMANDS: Final[Mapping[str, tuple[str, ...]]] = {
    "@localpair": _PRODUCT,
    "@decoy": _DECOY,
    "@inside": _INSIDE,
    "@program": (),
}


_SANDBOX: Final = ("python3", "-I", "-S", "/opt/lab/localpair_lab/fabric/system/sandbox.py")


_LIBRARY: Final = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"


CAPTURES: Final = "/captures"


_SIGNALS: Final = {"kill": 9, "pause": 19, "resume": 18}


_ANSWER_S: Final = 60.0


_DOWN_TRIES: Final = 3


class ContainerFabricClient:
    """Requests to the fabric's container, a line each, over one ``docker exec``."""

    def __init__(self, host: DockerHost, container: str) -> None:
        argv = [*FABRIC_PROGRAM, "ask"]
        self._stream = Stream(host, container, argv, {}, asyncio.get_running_loop())
        self._lines = self._stream.lines.read()
        self._lock = asyncio.Lock()

    async def open(self) -> None:
        """Start it."""
        await self._stream.open()

    async def ask(self, message: dict[str, Any]) -> dict[str, Any]:
        """The fabric's answer."""
        async with self._lock:
            await self._stream.write(json.dumps(message).encode() + b"\n")
            said: list[str] = []
            while True:
                try:
                    line = await asyncio.wait_for(anext(self._lines), _ANSWER_S)
                except (StopAsyncIteration, TimeoutError) as error:
                    raise LabError(f"the fabric does not answer: {' '.join(said)[-500:]}") from error
                if line.stream == "stdout":
                    break
                said.append(line.text)
        answer: dict[str, Any] = json.loads(line.text)
        if not answer["ok"]:
            raise LabError(f"fabric: {answer['error']}")
        return answer

    def close(self) -> None:
        """Hang up."""
        self._stream.close()


class ComposeRunning:
    """A plan's project, up."""

    def __init__(
        self, plan: Plan, folder: Path, host: DockerHost, wiring: Wiring, probes: Sequence[Probe]
    ) -> None:
        self._probes = probes
        self._plan = plan
        self._folder = folder
        self._host = host
        self._wiring = wiring
        self._lease = lease.Lease()
        self._name = project_name(plan, self._lease.name)
        self._client: ContainerFabricClient | None = None
        self._executions: list[Execution] = []
        self._is_down = False
        self._has_captures = False

    @property
    def folder(self) -> Path:
        """Where this run's artifacts go."""
        return self._folder

    @property
    def lease(self) -> str:
        """The lease that its things are labelled with."""
        return self._lease.name

    async def build(self, image_name: str) -> None:
        """Render, bring up, and wait for the network and its canary. Raises ``LabError``."""
        images = await asyncio.to_thread(self._device_images, image_name)
        rendered = self._rendered(image_name, images)
        file = self._folder / FILE
        await asyncio.to_thread(file.write_text, as_text(self._plan, rendered, FILE))
        await self._host.compose(self._name, "up", "-d", "--no-build", file=str(file))
        self._client = ContainerFabricClient(self._host, self._container(FABRIC))
        await self._client.open()
        answer = await self._outcome(self._client)
        self._wiring.judge(answer["arrived"], self._folder)

    def _device_images(self, image_name: str) -> dict[str, str]:
        named = [node for node in held_nodes(self._plan) if node.image]
        return {node.name: device_image.ensure(self._host, node.image, image_name) for node in named}

    def _rendered(self, image_name: str, images: Mapping[str, str]) -> dict[str, Any]:
        labels = self._lease.labels()
        project = self._wiring.project()
        return render(
            self._plan, name=self._name, image=image_name, labels=labels, project=project, images=images
        )

    async def _outcome(self, client: ContainerFabricClient) -> dict[str, Any]:
        """What came of building the network, which the fabric does by itself."""
        return await client.ask({"do": "stood"})

    def _container(self, service: str) -> str:
        return f"{self._name}-{service}-1"

    async def start(self, node: str, argv: Sequence[str], environment: Mapping[str, str]) -> Execution:
        """See ``Running``."""
        machine = self._plan.node(node)
        words = [self._replaced(word) for word in argv]
        command = [*_COMMANDS.get(words[0], (words[0],)), *words[1:]]
        if machine.sandbox and words[0] == "@localpair":
            command = [*_SANDBOX, *machine.sandbox, "--", *command]
        values = self._environment(machine, environment)
        if machine.image and words[0] == "@program":  # whose Python may be another one than localpair's
            values = {name: value for name, value in values.items() if name not in _PATHS}
        is_signalled = words[0] in ("@localpair", "@program")
        started = await asyncio.to_thread(
            self._execution, node, command, values, is_signalled, asyncio.get_running_loop()
        )
        await started.open()
        self._executions.append(started)
        return started

    def _environment(self, node: Node, further: Mapping[str, str]) -> dict[str, str]:
        shift = clock.shifted(node.clock_offset_s, _LIBRARY, moves=self._plan.moves_clock(node.name))
        merged = {**_PATHS, **shift, **dict(node.environment), **further}
        return {name: self._replaced(value) for name, value in merged.items()}

    @staticmethod
    def _replaced(word: str) -> str:
        return word.replace("@state", str(node_files.STATE))

    async def put(self, node: str, name: str, data: bytes, *, executable: bool = False) -> None:
        """See ``Running``."""
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as archive:
            for parent in reversed(PurePosixPath(name).parents[:-1]):
                folder = tarfile.TarInfo(str(parent))
                folder.type, folder.mode = tarfile.DIRTYPE, 0o700
                archive.addfile(folder)
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o700 if executable else 0o600
            archive.addfile(entry, io.BytesIO(data))
        container = self._container(node)
        await asyncio.to_thread(
            self._host.client.api.put_archive, container, str(node_files.STATE), packed.getvalue()
        )

    async def get(self, node: str, name: str) -> bytes:
        """See ``Running``."""
        found = await asyncio.to_thread(self._archive, node, str(PurePosixPath(node_files.STATE) / name))
        with tarfile.open(fileobj=io.BytesIO(found)) as archive:
            for entry in archive:
                if (file := archive.extractfile(entry)) is not None:
                    return file.read()
        raise FileNotFoundError(f"{node}: {name} is no file")

    def _archive(self, service: str, path: str) -> bytes:
        import docker

        try:
            chunks, _ = self._host.client.api.get_archive(self._container(service), path)
            return b"".join(chunks)
        except docker.errors.NotFound as error:
            raise FileNotFoundError(f"{service}: no {path}") from error

    async def apply(self, change: Change) -> None:
        """See ``Running``."""
        if change.do == "signal-node":
            message = {"do": "signal-product", "number": _SIGNALS[change.signal]}
            await tell(self._host, self._container(change.node), message)
        elif change.do == "set-clock":
            message = {"do": "set-clock", "reading": clock.reading(change.offset_s)}
            await tell(self._host, self._container(change.node), message)
        elif self._client is not None:
            await self._wiring.change(change, self._client)

    def enter(self, node: str, *, terminal: bool) -> list[str]:
        """See ``Running``."""
        machine = next((one for one in held_nodes(self._plan) if one.name == node), None)
        if machine is None:
            raise LabError(f"{node} runs no programs")
        values = {**_HOME, **self._environment(machine, p.PRODUCT_HOME)}
        settings = [word for name, value in values.items() for word in ("--env", f"{name}={value}")]
        return [*self._exec("-it" if terminal else "-i", *settings), self._container(node)]

    def captures(self) -> list[str]:
        """See ``Running``."""
        return [*self._exec(), self._container(FABRIC), *FABRIC_PROGRAM, "captures", CAPTURES]

    def following(self) -> list[str]:
        """See ``Running``."""
        return [*self._exec("-i"), self._container(FABRIC), *FABRIC_PROGRAM, "follow", CAPTURES]

    def _exec(self, *options: str) -> list[str]:
        return ["docker", "--host", self._host.address, "exec", *options]

    async def captured(self) -> None:
        """See ``Running``."""
        if self._client is not None:
            await self._client.ask({"do": "stop-capture"})
            await asyncio.to_thread(self._bring_captures)

    async def capture_again(self) -> None:
        """See ``Running``."""
        if self._client is not None:
            self._has_captures = False
            await self._client.ask({"do": "capture-again"})

    def _bring_captures(self) -> None:
        if self._has_captures:
            return
        with tarfile.open(fileobj=io.BytesIO(self._archive(FABRIC, CAPTURES))) as archive:
            archive.extractall(self._folder, filter="data")
        self._has_captures = True

    async def collect(self) -> None:
        """See ``Running``."""
        await asyncio.to_thread((self._folder / STEPS_FILE).write_text, self._wiring.script(), "utf-8")
        if self._client is not None:
            await collect(self._client, self._folder)
        await asyncio.to_thread(self._bring)

    def _bring(self) -> None:
        problems: list[str] = []
        for node in [FABRIC, *(node.name for node in held_nodes(self._plan))]:
            try:
                logs = self._host.client.api.logs(self._container(node), timestamps=True)
                (self._folder / f"{node}.log").write_bytes(logs)
            except Exception as error:  # noqa: BLE001 - what cannot be collected must not hide the rest
                problems.append(f"logs of {node}: {error}")
        try:
            self._bring_captures()
        except Exception as error:  # noqa: BLE001 - as above
            problems.append(f"captures: {error}")
        if problems:
            with (self._folder / "collect-errors.txt").open("a") as file:
                file.write("\n".join(problems) + "\n")

    async def down(self) -> None:
        """See ``Running``."""
        if self._is_down:
            return
        self._is_down = True
        for execution in self._executions:
            execution.close()
        if self._client is not None:
            self._client.close()
        complaints = []
        for _ in range(_DOWN_TRIES):
            try:
                await self._host.compose(self._name, "down", "-v", "-t", "0", "--remove-orphans")
            except LabError as error:  # "removal already in progress", "did not receive an exit event"
                complaints.append(error.message)
            else:
                self._lease.release()
                return
        # The lease stays held until this process ends; then the watch and ``gc`` try again.
        (self._folder / "down-errors.txt").write_text("\n".join(complaints) + "\n")

    def _execution(
        self, node: str, argv: list[str], environment: dict[str, str], is_product: bool, loop: Any
    ) -> Execution:
        return Execution(
            node, self._host, self._container(node), argv, environment, is_product=is_product, loop=loop
        )
