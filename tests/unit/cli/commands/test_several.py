"""``send`` to several devices at once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cli_fakes import OWN, PATH, READY, Api, Pairing, Session
from cli_typing import _json
from localpair import events
from localpair.cli import main
from localpair.errors import Refusal, RefusedError, TransferError, UnreachableError
from localpair.keys import DeviceIdentity, Role
from localpair.trust.store import DeviceRecord, TrustStore

if TYPE_CHECKING:
    from collections.abc import Sequence

NAMES = ("kitchen", "study", "attic")
SENT = events.Sent("a.txt", 5, "ab" * 32)
PROGRESS = events.Progress("send", "a.txt", 5, 5, 0)
FAR = UnreachableError("nobody answered", hint="Look at the cable.")


@pytest.fixture
def devices(api: Api) -> dict[str, str]:
    """Three paired devices, each with a pairing of its own: the ids by their names."""
    found = {}
    for name in NAMES:
        identity = DeviceIdentity.generate()
        record = DeviceRecord(
            device_id=identity.device_id,
            public_key=identity.public,
            pair_key=b"k" * 32,
            role=Role.ISSUER,
            label=name,
        )
        store = TrustStore(api.home)
        store.record_unconfirmed(record)
        store.confirm(record.device_id)
        peer = events.Peer(record.device_id, name)
        stream = (READY, events.Paired(peer, PATH, 10.0))
        api.pairings[record.device_id] = Pairing(stream, Session([PROGRESS, SENT], peer=peer))
        found[name] = record.device_id
    return found


def _words(file: Path, *more: str) -> list[str]:
    return ["send", "kitchen", str(file), "--to", "study", "--to", "attic", *more]


def _fail(api: Api, device: str, error: Exception) -> None:
    api.pairings[device].error = error


def test_all_get_the_same(
    api: Api, devices: dict[str, str], file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(_words(file, "--json", "--limit-rate", "1M"), api) == 0
    lines = _json(capsys)
    sessions = [pairing.session_ for pairing in api.pairings.values()]
    assert [session.sent for session in sessions] == [[file]] * 3
    assert [session.closed for session in sessions] == [1] * 3
    assert len({id(session.pace) for session in sessions}) == 1, "the rate is that of the run"
    for name in ("progress", "sent", "paired", "closed", "delivered"):
        whose = [line["device_id"] for line in lines if line["event"] == name]
        assert sorted(whose) == sorted(devices.values()), name
    assert [line["event"] for line in lines].count("done") == 1


@pytest.mark.parametrize(
    ("errors", "code"),
    [
        ([FAR], 3),
        ([FAR, FAR, FAR], 3),
        ([RefusedError(Refusal.REVOKED, "revoked there")], 4),
        ([FAR, RefusedError(Refusal.REVOKED, "revoked there")], 5),
    ],
)
def test_a_device_that_fails_ends_alone_and_the_exit_code_tells(
    errors: Sequence[Exception],
    code: int,
    api: Api,
    devices: dict[str, str],
    file: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    failing = dict(zip(NAMES, errors, strict=False))
    for name, error in failing.items():
        _fail(api, devices[name], error)
    assert main(_words(file, "--json"), api) == code
    lines = _json(capsys)
    told = {line["name"]: line["failure"] for line in lines if line["event"] == "delivered"}
    assert {name for name, failure in told.items() if failure} == set(failing)
    sent = [line["device_id"] for line in lines if line["event"] == "sent"]
    assert sorted(sent) == sorted(devices[name] for name in NAMES if name not in failing)
    last = lines[-1]
    assert (last["event"], last["reason"], last["exit_code"]) == ("failed", "devices", code)
    assert all(name in last["message"] for name in failing)


def test_a_person_reads_who_got_what_and_who_did_not(
    api: Api, devices: dict[str, str], file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _fail(api, devices["study"], FAR)
    api.pairings[devices["attic"]].session_.error = TransferError("the disk there is full")
    assert main(_words(file), api) == 5
    out, err = capsys.readouterr()
    assert f"Sent 1 file, 5 bytes, to kitchen ({devices['kitchen']}):" in out
    assert "error: study: nobody answered\nhint: Look at the cable.\n" in err
    assert "error: attic: the disk there is full" in err
    assert "error: 2 of 3 devices did not get everything: study" in err
    assert str(OWN.address) not in err, "own ports are nobody's business here"


def test_a_device_that_is_named_twice_gets_everything_once(
    api: Api, devices: dict[str, str], file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["send", "kitchen", str(file), "--to", devices["kitchen"]], api) == 0
    assert "was named twice" in capsys.readouterr().err
    assert api.calls.count("reach") == 1


def test_a_device_that_is_not_known_ends_the_run_before_anybody_is_sought(
    api: Api, devices: dict[str, str], file: Path
) -> None:
    assert main(["send", "kitchen", str(file), "--to", "nobody"], api) == 2
    assert api.calls == []


def test_one_port_serves_one_search_at_a_time(api: Api, devices: dict[str, str], file: Path) -> None:
    assert main(_words(file, "--port", "4000"), api) == 0
    assert api.calls == ["reach", "closed"] * 3
