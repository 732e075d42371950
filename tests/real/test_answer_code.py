"""The answer code over real sockets: shown where only a person can help, heeded, and harmless everywhere else."""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import os
import pty
import re
import signal
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Self

import pytest

import localpair
from devices import PATIENCE_S, Device, Home
from localpair.errors import AnswerError, UnreachableError
from localpair.keys import Purpose, Role, SharedSecret
from localpair.limits import ANSWER_CODE_AFTER_S, ANSWER_CODES
from localpair.wire.answer import Answer
from netns import Lan, Namespace, find_tool, lan

netns = pytest.mark.netns
isolated = pytest.mark.isolated
NO_HURRY = "60"  # seconds that a run may take where an answer code has to be carried


@pytest.fixture
def one_way() -> Iterator[Lan]:
    """Two subnets; the router lets connections begin in the first one only."""
    with lan(2) as net:
        find_tool("nft")
        net.bridge("br1")
        far = net.host(1)
        far.ip("addr flush dev eth0")
        net.switch.ip(
            "addr add 192.168.1.1/24 dev br0",
            "addr add 192.168.2.1/24 dev br1",
            f"link set {far.port} master br1",
        )
        net.switch.sysctl(net__ipv4__ip_forward=1)
        net.switch.nft(
            "table inet filter { chain forward { type filter hook forward priority 0; policy drop; "
            "ct state established,related accept; iif br0 oif br1 accept; }; }\n"
        )
        far.ip("addr add 192.168.2.20/24 dev eth0", "route add default via 192.168.2.1")
        net.host(0).ip("route add default via 192.168.1.1")
        net.settle()
        yield net


def begin(net: Lan, tmp_path: Path, *host_with: str) -> tuple[Device, Device]:
    """Both at work, the offer read."""
    first, second = Home(net.host(0), tmp_path / "a"), Home(net.host(1), tmp_path / "b")
    hosting = first.host("--timeout", NO_HURRY, *host_with)
    return hosting, second.join(hosting.wait("offer")["offer"], "--timeout", NO_HURRY)


def assert_the_host_dialled(hosting: Device, joining: Device) -> None:
    here, there = hosting.wait("paired"), joining.wait("paired")
    assert (here["path"]["direction"], there["path"]["direction"]) == ("out", "in")
    assert here["path"]["carrier"] == there["path"]["carrier"] == "answer"
    assert here["path"]["remote"] == "192.168.2.20:46821"
    assert (hosting.end(), joining.end()) == (0, 0)


@netns
@pytest.mark.parametrize("addresses", ["all", "none"])
def test_the_code_completes_the_pair_where_only_the_host_can_dial(
    one_way: Lan, tmp_path: Path, addresses: str
) -> None:
    hosting, joining = begin(one_way, tmp_path, "--offer-addresses", addresses)
    code = joining.wait("answer")["answer"]
    hosting.say(code + "\n")
    assert_the_host_dialled(hosting, joining)
    (taken,) = hosting.of("answered")
    assert [(one["address"], one["port"]) for one in taken["addresses"]] == [("192.168.2.20", 46_821)]


@netns
def test_wrong_codes_cost_nothing(one_way: Lan, tmp_path: Path) -> None:
    """Of another offer, of another device, mistyped: the host says so each time and takes the right one after."""
    hosting, joining = begin(one_way, tmp_path)
    code = joining.wait("answer")["answer"]
    mistyped = code[:-1] + ("A" if code[-1] != "A" else "B")
    foreign = Answer(46_821, 0, (ip_address("192.168.1.1"),)).text(
        SharedSecret(bytes(16), Purpose.OFFER, Role.ISSUER)
    )
    for number, wrong in enumerate((mistyped, foreign, "LA:", "LA:" + "A" * 300), 1):
        hosting.type(f"a line that means nothing\n{wrong}\n")
        hosting.wait("answered", lambda _, number=number: len(hosting.of("answered")) == number)
    hosting.type(code + "\n")
    assert_the_host_dialled(hosting, joining)
    *refused, accepted = hosting.of("answered")
    assert [event["accepted"] for event in refused] == [False] * 4
    assert all(event["message"] and event["hint"] for event in refused)
    assert accepted["accepted"] is True
    dialled = {event["candidate"] for event in hosting.of("attempt") if event["direction"] == "out"}
    assert dialled == {"192.168.2.20:46821"}, "no wrong code made it call anybody"


@netns
def test_another_code_is_shown_when_the_address_changes(one_way: Lan, tmp_path: Path) -> None:
    hosting, joining = begin(one_way, tmp_path)
    first = joining.wait("answer")["answer"]
    one_way.host(1).ip("addr del 192.168.2.20/24 dev eth0", "addr add 192.168.2.77/24 dev eth0")
    one_way.host(1).ip("route add default via 192.168.2.1")
    second = joining.wait("answer", lambda event: event["answer"] != first)["answer"]
    hosting.say(second + "\n")
    assert hosting.wait("paired")["path"]["remote"] == "192.168.2.77:46821"
    assert (hosting.end(), joining.end()) == (0, 0)


@netns
def test_no_code_is_shown_where_the_host_hears_this_device(tmp_path: Path) -> None:
    """The host knows the address and TCP is dead: a person could do nothing."""
    find_tool("nft")
    with lan(2) as net:
        for number in range(2):
            net.host(number).nft(
                "table inet deaf { chain in { type filter hook input priority 0; iif eth0 meta l4proto tcp drop; }; }\n"
            )
        first, second = Home(net.host(0), tmp_path / "a"), Home(net.host(1), tmp_path / "b")
        hosting = first.host("--timeout", "12")
        joining = second.join(hosting.wait("offer")["offer"], "--timeout", "8")
        assert (joining.end(), hosting.end()) == (3, 3)
        assert joining.wait("peer", lambda event: event["hears_us"])
        assert not joining.of("answer")


@netns
def test_no_code_is_shown_while_a_person_is_asked(tmp_path: Path) -> None:
    with lan(2) as net, Terminal(net.host(0), tmp_path / "a", "host", "--qr", "none") as hosting:
        joining = Home(net.host(1), tmp_path / "b").join(hosting.offer(), "--timeout", NO_HURRY)
        hosting.until("Pair with this device? [y/N]")
        time.sleep(ANSWER_CODE_AFTER_S + 1)  # a person reads
        hosting.type("y")
        joining.wait("paired")
        assert (joining.end(), hosting.end()) == (0, 0)
        assert not joining.of("answer")


@netns
def test_a_person_types_the_code_and_then_agrees(one_way: Lan, tmp_path: Path) -> None:
    """A slip, then the code in small letters and without its beginning; the question after it is one of its own."""
    with Terminal(one_way.host(0), tmp_path / "a", "host", "--qr", "none") as hosting:
        joining = Home(one_way.host(1), tmp_path / "b").join(hosting.offer(), "--timeout", NO_HURRY)
        code = joining.wait("answer")["answer"]
        hosting.type("LA:ABCD-EFGH-IJKL-MNOP")
        hosting.until("warning: no answer code for the offer shown", "hint: ")
        hosting.type(code.removeprefix("LA:").replace("-", " ").lower())
        hosting.until("Calling the other device at 192.168.2.20", "Pair with this device? [y/N]")
        hosting.type("y")
        hosting.until("Paired with ", "(answer)")
        assert (joining.wait("paired")["path"]["carrier"], joining.end(), hosting.end()) == ("answer", 0, 0)


@netns
def test_a_person_sees_the_code_and_what_to_do_with_it(one_way: Lan, tmp_path: Path) -> None:
    hosting = Home(one_way.host(0), tmp_path / "a").host("--timeout", NO_HURRY)
    offer = hosting.wait("offer")["offer"]
    with Terminal(one_way.host(1), tmp_path / "b", "join") as joining:
        joining.until("Offer: ")
        joining.type(offer)
        seen = joining.until("type this on the other device:", "LA:", "▀▀▀", "▀\r\n")
        code = "LA:" + seen.partition("LA:")[2].partition("\r\n")[0]
        assert re.fullmatch("LA:[A-Z2-7]{4}(-[A-Z2-7]{4}){3}", code)
        hosting.say(code + "\n")
        joining.until("Paired with ")
        assert (joining.end(), hosting.end()) == (0, 0)


@netns
@pytest.mark.parametrize("stdin", ["terminal", "pipe", "endless"])
def test_an_interrupt_ends_a_host_that_reads(tmp_path: Path, stdin: str) -> None:
    with lan(1) as net:
        if stdin == "terminal":
            with Terminal(net.host(0), tmp_path / "a", "host", "--qr", "none") as hosting:
                hosting.offer()
                os.killpg(hosting.process.pid, signal.SIGINT)
                assert hosting.end(limit_s=2) == 130
            return
        device = Home(net.host(0), tmp_path / "a").host()
        device.wait("offer")
        if stdin == "endless":
            writing = threading.Thread(target=flood, args=(device,))
            writing.start()
        assert device.interrupt() < 2
        assert device.of("failed")[0]["reason"] == "interrupted"
        if stdin == "endless":
            writing.join(10)
            assert not writing.is_alive()


def flood(device: Device) -> None:
    with contextlib.suppress(BrokenPipeError):
        while True:
            device.type("no answer\n" * 1000)


@netns
@pytest.mark.parametrize(("attended", "waits"), [(True, True), (False, False)])
def test_who_watches_gets_the_time_that_the_offer_leaves(tmp_path: Path, attended: bool, waits: bool) -> None:
    """The bound of an attempt is 1 s here, and the offer's lifetime 4 s."""
    with lan(1) as net:
        events, message, hint, elapsed = net.host(0).python(ALONE, str(tmp_path), str(int(attended)))
    assert events == 1
    assert "off, asleep or not on this network" in message
    assert "answer code" in hint
    assert (elapsed > 3.5) == waits


ALONE = """
import asyncio, json, sys, time
from pathlib import Path
import localpair
from localpair.pairing import answer_code as answering
from localpair.pairing import join as joining

joining.ATTEMPT_S, answering.ANSWER_CODE_AFTER_S, answering.ANSWER_CODE_LOOK_S = 1.0, 0.2, 0.05

async def main():
    offer = localpair.Offer(bytes(16), bytes(16), 46_999, 46_999, 4)
    settings = localpair.Settings(attended=bool(int(sys.argv[2])))
    async with localpair.join(offer, settings, store=localpair.TrustStore(Path(sys.argv[1]))) as pairing:
        started = time.monotonic()
        try:
            await pairing.session()
        except localpair.UnreachableError as error:
            elapsed = time.monotonic() - started
            shown = [event async for event in pairing.events() if isinstance(event, localpair.AnswerIssued)]
            print(json.dumps([len(shown), error.message, error.hint, elapsed]))

asyncio.run(main())
"""


# --- Hosting.answer ---


async def offers(hosting: localpair.Hosting) -> AsyncIterator[localpair.Offer]:
    async for event in hosting.events():
        if isinstance(event, localpair.OfferIssued):
            yield localpair.Offer.parse(event.text)


def code(offer: localpair.Offer, *addresses: str) -> str:
    secret = SharedSecret(offer.secret, Purpose.OFFER, Role.ISSUER)
    return Answer(46_821, 46_830, tuple(map(ip_address, addresses))).text(secret)


def hosting_with(
    tmp_path: Path, use: Callable[[localpair.Hosting, AsyncIterator[localpair.Offer]], Awaitable[None]], **more: float
) -> None:  # fmt: skip
    async def run() -> None:
        settings = localpair.Settings(timeout=30, **more)  # type: ignore[arg-type]
        async with localpair.host(settings, store=localpair.TrustStore(tmp_path)) as hosting:
            await use(hosting, offers(hosting))

    asyncio.run(run())


@isolated
def test_there_must_be_an_offer_to_answer(tmp_path: Path) -> None:
    async def use(hosting: localpair.Hosting, issued: AsyncIterator[localpair.Offer]) -> None:
        with pytest.raises(AnswerError, match="no offer is shown yet"):
            hosting.answer("LA:CEA4-BKAC-CR7X-U6N2")
        offer = await anext(issued)
        (called,) = hosting.answer(code(offer, "192.168.9.9"))
        assert (str(called), called.origin) == ("192.168.9.9:46821", localpair.Origin.ANSWER)

    hosting_with(tmp_path, use)


@isolated
def test_the_code_of_an_earlier_offer_is_told_from_a_slip(tmp_path: Path) -> None:
    async def use(hosting: localpair.Hosting, issued: AsyncIterator[localpair.Offer]) -> None:
        old = code(await anext(issued), "192.168.9.9")
        assert hosting.answer(old)
        await anext(issued)
        with pytest.raises(AnswerError, match="works no more") as caught:
            hosting.answer(old)
        assert caught.value.hint

    hosting_with(tmp_path, use, lifetime=1)


@isolated
@pytest.mark.parametrize("typed", ["n", "yes", "hello?"])
def test_what_is_no_code_at_all_is_told_what_can_be_typed(typed: str, tmp_path: Path) -> None:
    async def use(hosting: localpair.Hosting, issued: AsyncIterator[localpair.Offer]) -> None:
        await anext(issued)
        with pytest.raises(AnswerError, match="no answer code, and nothing was asked") as caught:
            hosting.answer(typed)
        assert "LA:" in (caught.value.hint or "")
        for slip in ("CEA4-BKAC", "LA:C"):
            with pytest.raises(AnswerError, match="a letter is wrong or missing"):
                hosting.answer(slip)

    hosting_with(tmp_path, use)


@isolated
def test_few_codes_are_heeded_and_each_as_often_as_one_likes(tmp_path: Path) -> None:
    async def use(hosting: localpair.Hosting, issued: AsyncIterator[localpair.Offer]) -> None:
        offer = await anext(issued)
        codes = [code(offer, f"192.168.9.{number}") for number in range(1, ANSWER_CODES + 2)]
        for text in (*codes[:-1], *codes[:-1]):
            hosting.answer(text)
        with pytest.raises(AnswerError, match="too many"):
            hosting.answer(codes[-1])
        hosting.answer(codes[0])

    hosting_with(tmp_path, use)


@isolated
def test_a_code_without_an_address_to_call_is_refused(tmp_path: Path) -> None:
    async def use(hosting: localpair.Hosting, issued: AsyncIterator[localpair.Offer]) -> None:
        offer = await anext(issued)
        with pytest.raises(AnswerError, match=r"127\.0\.0\.1 was dropped: loopback"):
            hosting.answer(code(offer, "127.0.0.1"))
        (called,) = hosting.answer(code(offer, "169.254.169.254", "10.9.9.9"))
        assert str(called) == "10.9.9.9:46821"

    hosting_with(tmp_path, use)


@isolated
def test_an_answered_host_without_a_network_says_so(tmp_path: Path) -> None:
    async def run() -> None:
        settings = localpair.Settings(timeout=2)
        async with localpair.host(settings, store=localpair.TrustStore(tmp_path)) as hosting:
            hosting.answer(code(await anext(offers(hosting)), "192.168.9.9"))
            with pytest.raises(UnreachableError, match="this device has no usable network address"):
                await hosting.session()

    asyncio.run(run())


class Terminal:
    """``localpair`` in a namespace, with a person at its terminal: what it shows, and what is typed there."""

    def __init__(self, namespace: Namespace, home: Path, *words: str) -> None:
        self._text = ""
        self._master, slave = pty.openpty()
        self._news = threading.Condition()
        self.process = namespace.popen(
            [sys.executable, "-m", "localpair", *words],
            env={"LOCALPAIR_HOME": str(home), "TERM": "xterm"}, stdin=slave, stdout=slave, stderr=slave,
        )  # fmt: skip
        os.close(slave)
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self._reader.join(10)
        os.close(self._master)

    def type(self, line: str) -> None:
        """A line, and Enter."""
        os.write(self._master, line.encode() + b"\n")

    def until(self, *parts: str) -> str:
        """All that was shown, without colours, as soon as the parts stand there in this order."""
        deadline = time.monotonic() + PATIENCE_S
        with self._news:
            while not re.search(".*?".join(map(re.escape, parts)), text := self._plain(), re.DOTALL):
                assert self._news.wait(deadline - time.monotonic()), text
            return text

    def _plain(self) -> str:
        return re.sub("\x1b\\[[0-9;]*m", "", self._text)

    def offer(self) -> str:
        """The offer, once it is shown."""
        return "LP:" + self.until("LP:", "\r\n").partition("LP:")[2].partition("\r\n")[0]

    def end(self, limit_s: float = PATIENCE_S) -> int:
        """Wait for the end and return the exit code."""
        return self.process.wait(limit_s)

    def _read(self) -> None:
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        while True:
            try:
                data = os.read(self._master, 4096)
            except OSError:  # the last one who held the other end is gone
                return
            with self._news:
                self._text += decoder.decode(data)
                self._news.notify_all()
