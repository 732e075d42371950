"""A plan as a Docker Compose project. Pure: equal inputs give equal text.

The project is whole: ``docker compose up`` builds the network, checks it and leaves the devices ready,
without the lab.
"""

from __future__ import annotations

import copy
import json
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import yaml

from localpair_lab import paths
from localpair_lab.engines.network import held_nodes
from localpair_lab.fabric.server.container import PROJECT
from localpair_lab.fabric.steps import FABRIC

if TYPE_CHECKING:
    from collections.abc import Mapping

    from localpair_lab.plan.model import Plan
    from localpair_lab.plan.topology import Node

BASE: Final = paths.COMPOSE / "base.yaml"
_HEAD: Final = """\
# {title}, rendered from {source}. By hand:
#   docker compose -f {file} up -d
#   docker compose -f {file} exec {node} sh                    a shell in a device
#   docker compose -f {file} exec {node} localpair diagnose    or a command
#   docker compose -f {file} down -v -t 0
"""


def project_name(plan: Plan, lease: str) -> str:
    """A name that no other run has, in the letters that Compose allows."""
    return f"localpair-{plan.scenario[:30].strip('-')}-{lease}"


def render(
    plan: Plan,
    *,
    name: str,
    image: str,
    labels: Mapping[str, str],
    project: Mapping[str, Any],
    images: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, Any]:
    """The Compose project of a plan; ``project`` is what its fabric builds (``Wiring.project``). ``images`` are those
    of the nodes that have one of their own.
    """
    base: dict[str, Any] = yaml.safe_load(BASE.read_text())
    fabric, device = base["services"]["fabric"], base["services"]["device"]
    common = {"image": image, "pull_policy": "never", "labels": dict(labels)}
    services = {FABRIC: {**fabric, **common, "configs": [{"source": "network", "target": str(PROJECT)}]}}
    for node in held_nodes(plan):
        own = {"image": images.get(node.name, image)}
        services[node.name] = {**copy.deepcopy(device), **common, **own, **machine(node)}
        services[node.name]["command"].append(node.name)
    volumes = {volume: {"labels": dict(labels)} for volume in base["volumes"]}
    # Compose copies the text into the container: no file of this machine's is shown to an engine that may be elsewhere.
    configs = {"network": {"content": _verbatim(as_lines(project))}}
    return {"name": name, "services": services, "configs": configs, "volumes": volumes}


def as_lines(project: Mapping[str, Any]) -> str:
    """What the fabric builds as JSON that a person can read: a line for each step, probe and so on."""
    parts = []
    for key, value in project.items():
        told = ",\n".join(f"  {json.dumps(one)}" for one in value) if isinstance(value, list | tuple) else ""
        parts.append(f'"{key}": ' + (f"[\n{told}\n]" if told else json.dumps(value)))
    return "{\n" + ",\n".join(parts) + "\n}\n"


def rights_of_the_fabric() -> dict[str, Any]:
    """What the fabric's container may do, and its lack of a network, by the names that Compose and the SDK share."""
    fabric: dict[str, Any] = yaml.safe_load(BASE.read_text())["services"]["fabric"]
    return {key: fabric[key] for key in ("network_mode", "cap_drop", "cap_add", "security_opt")}


def machine(node: Node) -> dict[str, Any]:
    """The part of a device's service that is the node's own.

    Its environment is not among it: the container's first program is the lab's, and the node's variables are for the
    device's programs only.
    """
    environment = {"LOCALPAIR_LAB_HOSTS": node.hosts_file, "LOCALPAIR_LAB_RESOLVER": node.resolver}
    return {
        "hostname": node.name,
        "environment": {key: _verbatim(value) for key, value in environment.items()},
    }


def _verbatim(text: str) -> str:
    """Compose replaces variables in values; a dollar that means itself is doubled."""
    return text.replace("$", "$$")


def as_text(plan: Plan, rendered: Mapping[str, Any], file: str) -> str:
    """The project as the text of a Compose file, with a note for its reader."""
    node = next((node.name for node in held_nodes(plan)), FABRIC)
    source = ascii(plan.source)[1:-1]  # a folder's name may hold a line feed, and this is a comment
    title = f"{plan.scenario} [{plan.cell}]" if plan.cell else plan.scenario
    head = _HEAD.format(title=title, source=source, file=file, node=node)
    return head + yaml.dump(
        dict(rendered), Dumper=_LineByLine, sort_keys=False, width=120, allow_unicode=True
    )


class _LineByLine(yaml.SafeDumper):
    """Texts of several lines stand as such lines."""

    def represent_text(self, text: str) -> yaml.ScalarNode:
        """One text."""
        return self.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_LineByLine.add_representer(str, _LineByLine.represent_text)
