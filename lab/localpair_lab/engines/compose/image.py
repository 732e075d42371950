"""The lab's image: made once for each state of the wheel and the fabric, and found again by its name.

``python -m localpair_lab.engines.compose.image`` makes it ahead of time.
"""

from __future__ import annotations

import fcntl
import functools
import hashlib
import shutil
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Final

from localpair_lab import paths
from localpair_lab.engines.compose import lease
from localpair_lab.engines.compose.docker_host import DockerHost
from localpair_lab.errors import LabError

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME: Final = "localpair-lab"
LATEST: Final = f"{NAME}:latest"  # what projects rendered without an engine at hand name
LOCAL_BASE: Final = "localpair-lab-base:2"  # the number grows with what make-base puts into it
REGISTRY_BASE: Final = "python:3.12-slim"
WHEELS: Final = paths.BUILD / "wheels"
_PULL_S: Final = 10
_MAKE_S: Final = 600
_MACHINES: Final = {"amd64": "x86_64", "arm64": "aarch64"}


@functools.cache
def _ensured(address: str) -> str:
    WHEELS.mkdir(parents=True, exist_ok=True)
    with (WHEELS / ".image.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return _find_or_make(DockerHost(address))


def ensure(host: DockerHost) -> str:
    """The image's name; it is there when this returns. Raises ``LabError`` with what to do."""
    return _ensured(host.address)


def _find_or_make(host: DockerHost) -> str:
    wheel = product_wheel()
    base = _base(host)
    import docker

    tag = f"{NAME}:{_digest(wheel, str(host.client.images.get(base).id))}"
    try:
        found = host.client.images.get(tag)
    except docker.errors.ImageNotFound:
        _build(host, wheel, base, tag)
    else:
        # Another clone of the project may have made its own since. Podman puts `localhost/` before such names.
        if not any(name.rpartition("/")[2] == LATEST for name in found.tags):
            found.tag(NAME, "latest")
    return tag


def product_wheel() -> Path:
    """The newest built wheel of localpair. Raises ``LabError`` if there is none."""
    found = sorted(WHEELS.glob("localpair-*.whl"), key=lambda path: path.stat().st_mtime)
    if not found:
        fetch = f"pip download --no-deps --dest {WHEELS} localpair=={metadata.version('localpair')}"
        missing = "localpair's wheel is not " + ("built" if paths.CLONE else f"in {WHEELS}")
        raise LabError(missing, hint=f"run: {'script/bootstrap' if paths.CLONE else fetch}")
    return found[-1]


def _sources() -> Iterator[Path]:
    """What the fabric, the decoys and the lab's questions run in a container: these use the standard library only."""
    for name in ("__init__.py", "paths.py", "decoy.py", "inside.py"):
        yield paths.PACKAGE / name
    yield from sorted((paths.PACKAGE / "fabric").rglob("*.py"))


def _digest(wheel: Path, base: str) -> str:
    found = hashlib.sha256(base.encode())
    for path in (wheel, paths.COMPOSE / "Dockerfile", *_sources()):
        found.update(path.name.encode() + b"\0" + path.read_bytes())
    return found.hexdigest()[:12]


def _base(host: DockerHost) -> str:
    """A base image that is there, or can be had: from a registry where one answers, else of Debian
    packages.
    """
    client = host.client  # says kindly what is missing
    import docker

    for name in (LOCAL_BASE, REGISTRY_BASE):
        try:
            client.images.get(name)
        except docker.errors.ImageNotFound:
            continue
        return name
    if _run(host, ["docker", "pull", "--quiet", REGISTRY_BASE], _PULL_S, silent=True):
        return REGISTRY_BASE
    if not _run(host, [str(paths.COMPOSE / "make-base"), LOCAL_BASE], _MAKE_S):
        raise LabError(
            "no base image: no registry answers, and none could be made of Debian packages",
            hint=f"sudo apt-get install -y mmdebstrap, or load an image with Python 3.11+ as {LOCAL_BASE}",
        )
    return LOCAL_BASE


def _run(host: DockerHost, command: list[str], limit_s: float, *, silent: bool = False) -> bool:
    """Whether it ended well. ``silent``: that it fails is no news, and what it says helps nobody."""
    try:
        done = subprocess.run(
            command,
            env=host.environment(),
            timeout=limit_s,
            check=False,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL if silent else None,
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def _build(host: DockerHost, wheel: Path, base: str, tag: str) -> None:
    with tempfile.TemporaryDirectory(prefix="localpair-image-") as folder:
        context = Path(folder)
        (context / "wheels").mkdir()
        shutil.copy(wheel, context / "wheels")
        _fetch_wheels(host, wheel, base, context / "wheels")
        for path in _sources():
            target = context / path.relative_to(paths.IMPORT_ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
        shutil.copy(paths.COMPOSE / "Dockerfile", context)
        network = "none" if base == LOCAL_BASE else "host"
        command = ["docker", "build", "--quiet", "--network", network, "--build-arg", f"BASE={base}"]
        command += ["--label", f"{lease.LABEL}=1", "--tag", tag]
        command += ["--tag", LATEST, str(context)]
        # Podman builds by itself what the older of docker's two ways asks for; the newer wants a builder of Docker's.
        environment = {**host.environment(), **({"DOCKER_BUILDKIT": "0"} if host.is_podman else {})}
        done = subprocess.run(
            command, env=environment, timeout=_MAKE_S, check=False, capture_output=True, text=True
        )
        if done.returncode:
            raise LabError(f"the lab's image could not be built: {done.stderr.strip()[-2000:]}")


def _fetch_wheels(host: DockerHost, wheel: Path, base: str, folder: Path) -> None:
    """Put what the wheel needs beside it, for the base's Python and processor."""
    client = host.client
    import docker

    try:
        said = client.containers.run(
            base,
            ["python3", "-c", "import sys; print('%d.%d' % sys.version_info[:2])"],
            network_mode="none",
            remove=True,
            labels={lease.LABEL: "1"},
        )
    except docker.errors.DockerException as error:
        raise LabError(f"the engine at {host.address} starts no container: {error}") from error
    machine = _MACHINES.get(str(host.client.version()["Arch"]), "x86_64")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    command += ["--dest", str(folder), "--only-binary", ":all:", "--python-version", said.decode().strip()]
    for level in ("manylinux2014", "manylinux_2_17", "manylinux_2_28", "manylinux_2_34"):
        command += ["--platform", f"{level}_{machine}"]
    done = subprocess.run(
        [*command, "pip", str(wheel)], timeout=_MAKE_S, check=False, capture_output=True, text=True
    )
    if done.returncode:
        raise LabError(f"the wheels that localpair needs could not be fetched: {done.stderr.strip()[-1000:]}")


def main() -> int:
    """Make the image, or say why not."""
    try:
        sys.stderr.write(f"image: {ensure(DockerHost())}\n")
    except LabError as error:
        sys.stderr.write(f"image: {error.message}\nhint: {error.hint}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
