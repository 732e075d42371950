"""The oracle's ways in words."""

from __future__ import annotations

from collections.abc import Iterable

from localpair_lab.oracle.tcp import Way


def way_words(*twins: Way) -> str:
    """One way to come together; ``twins`` differ in nothing but the sockets that are bound to an interface.

    ``alice dials bob: 10.0.0.2 to 10.0.0.3, only if alice's socket is bound to the interface``.
    """
    way = twins[0]
    who = (
        f"{way.first} dials {way.second}"
        if way.kind == "dial"
        else f"{way.first} and {way.second} dial at once"
    )
    to = "to" if way.kind == "dial" else "and"
    text = f"{who}: {way.opening.local} {to} {way.opening.remote}"
    fewest = min(len(twin.bound) for twin in twins)
    if not fewest:
        return text
    needed = dict.fromkeys(tuple(sorted(twin.bound)) for twin in twins if len(twin.bound) == fewest)
    sockets = " or ".join(" and ".join(f"{name}'s" for name in names) for names in needed)
    be = "socket is" if fewest == 1 else "sockets are"
    return f"{text}, only if {sockets} {be} bound to the interface, past the routes"


def state_words(number: int) -> str:
    """Which of the states that a network goes through."""
    return f"after change {number}" if number else "at the start"


def grouped_ways(ways: Iterable[Way]) -> list[list[Way]]:
    """Ways that differ only in the sockets that are bound, or in who of two that dial at once is named first."""
    found: dict[tuple[str, tuple[tuple[str, str], ...]], list[Way]] = {}
    for way in ways:
        ends = ((way.first, way.opening.local), (way.second, way.opening.remote))
        key = (way.kind, ends if way.kind == "dial" else tuple(sorted(ends)))
        found.setdefault(key, []).append(way)
    return list(found.values())
