"""The trust store: pairing in two steps, forgetting, revoking, names and addresses."""

from __future__ import annotations

import os
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localpair.candidate import Candidate, Origin
from localpair.choices.rules import NO_RULE, Acceptance, DeviceRule
from localpair.errors import Refusal, RefusedError, UsageError
from localpair.keys import Role
from localpair.limits import LABEL_BYTES, REMEMBERED_ADDRESSES
from localpair.names.labels import clean_label
from localpair.names.visible import in_context, is_hidden
from localpair.trust import file as trust_file
from localpair.trust.store import DeviceState, TrustStore
from trust_records import paired, record


def candidate(text: str, port: int = 46821) -> Candidate:
    return Candidate(ip_address(text), port)


# -- Pairing, in two steps -----------------------------------------------------------------------------------


def test_a_pair_is_pending_until_it_is_confirmed(folder: Path, store: TrustStore) -> None:
    new = record(label="Ana's laptop", addresses=(candidate("192.168.1.20"),))
    store.record_unconfirmed(replace(new, state=DeviceState.PAIRED))
    again = TrustStore(folder)
    assert [device.state for device in again.devices()] == [DeviceState.UNCONFIRMED]
    assert again.unconfirmed()[0].pair_key == new.pair_key

    confirmed = again.confirm(new.device_id)
    assert confirmed.state is DeviceState.PAIRED
    assert store.devices() == (confirmed,)
    assert store.unconfirmed() == ()
    assert (confirmed.public_key, confirmed.pair_key, confirmed.role, confirmed.label) == (
        new.public_key,
        new.pair_key,
        Role.ISSUER,
        "Ana's laptop",
    )
    assert confirmed.addresses[0].origin is Origin.REMEMBERED
    assert again.confirm(new.device_id) == confirmed, "a repeated acknowledgement changes nothing"


def test_a_failed_new_pairing_leaves_the_standing_pair_untouched(store: TrustStore) -> None:
    standing = paired(store)
    store.record_unconfirmed(record(pair_key=b"\x07" * 32))
    assert store.devices() == (standing,), "the peer may still hold the old key alone"
    assert [device.pair_key for device in store.unconfirmed()] == [b"\x07" * 32]
    store.drop_unconfirmed(standing.device_id)
    assert store.devices() == (standing,)
    assert store.unconfirmed() == ()


def test_a_new_pairing_replaces_the_key_and_keeps_what_people_gave(store: TrustStore) -> None:
    first = paired(store, addresses=(candidate("192.168.1.20"),))
    store.rename(first.device_id, "kitchen")
    second = paired(store, pair_key=b"\x07" * 32, addresses=(candidate("192.168.1.77"),), label="renamed")
    assert store.devices() == (second,)
    assert (second.pair_key, second.alias, second.label) == (b"\x07" * 32, "kitchen", "renamed")
    assert [str(kept) for kept in second.addresses] == ["192.168.1.77:46821", "192.168.1.20:46821"]


def test_confirming_what_was_forgotten_meanwhile_is_refused(store: TrustStore) -> None:
    store.record_unconfirmed(record())
    store.forget(record().device_id)
    with pytest.raises(RefusedError) as caught:
        store.confirm(record().device_id)
    assert caught.value.reason is Refusal.UNKNOWN_DEVICE
    assert store.devices() == ()


def test_a_record_whose_parts_do_not_fit_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="not the id"):
        record(device_id="abcdefghijklmnop")
    with pytest.raises(ValueError, match="32 bytes"):
        record(pair_key=b"short")
    with pytest.raises(ValueError, match="32 bytes"):
        record(public_key=b"short")


# -- Forget and revoke ---------------------------------------------------------------------------------------


def test_forget_removes_every_trace_of_the_keys(folder: Path, store: TrustStore) -> None:
    device = paired(store)
    store.record_unconfirmed(record(pair_key=b"\x07" * 32))
    other = paired(store, 2)
    store.forget(device.device_id)
    assert store.devices() == (other,)
    content = (folder / "trust.json").read_text()
    for trace in (device.pair_key.hex(), "07" * 32, device.public_key.hex(), device.device_id):
        assert trace not in content
    assert paired(store).state is DeviceState.PAIRED, "a forgotten device can be paired again"
    with pytest.raises(UsageError):
        store.forget("nobody")


def test_a_revoked_device_is_refused_at_once_in_other_processes_too(folder: Path, store: TrustStore) -> None:
    device = paired(store)
    live = TrustStore(folder)
    generation = live.generation
    assert not live.is_revoked(device.device_id)
    store.revoke(device.device_id)
    assert live.is_revoked(device.device_id)
    assert live.generation > generation
    assert live.get(device.device_id).state is DeviceState.REVOKED


def test_a_revoked_device_comes_back_only_through_forget(store: TrustStore) -> None:
    device = paired(store)
    store.record_unconfirmed(record(pair_key=b"\x07" * 32))
    store.revoke(device.device_id)
    assert store.unconfirmed() == (), "a pairing that was under way dies with it"
    for attempt in (lambda: store.record_unconfirmed(record()), lambda: store.confirm(device.device_id)):
        with pytest.raises(RefusedError) as caught:
            attempt()
        assert caught.value.reason is Refusal.REVOKED
        assert caught.value.hint is not None
        assert "forget" in caught.value.hint
    store.touch(device.device_id, [candidate("192.168.1.9")])
    assert store.is_revoked(device.device_id)
    store.forget(device.device_id)
    assert not store.is_revoked(device.device_id)
    paired(store)


def test_generation_grows_with_keys_and_not_with_addresses(store: TrustStore) -> None:
    seen = [store.generation]
    store.record_unconfirmed(record())
    seen.append(store.generation)
    store.drop_unconfirmed(record().device_id)
    seen.append(store.generation)
    store.drop_unconfirmed(record().device_id)
    assert store.generation == seen[-1], "nothing was dropped"
    device = paired(store)
    seen.append(store.generation)
    store.touch(device.device_id, [candidate("192.168.1.9")])
    store.rename(device.device_id, "x")
    assert store.generation == seen[-1]
    store.revoke(device.device_id)
    seen.append(store.generation)
    store.forget(device.device_id)
    seen.append(store.generation)
    assert seen == sorted(set(seen))


def test_an_unchanged_file_is_not_parsed_again_and_a_changed_one_is(
    folder: Path, store: TrustStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = paired(store)
    old = (folder / "trust.json").stat().st_mtime - 60
    os.utime(folder / "trust.json", (old, old))
    parsed: list[int] = []
    original = trust_file.parse
    monkeypatch.setattr(trust_file, "parse", lambda data: (parsed.append(len(data)), original(data))[1])
    for _ in range(50):
        assert not store.is_revoked(device.device_id)
    assert len(parsed) == 1
    TrustStore(folder).revoke(device.device_id)
    assert store.is_revoked(device.device_id)


def test_a_change_within_one_tick_of_the_clock_of_files_is_seen(folder: Path, store: TrustStore) -> None:
    device = paired(store)
    before = (folder / "trust.json").stat()
    assert not store.is_revoked(device.device_id)
    content = (folder / "trust.json").read_bytes()
    same_size = content.replace(b'"state": "paired",\n', b'"state":"revoked",\n')
    assert len(same_size) == len(content)
    with (folder / "trust.json").open("r+b") as file:
        file.write(same_size)
    os.utime(folder / "trust.json", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert store.is_revoked(device.device_id)


# -- Names and addresses -------------------------------------------------------------------------------------


def test_a_device_is_found_by_id_name_or_unique_beginning(store: TrustStore) -> None:
    one, two = paired(store, 1, label="Ana"), paired(store, 2, label="Bo")
    store.rename(two.device_id, "Kitchen")
    for name in (one.device_id, one.device_id.upper(), "Ana", " ana ", one.device_id[:6]):
        assert store.get(name).device_id == one.device_id
    assert store.get("KITCHEN").device_id == two.device_id
    for name in ("Bo", "", " ", "nobody"):
        with pytest.raises(UsageError, match="no paired device"):
            store.get(name)
    assert store.find(one.device_id) == one
    assert store.find(one.device_id[:6]) is None


def test_an_ambiguous_name_lists_whom_it_could_mean(store: TrustStore) -> None:
    one, two = paired(store, 1, label="Ana"), paired(store, 2, label="ana")
    with pytest.raises(UsageError) as caught:
        store.get("Ana")
    assert one.device_id in str(caught.value)
    assert two.device_id in str(caught.value)


def test_an_ambiguous_beginning_is_refused_and_a_longer_one_is_not(store: TrustStore) -> None:
    found: dict[str, int] = {}
    pair = next(
        (found[letter], number)
        for number in range(1, 200)
        if (letter := record(number).device_id[0]) in found or found.update({letter: number})
    )
    one, two = (paired(store, number) for number in pair)
    with pytest.raises(UsageError, match="could be any of"):
        store.get(one.device_id[0])
    length = next(n for n in range(1, 17) if one.device_id[:n] != two.device_id[:n])
    assert store.get(one.device_id[:length]) == one


def test_a_name_beats_the_beginning_of_an_id_and_an_id_beats_a_name(store: TrustStore) -> None:
    one, two = paired(store, 1), paired(store, 2)
    store.rename(two.device_id, one.device_id[:4])
    assert store.get(one.device_id[:4]).device_id == two.device_id
    store.rename(two.device_id, one.device_id)
    assert store.get(one.device_id).device_id == one.device_id


def test_rename_and_back(store: TrustStore) -> None:
    device = paired(store, label="Ana")
    paired(store, 2, label="Bo")
    assert store.rename(device.device_id, "  Living\troom ").name == "Living\ufffdroom"
    assert store.rename(device.device_id, "").name == "Ana"
    with pytest.raises(UsageError, match="called 'bo' already"):
        store.rename(device.device_id, "bo")
    with pytest.raises(UsageError):
        store.rename("nobody", "x")


RULE = DeviceRule(Acceptance.NEVER, str(Path("in").absolute()), 1000)


def test_a_rule_outlives_a_new_pairing_and_ends_when_the_device_is_forgotten(
    folder: Path, store: TrustStore
) -> None:
    first = paired(store)
    assert first.rule == NO_RULE == DeviceRule(Acceptance.ASK, "", None)
    generation = store.generation
    assert store.set_rule(first.device_id, RULE).rule == RULE
    assert store.generation == generation, "no key came or went"
    assert TrustStore(folder).get("device 1").rule == RULE
    assert paired(store, pair_key=b"\x07" * 32).rule == RULE
    store.forget(first.device_id)
    assert paired(store).rule == NO_RULE
    with pytest.raises(UsageError):
        store.set_rule("nobody", RULE)


def test_a_rule_that_is_made_while_a_pair_is_pending_holds_for_both(store: TrustStore) -> None:
    device = record()
    store.record_unconfirmed(device)
    store.set_rule(device.device_id, RULE)
    assert store.confirm(device.device_id).rule == RULE
    store.record_unconfirmed(record(pair_key=b"\x07" * 32))
    store.set_rule(device.device_id, NO_RULE)
    assert [store.find(device.device_id).rule, store.confirm(device.device_id).rule] == [NO_RULE, NO_RULE]


@pytest.mark.parametrize("parts", [{"folder": "in"}, {"max_size": -1}])
def test_a_rule_of_no_sense_cannot_be_made(parts: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"rule|smaller"):
        DeviceRule(**parts)


def test_touch_keeps_the_newest_good_addresses(store: TrustStore) -> None:
    device = paired(store, addresses=(candidate("192.168.1.20"),))
    many = [candidate(f"192.168.1.{number}") for number in range(30, 30 + REMEMBERED_ADDRESSES + 3)]
    store.touch(device.device_id, many)
    kept = store.get(device.device_id)
    assert [str(k.address) for k in kept.addresses] == [str(c.address) for c in many[:REMEMBERED_ADDRESSES]]
    assert kept.last_seen >= device.last_seen > 0
    store.touch(device.device_id, [candidate("192.168.1.33")])
    assert str(store.get(device.device_id).addresses[0].address) == "192.168.1.33"
    assert len(store.get(device.device_id).addresses) == REMEMBERED_ADDRESSES


def test_touch_keeps_no_address_that_must_not_be_dialled_and_no_scope(store: TrustStore) -> None:
    device = paired(store)
    bad = ["224.0.0.1", "255.255.255.255", "0.0.0.0", "ff12::1", "::"]
    scoped = Candidate(ip_address("fe80::1%eth0"), 46821, scope=7, prefix=64, interface="eth0")
    store.touch(device.device_id, [*(candidate(text) for text in bad), scoped, scoped])
    (kept,) = store.get(device.device_id).addresses
    assert (str(kept.address), kept.scope, kept.interface, kept.port) == ("fe80::1", 0, None, 46821)


def test_touch_never_brings_a_forgotten_device_back(store: TrustStore) -> None:
    device = paired(store)
    store.forget(device.device_id)
    store.touch(device.device_id, [candidate("192.168.1.9")])
    assert store.devices() == ()


@given(st.text(max_size=120))
def test_a_clean_label_is_short_visible_and_stays_as_it_is(text: str) -> None:
    label = clean_label(text)
    assert len(label.encode()) <= LABEL_BYTES
    assert not any(is_hidden(*one) for one in in_context(label))
    assert "\n" not in label
    assert clean_label(label) == label


def test_hostile_labels_are_replaced_before_they_are_stored(store: TrustStore) -> None:
    device = paired(store, label="\x1b[31mred\x07\u202egnp.exe\u200b")
    assert device.label == "\ufffd[31mred\ufffd\ufffdgnp.exe\ufffd"
    assert len(paired(store, 2, label="ä" * 500).label.encode()) == LABEL_BYTES
