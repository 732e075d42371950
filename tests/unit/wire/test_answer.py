"""The answer code: vectors, round trips, and every way in which a text can be no answer to this offer."""

from __future__ import annotations

import json
import string
from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

import places
from localpair.address import why_never_dialled
from localpair.candidate import Candidate, Interface, InterfaceAddress, InterfaceKind
from localpair.errors import AnswerError
from localpair.keys import Purpose, Role, SharedSecret
from localpair.limits import ANSWER_CODE_CHARS, DIAL_PORTS, PAIRING_PORTS
from localpair.ranking import own_candidates, select_for_answer
from localpair.wire.answer import Answer
from localpair.wire.base32 import spell, unspell

VECTORS = json.loads((places.VECTORS / "answers.json").read_text("utf-8"))
SECRET = SharedSecret(bytes.fromhex(VECTORS["secret"]), Purpose.OFFER, Role.ISSUER)
OTHER = SharedSecret(bytes(16), Purpose.OFFER, Role.ISSUER)
ONE = Answer(46_821, 46_830, (ip_address("192.168.2.20"),))


def _text(body: bytes, secret: SharedSecret = SECRET) -> str:
    return "LA:" + spell(body + secret.answer_check(body))


def _named(vectors: list[dict[str, Any]]) -> list[Any]:
    return [pytest.param(vector, id=vector["name"]) for vector in vectors]


@pytest.mark.parametrize("vector", _named(VECTORS["answers"]))
def test_a_vector_reads_and_is_written_as_it_says(vector: dict[str, Any]) -> None:
    answer = Answer(vector["port"], vector["dial_port"], tuple(map(ip_address, vector["addresses"])))
    assert Answer.parse(vector["text"], SECRET) == answer
    assert unspell(vector["text"][3:].replace("-", "")) == bytes.fromhex(vector["bytes"])
    assert answer.text(SECRET) == vector["text"]


def test_one_ipv4_address_makes_sixteen_letters() -> None:
    groups = ONE.text(SECRET).removeprefix("LA:").split("-")
    assert [len(group) for group in groups] == [4, 4, 4, 4]


_addresses = st.ip_addresses().filter(lambda address: not why_never_dialled(address))
_answers = st.builds(
    Answer,
    port=st.sampled_from(PAIRING_PORTS) | st.integers(1024, 65_535),
    dial_port=st.just(0) | st.sampled_from(DIAL_PORTS) | st.integers(1024, 65_535),
    addresses=st.lists(_addresses, min_size=1, max_size=3, unique=True).map(
        lambda found: tuple(sorted(found, key=lambda address: address.version))
    ),
)


@given(_answers, st.randoms())
def test_an_answer_survives_whatever_typing_does_to_its_text(answer: Answer, chance: Any) -> None:
    letters = answer.text(SECRET).replace("-", "")
    assert len(letters) <= ANSWER_CODE_CHARS // 4
    spaced = "".join(
        chance.choice([one, one.lower()]) + chance.choice(["", "", " ", "-"]) for one in letters[3:]
    )
    for text in (letters, "la:" + spaced, spaced.replace("O", "0").replace("I", "1").replace("B", "8"),
                 f'{{"event": "answer", "answer": "LA:{spaced}"}}', f"it says LA:{spaced}\r\n"):  # fmt: skip
        read = Answer.parse(text, SECRET)
        assert (read.port, read.dial_port) == (answer.port, answer.dial_port)
        assert {*read.addresses} <= {*answer.addresses}
        assert len(read.addresses) + len(read.dropped) == len(answer.addresses)


def _parse(text: str, secret: SharedSecret = SECRET) -> Answer | None:
    """The answer in ``text``, or None where it raised `AnswerError` with a hint; anything else ends the test."""
    try:
        return Answer.parse(text, secret)
    except AnswerError as caught:
        error = caught
    assert error.hint
    return None


@given(st.text() | st.text(string.ascii_letters + string.digits).map("LA:".__add__) | st.binary().map(spell))
@example("LA:" * 100)
@example("-" * 400)
def test_any_text_gives_an_answer_or_one_error(text: str) -> None:
    _parse(text)


@given(st.binary(min_size=1, max_size=80))
@example(bytes([0x13, 0x01]) + 3 * bytes([192, 168, 1, 7]))
def test_any_body_with_a_right_check_gives_an_answer_or_one_error(body: bytes) -> None:
    answer = _parse(_text(body))
    if answer is not None:
        assert not any(why_never_dialled(address) for address in answer.addresses)
        assert answer.port >= 1024
        assert answer.dial_port == 0 or answer.dial_port >= 1024
        assert len(answer.addresses) <= 3


@given(st.integers(0, 15), st.sampled_from(string.ascii_uppercase + "234567"))
def test_one_wrong_letter_is_noticed(place: int, letter: str) -> None:
    letters = list(ONE.text(SECRET).removeprefix("LA:").replace("-", ""))
    assume(letters[place] != letter)
    letters[place] = letter
    assert _parse("".join(letters)) is None


def test_a_code_answers_one_offer_only() -> None:
    with pytest.raises(AnswerError, match="offer shown"):
        Answer.parse(ONE.text(OTHER), SECRET)
    pair = SharedSecret(bytes.fromhex(VECTORS["secret"]), Purpose.PAIR, Role.ISSUER)
    assert _parse(ONE.text(pair)) is None


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("2101c0a80214", "version 2"),
        ("0101c0a80214", "version 0"),
        ("1001", "0 addresses"),
        ("1f01" + 3 * "c0a80214" + 3 * ("fd" + 30 * "0"), "6 addresses"),
        ("1191c0a80214", "unknown port number 9"),
        ("110bc0a80214", "unknown port number 11"),
        ("11f003ffc0a80214", "port 1023"),
        ("110f0050c0a80214", "dial port 80"),
        ("1101c0a802", "truncated"),
        ("1101c0a8021405", "truncated"),
        ("1101c0a802148000", "field 128"),
    ],
)
def test_a_code_that_no_localpair_makes_says_what_is_wrong(body: str, says: str) -> None:
    with pytest.raises(AnswerError, match=says) as caught:
        Answer.parse(_text(bytes.fromhex(body)), SECRET)
    assert caught.value.hint


def test_fields_to_come_are_passed_over() -> None:
    assert Answer.parse(_text(bytes.fromhex("1101c0a80214" + "0703aabbcc" + "0800")), SECRET) == ONE


@pytest.mark.parametrize(
    ("address", "why"),
    [("127.0.0.1", "loopback"), ("224.0.0.1", "multicast"), ("169.254.169.254", "metadata"),
     ("255.255.255.255", "broadcast"), ("0.0.0.0", "unspecified"), ("239.1.2.3", "multicast")],
)  # fmt: skip
def test_what_is_never_called_is_dropped_with_its_reason(address: str, why: str) -> None:
    packed = ip_address(address).packed.hex()
    answer = Answer.parse(_text(bytes.fromhex(f"1201{packed}c0a80214")), SECRET)
    assert answer.addresses == ONE.addresses
    (note,) = answer.dropped
    assert why in note


def test_no_error_repeats_what_it_read() -> None:
    typed = "LA:CEA4-BKAC-CSTD-5Q7Q"
    with pytest.raises(AnswerError) as caught:
        Answer.parse(typed, SECRET)
    said = f"{caught.value.message} {caught.value.hint} {caught.value!r}"
    assert not any(group in said for group in typed.removeprefix("LA:").split("-"))


# --- Which addresses are worth typing ---


def interface(
    name: str, *addresses: str, kind: InterfaceKind = InterfaceKind.ETHERNET, **more: Any
) -> Interface:
    pairs = [text.split("/") for text in addresses]
    details = tuple(InterfaceAddress(ip_address(host), int(prefix)) for host, prefix in pairs)
    return Interface(len(name), name, kind=kind, addresses=details, **more)


LAN = interface("eth0", "192.168.1.20/24", "fd12::20/64", gateway=True)
DOCKER = interface("docker0", "172.17.0.1/16", kind=InterfaceKind.BRIDGE)
TUNNEL = interface("tun0", "10.8.0.6/24", kind=InterfaceKind.TUNNEL)
WIFI = interface("wlan0", "10.0.0.7/24", kind=InterfaceKind.WIRELESS, neighbours=1)
LONELY = interface("enp1s0", "fe80::1/64", "fd12::1/64")


@pytest.mark.parametrize(
    ("interfaces", "towards", "chosen"),
    [
        ([LAN, DOCKER, TUNNEL], [], ["192.168.1.20"]),
        ([LAN, WIFI, DOCKER], [], ["192.168.1.20", "10.0.0.7"]),
        ([LAN, WIFI], ["10.0.0.7"], ["10.0.0.7", "192.168.1.20"]),
        ([LAN, TUNNEL], ["10.8.0.6"], ["10.8.0.6", "192.168.1.20"]),
        ([LAN], ["fd12::20"], ["192.168.1.20", "fd12::20"]),
        ([DOCKER, TUNNEL], [], ["172.17.0.1", "10.8.0.6"]),
        ([LONELY], [], ["fd12::1"]),
        ([interface("eth9", "fe80::9/64")], [], ["fe80::9"]),
        ([], [], []),
        ([interface(f"e{n}", f"10.0.{n}.1/24") for n in range(6)], [], ["10.0.0.1", "10.0.1.1", "10.0.2.1"]),
    ],
)  # fmt: skip
def test_only_addresses_worth_typing_are_chosen(
    interfaces: list[Interface], towards: list[str], chosen: list[str]
) -> None:
    own: tuple[Candidate, ...] = own_candidates(interfaces, port=46_821)
    wanted = frozenset(map(ip_address, towards))
    assert [str(address) for address in select_for_answer(own, interfaces, wanted)] == chosen
