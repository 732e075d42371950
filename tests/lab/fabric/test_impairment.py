"""A wire in user space: which packets it counts. Its links are sockets on loopback, which keep frames apart as well."""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from localpair_lab.fabric.system import channel
from localpair_lab.fabric.traffic import impairment, rest

if TYPE_CHECKING:
    from collections.abc import Iterator

MANY = 200  # more than a wire takes at once
OFFLOAD_HEADER = bytes(10)
DATAGRAM, ARP = 0x0800, 0x0806


def frame(number: int, kind: int = DATAGRAM) -> bytes:
    """A frame as a packet socket gives it: a UDP datagram or an ARP question, with a number at its end."""
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 32, 0, 0, 64, 17, 0, bytes(4), b"\x0a\0\0\1")
    body = header + struct.pack("!HHHHI", 1, 46822, 12, 0, number)
    return OFFLOAD_HEADER + bytes(12) + struct.pack("!H", kind) + body


def link() -> tuple[socket.socket, socket.socket]:
    """The two ends of a cable."""
    ends = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
    for end in ends:
        end.bind(("127.0.0.1", 0))
    for end, other in (ends, reversed(ends)):
        end.connect(other.getsockname())
        end.setblocking(False)
    return ends[0], ends[1]


def arrived(end: socket.socket) -> list[int]:
    """The numbers of the frames that are there."""
    numbers = []
    while True:
        try:
            numbers.append(int.from_bytes(end.recv(200)[-4:]))
        except BlockingIOError:
            return numbers


@contextmanager
def wire(outer: socket.socket, inner: socket.socket, *messages: dict[str, Any]) -> Iterator[socket.socket]:
    """A wire that finds ``messages`` when it starts."""
    ours, theirs = socket.socketpair()
    for message in messages:
        channel.send(ours, message)
    thread = threading.Thread(target=impairment.run, args=(outer, inner, theirs, "7"))
    thread.start()
    try:
        for _ in messages:
            channel.receive(ours)
        yield ours
    finally:
        ours.close()
        thread.join()
        theirs.close()


def dropping(*numbers: int, **match: str) -> dict[str, Any]:
    return {"impairments": [{"direction": "to", "match": match, "nth": numbers}]}


def test_what_came_before_an_impairment_is_not_counted() -> None:
    with ExitStack() as stack:
        (network, inner), (outer, node) = ends = link(), link()
        for end in (*ends[0], *ends[1]):
            stack.enter_context(end)
        for number in range(MANY):
            network.send(frame(number))
        control = stack.enter_context(wire(outer, inner, dropping(1, 3)))
        assert arrived(node) == [*range(MANY)]
        for number in range(4):
            network.send(frame(number))
        channel.ask(control, {})
        assert arrived(node) == [1, 3]


def test_nothing_is_on_its_way_after_the_rest() -> None:
    with ExitStack() as stack:
        (sender, first), (second, third), (fourth, receiver) = ends = link(), link(), link()
        for end in (end for pair in ends for end in pair):
            stack.enter_context(end)
        for number in range(MANY):
            sender.send(frame(number))
        far = stack.enter_context(wire(third, fourth))
        near = stack.enter_context(wire(first, second))
        rest.wait([far, near])
        assert arrived(receiver) == [*range(MANY)]


def carried(impairment: dict[str, Any], *frames: bytes) -> list[int]:
    """The numbers of those ``frames`` that an impairment lets through."""
    (network, inner), (outer, node) = ends = link(), link()
    with ExitStack() as stack:
        for end in (*ends[0], *ends[1]):
            stack.enter_context(end)
        control = stack.enter_context(wire(outer, inner, impairment))
        for one in frames:
            network.send(one)
        channel.ask(control, {})
        return arrived(node)


def test_housekeeping_has_no_number_unless_it_is_meant_by_name() -> None:
    frames = [frame(100, ARP), frame(1), frame(101, ARP), frame(2), frame(3)]
    assert carried(dropping(1, 3), *frames) == [100, 101, 2]
    assert carried(dropping(1, 3, protocol="udp"), *frames) == [100, 101, 2]
    assert carried(dropping(1, protocol="arp"), *frames) == [1, 101, 2, 3]


def test_housekeeping_changes_nobodys_dice() -> None:
    half = {"impairments": [{"direction": "to", "loss_percent": 50.0}]}
    frames = [frame(number) for number in range(100)]
    lucky = carried(half, *frames)
    assert 20 < len(lucky) < 80
    housekeeping = [frame(1000 + number, ARP) for number in range(100)]
    mixed = [one for pair in zip(housekeeping, frames, strict=True) for one in pair]
    through = carried(half, *mixed)
    assert [number for number in through if number < 1000] == lucky
    assert 20 < sum(number >= 1000 for number in through) < 80
