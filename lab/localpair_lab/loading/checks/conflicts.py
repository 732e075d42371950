"""Disagreements inside a scenario, and the two checks that every part needs: names, and ports."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from localpair_lab.loading.problems import Where, meant
from localpair_lab.model.interface_names import interface_names
from localpair_lab.model.scenario import Scenario


@dataclass(frozen=True, slots=True)
class Conflict:
    """One disagreement, where it stands, and what may have been meant.

    ``name`` is the word that names nothing, where that is the trouble; it tells apart what stays true of a
    scenario of which parts could not be read.
    """

    where: Where
    message: str
    meant: str = ""
    name: str = ""


def known(where: Where, what: str, word: str, known: Iterable[str]) -> Iterator[Conflict]:
    names = list(known)
    if word not in names:
        close = meant(word, names)
        listed = "" if close else f"; there is {', '.join(names)}" if names else "; there is none"
        yield Conflict(where, f"there is no {what} {word!r}{listed}", close, word)


def check_ports(scenario: Scenario, where: Where, ports: Iterable[str]) -> Iterator[Conflict]:
    for number, port in enumerate(ports):
        yield from check_port(scenario, (*where, number), port)


def check_port(scenario: Scenario, where: Where, port: str) -> Iterator[Conflict]:
    owner, _, name = port.partition("/")
    machines = scenario.machines()
    yield from known(where, "device", owner, machines)
    if owner not in machines:
        return
    names = interface_names(machines[owner])
    if name:
        yield from known(where, f"interface of {owner}", name, names)
    elif len(names) != 1:
        yield Conflict(
            where, f"{owner} has {len(names)} interfaces; write {owner}/{names[0] if names else 'eth0'}"
        )
