"""The offer's text: vectors, round trips, and every way in which a text can be no offer."""

from __future__ import annotations

import json
import string
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest
import segno
from hypothesis import example, given
from hypothesis import strategies as st

import places
from localpair.address import why_never_dialled
from localpair.errors import OfferError
from localpair.limits import OFFER_CANDIDATES, OFFER_LABEL_BYTES, OFFER_LIFETIME_MAX_S
from localpair.wire.offer import Offer, OfferedAddress, fit_label
from localpair.wire.offer_text import unwrap, wrap

VECTORS = json.loads((places.VECTORS / "offers.json").read_text("utf-8"))
TYPICAL = next(vector["text"] for vector in VECTORS["offers"] if vector["name"] == "typical")


def _named(vectors: list[dict[str, Any]]) -> list[Any]:
    return [pytest.param(vector, id=vector["name"]) for vector in vectors]


def _offer(fields: dict[str, Any]) -> Offer:
    pairs = [text.split("/") for text in fields["candidates"]]
    return Offer(
        **{
            **fields,
            "key_hash": bytes.fromhex(fields["key_hash"]),
            "secret": bytes.fromhex(fields["secret"]),
            "candidates": tuple(OfferedAddress(ip_address(host), int(prefix)) for host, prefix in pairs),
            "made_for": bytes.fromhex(fields["made_for"]) if fields["made_for"] else None,
        }
    )


@pytest.mark.parametrize("vector", _named(VECTORS["offers"] + VECTORS["dropped"]))
def test_a_vector_reads_as_it_says(vector: dict[str, Any]) -> None:
    offer = Offer.parse(vector["text"])
    assert offer == _offer(vector["offer"])
    assert len(offer.dropped) == vector.get("dropped", 0)
    assert unwrap(vector["text"]).hex() == vector["bytes"]


@pytest.mark.parametrize("vector", _named([v for v in VECTORS["offers"] if "unknown" not in v["name"]]))
def test_a_vector_is_written_as_it_says(vector: dict[str, Any]) -> None:
    assert _offer(vector["offer"]).text == vector["text"]


@pytest.mark.parametrize("vector", _named(VECTORS["refused"]))
def test_a_text_that_is_no_offer_says_what_and_what_to_do(vector: dict[str, Any]) -> None:
    with pytest.raises(OfferError, match=vector["says"]) as caught:
        Offer.parse(vector["text"])
    assert caught.value.hint


_addresses = st.ip_addresses().filter(lambda address: not why_never_dialled(address))
_offers = st.builds(
    Offer,
    key_hash=st.binary(min_size=16, max_size=16),
    secret=st.binary(min_size=16, max_size=16),
    tcp_port=st.integers(1024, 65535),
    udp_port=st.integers(1024, 65535),
    lifetime=st.integers(1, int(OFFER_LIFETIME_MAX_S)),
    flow=st.sampled_from(["pre", "post"]),
    gives=st.booleans(),
    takes=st.booleans(),
    discoverable=st.booleans(),
    # /32 and /31 have neither a network nor a broadcast address, so that none of these is dropped.
    candidates=st.lists(_addresses, max_size=6, unique=True).map(
        lambda found: tuple(OfferedAddress(a, 32 if a.version == 4 else 64) for a in found)
    ),
    label=st.text(max_size=OFFER_LABEL_BYTES).map(fit_label),
    made_for=st.none() | st.binary(min_size=8, max_size=8),
    dial_port=st.just(0) | st.integers(1024, 65535),
)


@given(_offers)
def test_an_offer_survives_its_text(offer: Offer) -> None:
    read = Offer.parse(offer.text)
    assert read == offer
    assert read.dropped == ()


def _parse(text: str) -> Offer | None:
    """The offer in ``text``, or None where it raised `OfferError`; anything else ends the test."""
    try:
        return Offer.parse(text)
    except OfferError:
        return None


@given(st.text() | st.text().map("LP:".__add__) | st.text(string.ascii_letters + "234567").map("lp:".__add__))
@example("LP:" * 200)
def test_any_text_gives_an_offer_or_one_error(text: str) -> None:
    _parse(text)


@given(st.binary(max_size=200), st.integers(0, 2))
def test_any_body_with_a_right_checksum_gives_an_offer_or_one_error(body: bytes, version: int) -> None:
    offer = _parse(wrap(bytes([version]) + body))
    if offer is not None:
        assert not any(why_never_dialled(address) for address, _ in offer.candidates)


@given(st.binary(max_size=140), st.integers(0, 7))
def test_any_tail_gives_an_offer_or_one_error(tail: bytes, count: int) -> None:
    header = unwrap(TYPICAL)[:40]
    offer = _parse(wrap(header + bytes([count]) + tail))
    if offer is not None:
        assert len(offer.candidates) + len(offer.dropped) == count


def test_every_change_of_one_character_is_refused() -> None:
    others = (
        string.ascii_uppercase
        + string.digits
        + " \n\t-:.,;/+=_*\"'<>|\0\x1b\u00df\u017f\u212a\u0131\u00e9\uff21\uff11\u200b"
    )
    for position, right in enumerate(TYPICAL):
        for wrong in others:
            if wrong == right:
                continue
            with pytest.raises(OfferError):
                Offer.parse(TYPICAL[:position] + wrong + TYPICAL[position + 1 :])


def test_every_lost_and_every_swapped_character_is_refused() -> None:
    for position in range(len(TYPICAL)):
        with pytest.raises(OfferError):
            Offer.parse(TYPICAL[:position] + TYPICAL[position + 1 :])
        swapped = TYPICAL[:position] + TYPICAL[position : position + 2][::-1] + TYPICAL[position + 2 :]
        if swapped != TYPICAL:
            with pytest.raises(OfferError):
                Offer.parse(swapped)


@pytest.mark.parametrize(
    "disguise",
    [
        str.lower,
        str.swapcase,
        lambda text: f"  {text}\r\n",
        lambda text: f'"{text}"',
        lambda text: f"({text}).",
        lambda text: f"offer: {text}",
        lambda text: f"Help: {text} it expires in 120 seconds",
        lambda text: f"{text}\nsee you",
        lambda text: f"{text}, {text}",
        lambda text: "\n".join(text[i : i + 40] for i in range(0, len(text), 40)),
        lambda text: "\n".join("> " + text[i : i + 40] for i in range(0, len(text), 40)),
        lambda text: "-".join(text[i : i + 4] for i in range(0, len(text), 4)),
        lambda text: "\n\u2580\u2588 \u2584  ".join(text[i : i + 33] for i in range(0, len(text), 33)),
        lambda text: "\u00ad\u200b".join(text[i : i + 9] for i in range(0, len(text), 9)),
        lambda text: f"\ufeff{text}\ufeff",
    ],
)
def test_what_copying_does_to_a_text_is_forgiven(disguise: Any) -> None:
    # A hyphen inside LP: itself would be a change of the prefix.
    body = TYPICAL.removeprefix("LP:")
    disguised = "LP:" + disguise(body) if "-" in disguise("AAAAAAAA") else disguise(TYPICAL)
    assert Offer.parse(disguised) == Offer.parse(TYPICAL)


def test_no_error_and_no_repr_holds_the_secret() -> None:
    secret = b"0123456789abcdef"
    offer = Offer(key_hash=b"k" * 16, secret=secret, tcp_port=46821, udp_port=46821, lifetime=120)
    shown = [repr(offer), str(offer)]
    for position in range(len(offer.text)):
        for wrong in ("A", "0", "é"):
            try:
                Offer.parse(offer.text[:position] + wrong + offer.text[position + 1 :])
            except OfferError as error:
                shown += [repr(error), str(error), str(error.hint), repr(error.__cause__)]
    encoded = offer.text[30:50]
    for text in shown:
        assert "0123456789abcdef" not in text
        assert secret.hex() not in text
        assert encoded not in text


def test_the_largest_offer_fits_a_code_of_49_modules() -> None:
    text = next(vector["text"] for vector in VECTORS["offers"] if vector["name"] == "largest")
    code = segno.make_qr(text, error="l")
    assert len(text) <= 279
    assert code.mode == "alphanumeric"
    assert code.symbol_size(border=0)[0] <= 49
    offer = Offer.parse(text)
    assert len(offer.candidates) == OFFER_CANDIDATES
    assert len(offer.label.encode()) == OFFER_LABEL_BYTES
    assert offer.made_for is not None


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"candidates": (OfferedAddress(ip_address("10.0.0.1"), 8),) * 7}, "7 addresses"),
        ({"candidates": (OfferedAddress(ip_address("10.0.0.1"), 33),)}, "prefix length of 33"),
        ({"key_hash": b"short"}, "wrong length"),
        ({"secret": b"s" * 17}, "wrong length"),
        ({"made_for": b""}, "instance of the wrong length"),
        ({"label": "ü" * 7}, "more than 12 bytes"),
        ({"label": "\ud800"}, "no Unicode text"),
        ({"tcp_port": 1023}, "TCP port 1023"),
        ({"udp_port": 65536}, "UDP port 65536"),
        ({"dial_port": 22}, "dial port 22"),
        ({"lifetime": 0}, "lifetime of 0"),
    ],
)
def test_an_offer_with_impossible_fields_cannot_be_built(change: dict[str, Any], says: str) -> None:
    good = Offer.parse(TYPICAL)
    with pytest.raises(OfferError, match=says):
        replace(good, **change)


@given(st.text())
def test_a_fitted_label_fits_and_is_a_beginning(name: str) -> None:
    fitted = fit_label(name)
    assert len(fitted.encode()) <= OFFER_LABEL_BYTES
    assert name.encode(errors="replace").decode().lstrip().startswith(fitted)
