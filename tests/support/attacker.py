"""An attacker on the LAN, as a program: `python attacker.py KIND ADDRESS PORT ...`. Every loop of it is bounded."""

from __future__ import annotations

import asyncio
import os
import random
import socket
import sys
from collections.abc import Callable
from ipaddress import ip_address

from localpair.errors import LocalpairError
from localpair.keys import (
    DeviceIdentity,
    Purpose,
    Role,
    SessionCertificate,
    SharedSecret,
    certificate_fingerprint,
    random_bytes,
)
from localpair.net.transport.stream import FrameStream
from localpair.net.transport.tcp import Contexts, connect, exchange_preambles, hear_call, start_tls
from localpair.protocol.handshake import Handshake, LocalSide
from localpair.protocol.keyring import OFFER, Keyring
from localpair.wire.beacon import Beacon, BeaconKind, Part
from localpair.wire.messages import CallKind, Preamble


def stall(address: str, port: int, count: int) -> None:
    """Open connections and say nothing: slots are what a listener has few of."""
    held = []
    for _ in range(count):
        one = socket.create_connection((address, port), timeout=2)
        held.append(one)
    print("stalling", flush=True)
    sys.stdin.read()


def garbage(address: str, port: int, count: int) -> None:
    """Random bytes, half preambles, huge lengths, in turn."""
    dice = random.Random(1)
    for number in range(count):
        try:
            with socket.create_connection((address, port), timeout=1) as one:
                starts = (
                    b"",
                    b"LPAI",
                    Preamble(CallKind.PAIR, Role.JOINER, True).encode(),
                    b"GET / HTTP/1.1\r\n\r\n",
                )
                one.sendall(starts[number % len(starts)] + dice.randbytes(200))
        except OSError:
            pass
    print("done", flush=True)


async def _client(address: str, port: int) -> FrameStream:
    one = await connect(ip_address(address), port)
    await exchange_preambles(one, Preamble(CallKind.PAIR, Role.JOINER, True))
    return await start_tls(one, Contexts(SessionCertificate.generate()), server_side=False)


async def _claim(address: str, port: int, secret: bytes) -> str:
    """One claim of the offer with a guessed secret, by all the rules but that."""
    stream = await _client(address, port)
    ring = Keyring([(OFFER, SharedSecret(secret, Purpose.OFFER, Role.ISSUER))])
    local = LocalSide(
        Role.JOINER,
        DeviceIdentity.generate(),
        "Eve",
        random_bytes(16),
        random_bytes(32),
        random_bytes(32),
    )
    fingerprint = certificate_fingerprint(stream.certificate)
    handshake = Handshake(local, ring, fingerprint, ip_address(address), OFFER)
    try:
        while True:
            for kind, body in handshake.take_outgoing():
                stream.write(kind, body)
            events = handshake.take_events()
            if events:
                return repr(events)
            frame = await stream.read()
            handshake.receive(frame.type, frame.body)
    finally:
        stream.abort()


def guess(address: str, port: int, count: int) -> None:
    """Claims with wrong secrets, each on a new connection."""
    for _ in range(count):
        try:
            print(asyncio.run(_claim(address, port, os.urandom(16))), flush=True)
        except (OSError, LocalpairError) as error:
            print(type(error).__name__, flush=True)
    print("done", flush=True)


def oversize(address: str, port: int, count: int) -> None:
    """Inside TLS: a frame that claims to have four gigabytes. Where there is no place for a stranger it tries again."""

    async def run() -> None:
        said = 0
        while said < count:
            try:
                stream = await _client(address, port)
            except OSError:
                continue
            said += 1
            stream._wire.transport.write(b"\xff\xff\xff\xff\x01" + bytes(100))
            try:
                await asyncio.wait_for(stream.read(), 5)
            except (OSError, LocalpairError):
                stream.abort()

    asyncio.run(run())
    print("done", flush=True)


def pretend(address: str, port: int, count: int, answer: str) -> None:
    """Be there in the place of an issuer: print each HELLO that comes, in hex, and answer with this frame."""

    async def run() -> None:
        contexts = Contexts(SessionCertificate.generate())
        with socket.create_server((address, port)) as listening:
            listening.setblocking(False)
            print("there", flush=True)
            for _ in range(count):
                one, _ = await asyncio.get_running_loop().sock_accept(listening)
                try:
                    await hear_call(one, Role.ISSUER)
                    stream = await start_tls(one, contexts, server_side=True)
                    frame = await asyncio.wait_for(stream.read(), 5)
                    print(bytes([frame.type]).hex() + frame.body.hex(), flush=True)
                    reply = bytes.fromhex(answer)
                    stream.write(reply[0], reply[1:])
                    await stream.close()
                except (OSError, LocalpairError):
                    one.close()

    asyncio.run(run())


def say(address: str, port: int, count: int, frame: str) -> None:
    """Call an issuer, say this frame, and print what comes back: type, first byte and length, then how it ended."""

    async def run() -> None:
        stream = await _client(address, port)
        said = bytes.fromhex(frame)
        stream.write(said[0], said[1:])
        try:
            while True:
                heard = await asyncio.wait_for(stream.read(), 5)
                print(f"heard {heard.type} {heard.body[0]} {len(heard.body)}", flush=True)
        except (OSError, TimeoutError, LocalpairError) as error:
            print(f"ended {type(error).__name__}", flush=True)
        stream.abort()

    for _ in range(count):
        asyncio.run(run())
    print("done", flush=True)


def flood(address: str, port: int, count: int) -> None:
    """Datagrams: random ones, truncated ones, and well-formed open beacons of ever new instances."""
    dice = random.Random(2)
    ring = Keyring()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        for number in range(count):
            beacon = Beacon(
                BeaconKind.ANNOUNCE, Part.JOIN, dice.randbytes(16), 1, dice.choice([22, 80, 443, 5000]), 5000
            )
            datagram = ring.seal(None, beacon, dice.randbytes(12))
            choice = (
                dice.randbytes(320),
                datagram[: dice.randrange(320)],
                datagram,
                b"LP\x01\x01" + dice.randbytes(316),
            )
            one.sendto(choice[number % 4], (address, port))
    print("done", flush=True)


if __name__ == "__main__":
    kind, where, port_text, count_text, *frames = sys.argv[1:]
    attacks: dict[str, Callable[..., None]] = {
        "stall": stall, "garbage": garbage, "guess": guess, "oversize": oversize, "flood": flood, "pretend": pretend,
        "say": say,
    }  # fmt: skip
    attacks[kind](where, int(port_text), int(count_text), *frames)
