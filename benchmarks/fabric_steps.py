"""What wiring a network costs the lab: by its own netlink, and by handing the same steps to `ip` and `bridge`.

    python benchmarks/fabric_steps.py
    python benchmarks/fabric_steps.py flow/flat routed/vlans --runs 20

Each scenario's network is built in fresh namespaces, once in each way, in turn. Of its steps those about links, bridge
ports, addresses, routes and rules are timed, since the others are carried out the same way in both. As text, steps that
follow each other in one namespace share one process (`ip -batch`), which is the fewest that keep the plan's order.
Processor time, of the children too, is given beside elapsed time. The tool calls itself in a user namespace with a
network and a `/run` of its own; nothing is sent anywhere.
"""

from __future__ import annotations

import json
import os
import resource
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from itertools import groupby
from operator import itemgetter
from statistics import median
from typing import Any, Final

from localpair_lab import paths
from localpair_lab.fabric import steps
from localpair_lab.fabric.compiler.network import compiler
from localpair_lab.fabric.server.apply import Applier
from localpair_lab.fabric.system.places import Places
from localpair_lab.loading.cases import planned
from measuring import BESIDE, Report, parser, progress, undisturbed

SCENARIOS: Final = ("flow/flat", "isolation/clients", "homes/two-nics-one-subnet", "routed/three-hops")
INSIDE: Final = "--inside"
WAYS: Final = ("netlink", "ip -batch")
ALIKE: Final = (steps.Namespace, steps.Sysctl, steps.Ruleset, steps.Wire, steps.ImpairWire, steps.Burst)
_APART: Final = ["unshare", "-Urnm", "sh", "-c", 'mount -t tmpfs tmpfs /run && exec "$0" "$@"']


def wanted(name: str) -> dict[str, Any]:
    """The places of a scenario's first cell, and those of its steps that differ between the ways."""
    plan = planned(paths.SCENARIOS / f"{name}.yaml")[0].plan
    every = list(compiler(plan).network())
    if any(isinstance(step, steps.Tunnel) for step in every):
        raise SystemExit(f"{name} has a tunnel, which `ip` cannot make: choose another scenario")
    differing = [steps.encode(step) for step in every if not isinstance(step, ALIKE)]
    return {"places": [steps.FABRIC, *(node.name for node in plan.nodes)], "steps": differing}


# --- inside: one way, once


def by_netlink(names: list[str], every: list[steps.Step]) -> Callable[[], None]:
    """As the fabric does it."""
    places = Places()
    for name in names:
        places.create(name)
    applier = Applier(places)

    def build() -> None:
        for step in every:
            applier.apply(step)

    return build


def by_text(names: list[str], every: list[steps.Step]) -> Callable[[], None]:
    """By the commands that a person would type."""
    for name in names:
        subprocess.run(["ip", "netns", "add", name], check=True)
    batches = [(key, [line for _, line in group]) for key, group in groupby(map(_line, every), itemgetter(0))]

    def build() -> None:
        for (tool, place, family), lines in batches:
            words = [tool, *family, "-n", place, "-batch", "-"]
            subprocess.run(words, input="\n".join(lines), text=True, check=True)

    return build


def _line(step: steps.Step) -> tuple[tuple[str, str, tuple[str, ...]], str]:
    """Which process takes a step, and its line there: in a batch no line has options of its own."""
    tool, _, place, *words = shlex.split(step.text)
    family: tuple[str, ...] = ()
    if words[0] in {"-4", "-6"}:
        family, words = ((words[0],) if words[1] == "rule" else ()), words[1:]
    return (tool, place, family), shlex.join(words)


def once(way: str) -> None:
    """Build what standard input holds; print the milliseconds that passed and those that processors worked."""
    given = json.load(sys.stdin)
    every = [steps.decode(one) for one in given["steps"]]
    build = (by_netlink if way == WAYS[0] else by_text)(given["places"], every)
    before, started = _processor_s(), time.perf_counter()
    build()
    wall = time.perf_counter() - started
    print(json.dumps([wall * 1000, (_processor_s() - before) * 1000]))


def _processor_s() -> float:
    """What processors have worked for this process and for those that it started."""
    both = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in both)


# --- outside


def measured(way: str, given: dict[str, Any]) -> tuple[float, float]:
    """One network, built apart from everything."""
    done = subprocess.run(
        [*_APART, sys.executable, __file__, INSIDE, way], input=json.dumps(given), text=True,
        stdout=subprocess.PIPE, check=True, env={**os.environ, "PYTHONPATH": BESIDE},
    )  # fmt: skip
    wall, cpu = json.loads(done.stdout)
    return wall, cpu


def main() -> int:
    options_parser = parser(__doc__, runs=10)
    options_parser.add_argument("scenarios", nargs="*", default=SCENARIOS, metavar="THEME/NAME")
    options = options_parser.parse_args()
    report = Report("fabric_steps")
    for name in options.scenarios:
        given = wanted(name)
        found: dict[str, list[tuple[float, float]]] = {way: [] for way in WAYS}
        for number in range(options.runs):
            progress(f"{name}, run {number + 1} of {options.runs}")
            for way in WAYS:
                found[way].append(undisturbed(partial(measured, way, given), options.calm))
        progress("")
        title = f"{name}, {len(given['steps'])} steps"
        figures = [report.add(f"{title}, {way}", "ms", [one[0] for one in found[way]]) for way in WAYS]
        report.ratio(f"{title}: ip / netlink", figures[1], figures[0])
        report.facts[f"{name}, processor ms"] = {
            way: round(median(one[1] for one in found[way]), 1) for way in WAYS
        }
    return report.finish(options.check)


if __name__ == "__main__":
    sys.exit(once(sys.argv[2]) if sys.argv[1:2] == [INSIDE] else main())
