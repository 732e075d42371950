"""The store as a file: content that is broken, newer or unknown, and no secret in any message."""

from __future__ import annotations

import json
import logging
import os
import traceback
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localpair.errors import StateError
from localpair.limits import TRUST_BYTES
from localpair.names.labels import better_label, clean_label, general_name
from localpair.trust.file import Document, dump, parse
from localpair.trust.store import DeviceState, TrustStore
from trust_files import POSIX
from trust_records import paired, record


def chain(error: BaseException | None) -> list[BaseException]:
    """The error and whatever hangs on it, hidden or not."""
    return [] if error is None else [error, *chain(error.__cause__), *chain(error.__context__)]


# -- Content that is broken, newer or unknown ----------------------------------------------------------------


def test_a_store_cut_off_anywhere_is_reported_kept_aside_and_never_used(
    folder: Path, store: TrustStore
) -> None:
    paired(store)
    paired(store, 2)
    whole = (folder / "trust.json").read_bytes()
    cuts = [0, 1, len(whole) // 3, len(whole) // 2, len(whole) - 3]
    for number, cut in enumerate(cuts, 1):
        (folder / "trust.json").write_bytes(whole[:cut])
        kept = folder / f"trust.json.broken-{number}"
        with pytest.raises(StateError) as caught:
            store.devices()
        assert str(kept) in str(caught.value)
        assert kept.read_bytes() == whole[:cut]
        assert not (folder / "trust.json").exists()
        assert store.devices() == ()
    (folder / "trust.json").write_bytes(whole)
    assert len(store.devices()) == 2, "the file can be put back"


def test_a_broken_store_stops_a_change_too(folder: Path, store: TrustStore) -> None:
    paired(store)
    (folder / "trust.json").write_bytes(b"{")
    with pytest.raises(StateError, match="broken-1"):
        store.record_unconfirmed(record(2))
    assert (folder / "trust.json.broken-1").read_bytes() == b"{"
    assert not (folder / "trust.json").exists(), "nothing was written in its place"


def spoilt(change: str) -> bytes:
    text = dump(Document().put(record(pair_key=b"\xaa" * 32, state=DeviceState.PAIRED))).decode()
    before, after = change.split(" -> ")
    assert before in text
    return text.replace(before, after).encode()


@pytest.mark.parametrize(
    "change",
    [
        '"pair_key": "aa -> "pair_key": "zz',
        '"pair_key": "aa -> "pair_key": "',
        '"state": "paired" -> "state": "befriended"',
        '"role": "issuer" -> "role": 7',
        '"public_key": "01 -> "public_key": "02',
        '"addresses": [] -> "addresses": [["not an address", 1]]',
        '"addresses": [] -> "addresses": {"a": 1}',
        '"last_seen": 0.0 -> "last_seen": "aaaa"',
        '"last_seen": 0.0 -> "last_seen": 1e999',
        '"accept": "ask" -> "accept": "aaaaaaaa"',
        '"receive_into": "" -> "receive_into": "aaaaaaaa"',
        '"max_size": null -> "max_size": true',
        '"max_size": null -> "max_size": -1',
        '"version": 1 -> "version": "1"',
        '"devices": [ -> "gadgets": [',
        '"label": "device 1" -> "label": "device 1',
    ],
)
def test_no_error_about_a_broken_store_holds_any_of_its_content(
    change: str, folder: Path, store: TrustStore
) -> None:
    folder.mkdir()
    (folder / "trust.json").write_bytes(spoilt(change))
    with pytest.raises(StateError) as caught:
        store.devices()
    for error in chain(caught.value):
        shown = repr(error) + str(vars(error)) + "".join(traceback.format_exception(error))
        assert "aaaaaaaa" not in shown.lower()
        assert not isinstance(error, json.JSONDecodeError), "it carries the whole document"


@pytest.mark.parametrize(
    "content", [b"[" * 100_000, b"\xff\xfe", b"null", b'{"version": 0}', b" " * (TRUST_BYTES + 1)]
)
def test_absurd_content_is_broken_content(content: bytes) -> None:
    with pytest.raises(ValueError, match="it "):
        parse(content)


@given(st.binary(max_size=300))
def test_garbage_is_a_store_or_one_error(data: bytes) -> None:
    try:
        assert isinstance(parse(data), Document)
    except ValueError:
        pass


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


KNOWN = frozenset(json.loads(dump(Document().put(record())))["devices"][0])


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(KNOWN, JSON)))
def test_a_device_with_odd_values_is_a_record_or_one_error(odd: dict[str, object]) -> None:
    content = json.loads(dump(Document().put(record())))
    content["devices"][0].update(odd)
    try:
        document = parse(json.dumps(content).encode())
    except ValueError:
        return
    assert parse(dump(document)) == document


@given(JSON, JSON)
def test_unknown_fields_survive_every_rewrite(of_file: object, of_device: object) -> None:
    content = json.loads(dump(Document().put(record(state=DeviceState.PAIRED))))
    content["later"] = of_file
    content["devices"][0]["later"] = of_device
    document = parse(json.dumps(content).encode()).put(record(alias="x", state=DeviceState.PAIRED)).advanced()
    document = document.put(record()).settle(record(alias="y", state=DeviceState.PAIRED))
    again = json.loads(dump(document))
    assert (again["later"], again["devices"][0]["later"]) == (of_file, of_device)
    assert len(again["devices"]) == 1


def test_a_newer_store_is_neither_used_nor_touched(folder: Path, store: TrustStore) -> None:
    paired(store)
    path = folder / "trust.json"
    path.write_bytes(path.read_bytes().replace(b'"version": 1', b'"version": 2'))
    content = path.read_bytes()
    for attempt in (store.devices, lambda: store.forget(record().device_id)):
        with pytest.raises(StateError, match="newer localpair") as caught:
            attempt()
        assert caught.value.hint is not None
    assert path.read_bytes() == content
    assert sorted(entry.name for entry in folder.iterdir()) == ["lock", "trust.json"]


# -- Secrets -------------------------------------------------------------------------------------------------


def test_no_secret_in_any_representation_or_log(
    folder: Path, store: TrustStore, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    device = paired(store, pair_key=b"\xab\xcd" * 16)
    secret = store.identity()
    if POSIX:
        (folder / "trust.json").chmod(0o666)
    document = parse(
        (folder / "trust.json").read_bytes().replace(b'"alias"', b'"later": "abcdabcd", "alias"')
    )
    TrustStore(folder).devices()
    store.revoke(device.device_id)
    shown = " ".join([repr(device), str(device), repr(document), repr(store), repr(vars(store)), caplog.text])
    for key in (device.pair_key, secret):
        assert key.hex() not in shown
        assert repr(key)[2:-1] not in shown
    assert "abcdabcd" not in shown


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32", "android", "ios", "freebsd14"])
def test_a_general_name_says_the_kind_and_gives_way_to_every_other(platform: str) -> None:
    general = general_name(platform)
    assert clean_label(general) == general
    assert os.uname().nodename not in general
    assert better_label(general, "kitchen") == better_label("", "kitchen") == "kitchen"
    assert better_label("kitchen", general) == "kitchen"
    assert better_label("bakery", "kitchen") == "bakery"
    assert better_label(general, "") == general
