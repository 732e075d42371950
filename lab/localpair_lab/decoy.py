"""Programs that play a part beside the devices: strangers, squatters, noise, a multicast relay, a resolver.

    python decoy.py KIND [--ports 46821-46829] [--rate 20] [--count 50] [--protocol both|tcp|udp]

One file on the standard library alone, so that it runs wherever a Python is. It writes ``ready`` when it
plays its part, then one line for each thing that happened, and runs until it is ended.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import select
import socket
import ssl
import struct
import sys
import tempfile
import threading
import time
from collections.abc import Callable

DISCOVERY_PORT = 46820
GROUPS = ("224.0.0.171", "239.255.70.171")
MDNS_PORT = 5353
MDNS_GROUPS = ("224.0.0.251",)
DATAGRAM = 2048
TLS_HANDSHAKE = b"\x16"  # the first byte of a TLS client
NAMES_PORT = 53
PACKET_INFO = 8  # IP_PKTINFO, linux/in.h
IPV4_BYTES, IPV6_BYTES = 4, 16
DNS_HEADER = 12
DNS_A, DNS_AAAA = 1, 28
DNS_FIRST_NAME = 0xC00C  # a pointer to the question's name
IS_ANSWER = 0x8000
NAME_FOUND, NO_SUCH_NAME = 0x8180, 0x8183  # an answer, recursion wanted and done, and the code
REMEMBERED = 512  # datagrams a relay knows again

# Nobody trusts this key: it stands for "some other TLS server".
STRANGER = """\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgM0+sOOwDOvyvHQwE
adJE/TK7yqri9QST9K07EeCNpiyhRANCAAS6CSGQ33MXAMooyNpGZvOqtgqh5J7z
w8Nw2fZvL5hBq2fmO4d72OHAGGSvpP9kur3ywgstSZMOXN95d5hL08iB
-----END PRIVATE KEY-----
-----BEGIN CERTIFICATE-----
MIIBfTCCASOgAwIBAgIULOlpoWitDK1drPGx91W3l1JybyIwCgYIKoZIzj0EAwIw
EzERMA8GA1UEAwwIc3RyYW5nZXIwIBcNMjYxMTIzMTgzNjIwWhgPMjEyNjEwMzAx
ODM2MjBaMBMxETAPBgNVBAMMCHN0cmFuZ2VyMFkwEwYHKoZIzj0CAQYIKoZIzj0D
AQcDQgAEugkhkN9zFwDKKMjaRmbzqrYKoeSe88PDcNn2by+YQatn5juHe9jhwBhk
r6T/ZLq98sILLUmTDlzfeXeYS9PIgaNTMFEwHQYDVR0OBBYEFEiWAjyrHyUQgMKB
d2nzew3CQ9NPMB8GA1UdIwQYMBaAFEiWAjyrHyUQgMKBd2nzew3CQ9NPMA8GA1Ud
EwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDSAAwRQIgWNo4w+CT6b2gMjvyuafRQyRI
7/khxrBYEmcXBKIHqaECIQCpd0Ys4bVB4ebBMEZ5PzMNXd9iyNAlXatMcdF75nRx
Kg==
-----END CERTIFICATE-----
"""


def say(text: str) -> None:
    """One line for the run's timeline."""
    print(text, flush=True)  # noqa: T201 - this is the program's output


def interfaces() -> list[tuple[int, str]]:
    """Every interface but loopback."""
    return [(index, name) for index, name in socket.if_nameindex() if name != "lo"]


def tcp_listeners(ports: range) -> list[socket.socket]:
    """A listener on each port, both families in one where the host speaks IPv6."""
    listeners = []
    for port in ports:
        try:
            listener = socket.socket(socket.AF_INET6)
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            place: tuple[str, int] = ("::", port)
        except OSError:
            listener = socket.socket(socket.AF_INET)
            place = ("0.0.0.0", port)  # noqa: S104 - it is meant to be found
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(place)
        listener.listen(64)
        listeners.append(listener)
    return listeners


def serve(ports: range, answer: Callable[[socket.socket], None]) -> None:
    """Accept for ever, one thread for each caller."""
    listeners = tcp_listeners(ports)
    say("ready")
    while True:
        readable, _, _ = select.select(listeners, [], [])
        for listener in readable:
            caller, peer = listener.accept()
            say(f"call {peer[0]} {peer[1]}")
            threading.Thread(target=guarded, args=(answer, caller), daemon=True).start()


def guarded(answer: Callable[[socket.socket], None], caller: socket.socket) -> None:
    """A caller that goes away is no fault of ours."""
    try:
        with caller:
            answer(caller)
    except (OSError, ssl.SSLError) as error:
        say(f"ended {type(error).__name__}")


def silent(caller: socket.socket) -> None:
    """Read everything, say nothing."""
    while caller.recv(65536):
        pass


def garbage(caller: socket.socket) -> None:
    """Answer with random bytes, then close."""
    caller.sendall(os.urandom(4096))


def stranger() -> Callable[[socket.socket], None]:
    """Finish TLS with a key that nobody asked for, then read."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
        file.write(STRANGER)
        file.flush()
        context.load_cert_chain(file.name)

    def answer(caller: socket.socket) -> None:
        caller.settimeout(20)
        with context.wrap_socket(caller, server_side=True) as session:
            say("tls")
            while session.recv(65536):
                pass

    return answer


def portal() -> Callable[[socket.socket], None]:
    """Ask for a login: a page for who speaks first and no TLS, a session with a key of its own for the others."""
    answer_tls = stranger()
    page = (
        b"HTTP/1.1 302 Found\r\nLocation: http://login.lan/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    )

    def answer(caller: socket.socket) -> None:
        first = caller.recv(1, socket.MSG_PEEK)
        if first == TLS_HANDSHAKE:
            answer_tls(caller)
        elif first:
            caller.recv(65536)
            caller.sendall(page)

    return answer


def squat(ports: range, protocol: str) -> None:
    """Hold the ports, so that nobody else gets them."""
    held: list[socket.socket] = []
    if protocol in ("both", "tcp"):
        held.extend(tcp_listeners(ports))
    if protocol in ("both", "udp"):
        for port in ports:
            node_init = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            node_init.bind(("0.0.0.0", port))  # noqa: S104 - it is meant to be in the way
            held.append(node_init)
    say("ready")
    while True:
        time.sleep(3600)


def noise(rate: int) -> None:
    """Announce foreign things: random datagrams to every group and to broadcast, ``rate`` a second."""
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sender.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    chance = random.Random(1)  # noqa: S311 - noise, and the same noise every time
    say("ready")
    while True:
        shout(sender, lambda: chance.randbytes(chance.randint(0, 600)))
        time.sleep(1 / max(1, rate))


def shout(sender: socket.socket, data: Callable[[], bytes]) -> None:
    """Send to every group and to broadcast on every interface."""
    for index, _ in interfaces():
        pinned = struct.pack("4s4si", bytes(4), bytes(4), index)
        sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, pinned)
        for group in (*GROUPS, "255.255.255.255"):
            try:
                sender.sendto(data(), (group, DISCOVERY_PORT))
            except OSError:
                continue


def crowd(count: int) -> None:
    """Announce ``count`` devices that show an offer and pair with nobody, each with a port of its own, every second."""
    members = [(socket.socket(socket.AF_INET, socket.SOCK_DGRAM), os.urandom(16)) for _ in range(count)]
    for member, _ in members:
        member.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        member.bind(("", 0))
    say("ready")
    sequence = 0
    while True:
        sequence += 1
        for member, instance in members:
            data = beacon(instance, sequence, member.getsockname()[1])
            shout(member, lambda data=data: data)  # type: ignore[misc]
        time.sleep(1)


def beacon(instance: bytes, sequence: int, port: int) -> bytes:
    """An open announcement, as ``docs/protocol.md`` describes it; without addresses, feedback or label."""
    announce, host, nothing = 1, 0, bytes(3)
    body = bytes([announce, host]) + instance + struct.pack("!IHHHH", sequence, port, port, 0, 1000) + nothing
    nonce = os.urandom(12)
    fields = (b"localpair open beacon", nonce)
    tag = hashlib.sha256(b"".join(len(one).to_bytes(8, "big") + one for one in fields)).digest()[:8]
    return b"LP\x01\x00" + nonce + tag + body.ljust(280, b"\0") + bytes(16)


def group_socket(index: int, groups: tuple[str, ...], port: int) -> socket.socket:
    """A socket that hears the groups on one interface and sends there."""
    ear = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    ear.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    ear.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, socket.if_indextoname(index).encode())
    ear.bind(("", port))
    pinned = struct.pack("4s4si", bytes(4), bytes(4), index)
    ear.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, pinned)
    ear.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 0)
    for group in groups:
        member = struct.pack("4s4si", socket.inet_aton(group), bytes(4), index)
        ear.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
    return ear


def relay(groups: tuple[str, ...], port: int) -> None:
    """Repeat what is heard on one interface to the groups of all others, as mDNS reflectors do.

    The source address becomes the relay's own. A datagram just repeated is not repeated again.
    """
    ears = [group_socket(index, groups, port) for index, _ in interfaces()]
    seen: dict[bytes, float] = {}
    say("ready")
    while True:
        readable, _, _ = select.select(ears, [], [])
        for ear in readable:
            data = ear.recv(DATAGRAM)
            now = time.monotonic()
            if now - seen.get(data, -10.0) < 0.05:
                continue
            seen[data] = now
            if len(seen) > REMEMBERED:
                seen.pop(next(iter(seen)))
            repeat(data, [other for other in ears if other is not ear], groups, port)


def repeat(data: bytes, others: list[socket.socket], groups: tuple[str, ...], port: int) -> None:
    """Send ``data`` to every group on the other sides."""
    for other in others:
        for group in groups:
            try:
                other.sendto(data, (group, port))
            except OSError:
                continue


def names(records: list[str], prefix: str) -> None:
    """Answer what the addresses of names are (RFC 1035), from every address of this machine.

    A record is ``NAME=ADDRESS``; the name ``*`` is any that has none. Where a name has no IPv6 address, ``prefix``
    makes some of its IPv4 ones (RFC 6147).
    """
    known: dict[str, list[bytes]] = {}
    for record in records:
        name, _, address = record.partition("=")
        known.setdefault(name, []).append(packed(address))
    for addresses in known.values():
        if prefix and not any(len(one) == IPV6_BYTES for one in addresses):
            addresses += [packed(prefix)[:12] + one for one in addresses]
    ears = [names_socket(family) for family in (socket.AF_INET, socket.AF_INET6)]
    say("ready")
    while True:
        for ear in select.select(ears, [], [])[0]:
            question, notes, _, caller = ear.recvmsg(DATAGRAM, 64)
            answer = name_answer(question, known)
            if answer:  # by the address that was asked
                ear.sendmsg([answer], notes, 0, caller)


def packed(address: str) -> bytes:
    """An address as bytes."""
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


def names_socket(family: int) -> socket.socket:
    """A socket for questions, which tells by which address they came."""
    ear = socket.socket(family, socket.SOCK_DGRAM)
    if family == socket.AF_INET6:
        ear.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        ear.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
    else:
        ear.setsockopt(socket.IPPROTO_IP, PACKET_INFO, 1)
    ear.bind(("", NAMES_PORT))
    return ear


def name_answer(question: bytes, known: dict[str, list[bytes]]) -> bytes:
    """The answer to one question, empty where it is none."""
    labels, at = [], DNS_HEADER
    try:
        identity, flags, questions = struct.unpack_from("!HHH", question)
        while question[at]:
            labels.append(question[at + 1 : at + 1 + question[at]].decode(errors="replace").lower())
            at += 1 + question[at]
        kind, group = struct.unpack_from("!HH", question, at + 1)
    except (IndexError, struct.error):
        return b""
    if flags & IS_ANSWER or questions != 1:
        return b""
    addresses = known.get(".".join(labels), known.get("*"))
    wanted = {DNS_A: IPV4_BYTES, DNS_AAAA: IPV6_BYTES}.get(kind)
    found = [one for one in addresses or () if len(one) == wanted and group == 1]
    head = struct.pack("!HHHHHH", identity, NAME_FOUND if addresses else NO_SUCH_NAME, 1, len(found), 0, 0)
    records = (struct.pack("!HHHIH", DNS_FIRST_NAME, kind, 1, 60, len(one)) + one for one in found)
    say(f"asked for {'.'.join(labels)} ({kind}): {len(found)} addresses")
    return b"".join((head, question[DNS_HEADER : at + 5], *records))


def main() -> None:
    """Play one part."""
    parser = argparse.ArgumentParser()
    parser.add_argument(
        "kind",
        choices=[
            "tcp-silent",
            "tcp-garbage",
            "tls-stranger",
            "portal",
            "squat",
            "noise",
            "crowd",
            "relay",
            "mdns-reflector",
            "names",
        ],
    )
    parser.add_argument("--record", action="append", default=[])
    parser.add_argument("--dns64", default="")
    parser.add_argument("--ports", default="46821-46829")
    parser.add_argument("--rate", type=int, default=20)
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument("--protocol", choices=["both", "tcp", "udp"], default="both")
    options = parser.parse_args()
    first, _, last = options.ports.partition("-")
    ports = range(int(first), int(last or first) + 1)
    parts: dict[str, Callable[[], None]] = {
        "tcp-silent": lambda: serve(ports, silent),
        "tcp-garbage": lambda: serve(ports, garbage),
        "tls-stranger": lambda: serve(ports, stranger()),
        "portal": lambda: serve(ports, portal()),
        "squat": lambda: squat(ports, options.protocol),
        "noise": lambda: noise(options.rate),
        "crowd": lambda: crowd(options.count),
        "relay": lambda: relay(GROUPS, DISCOVERY_PORT),
        "mdns-reflector": lambda: relay(MDNS_GROUPS, MDNS_PORT),
        "names": lambda: names(options.record, options.dns64),
    }
    try:
        parts[options.kind]()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
