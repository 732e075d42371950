"""Images that scenarios name for their devices: never fetched, looked into, and given the lab's own programs on top."""

from __future__ import annotations

import functools
import hashlib
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from localpair_lab.engines.base import Missing
from localpair_lab.engines.compose import image, lease
from localpair_lab.engines.compose.docker_host import DockerHost
from localpair_lab.errors import LabError

if TYPE_CHECKING:
    from localpair_lab.plan.model import Plan

NAME: Final = "localpair-lab-device"
_MAKE_S: Final = 300
_LOOK: Final = (
    "python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || echo 'python3 (3.11 or later)'; "
    'for one; do command -v "$one" >/dev/null || echo "$one"; done'
)
_RECIPE: Final = """\
FROM {name}
USER 0
COPY --from={lab} /opt/lab /opt/lab
COPY --from={lab} /opt/localpair /opt/localpair
RUN mkdir -p /run/state /run/home /run/tmp
WORKDIR /run/state
ENTRYPOINT []
"""


def missing(plan: Plan, host: DockerHost) -> list[Missing]:
    """What devices of the plan lack: their image, or programs in it."""
    found = []
    for node in plan.nodes:
        if node.image or node.needed:
            programs = tuple(need.program for need in node.needed)
            found += _missing(host.address, node.image, programs)
    return list(dict.fromkeys(found))


@functools.cache
def _missing(address: str, name: str, programs: tuple[str, ...]) -> list[Missing]:
    host = DockerHost(address)
    tag = name or image.ensure(host)
    import docker

    try:
        host.client.images.get(tag)
        said: bytes = host.client.containers.run(
            tag,
            [_LOOK, "sh", *programs],
            entrypoint=["sh", "-c"],
            network_mode="none",
            cap_drop=["ALL"],
            security_opt=["no-new-privileges:true"],
            labels={lease.LABEL: "1"},
            remove=True,
        )
    except docker.errors.ImageNotFound:
        return [Missing("programs", f"there is no image {name} here", f"docker pull {name}, or docker build")]
    except docker.errors.DockerException as error:
        return [Missing("programs", f"the image {tag} cannot be looked into: {error}")]
    lacking = said.decode(errors="replace").splitlines()
    where, mend = (
        f"the image {name}" if name else "the lab's own image",
        "give the device an `image` that has it",
    )
    return [Missing("programs", f"{one} is not in {where}", mend) for one in lacking]


def ensure(host: DockerHost, name: str, lab: str) -> str:
    """The image of that name with what the lab runs in devices, out of the image ``lab``. Raises ``LabError``."""
    identities = "".join(str(host.client.images.get(one).id) for one in (name, lab))
    tag = f"{NAME}:{hashlib.sha256(identities.encode()).hexdigest()[:12]}"
    import docker

    try:
        host.client.images.get(tag)
    except docker.errors.ImageNotFound:
        _build(host, _RECIPE.format(name=name, lab=lab), tag)
    return tag


def _build(host: DockerHost, recipe: str, tag: str) -> None:
    with tempfile.TemporaryDirectory(prefix="localpair-image-") as folder:
        (Path(folder) / "Dockerfile").write_text(recipe, encoding="utf-8")
        command = ["docker", "build", "--quiet", "--network", "none", "--label", f"{lease.LABEL}=1"]
        done = subprocess.run(
            [*command, "--tag", tag, folder],
            env=host.environment(), timeout=_MAKE_S, check=False, capture_output=True, text=True,
        )  # fmt: skip
    if done.returncode:
        raise LabError(f"the device's image could not be built: {done.stderr.strip()[-2000:]}")
