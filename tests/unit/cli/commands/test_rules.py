"""Rules for devices: how they are set and shown, and what `host`, `join` and `listen` make of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli_fakes import PEER, TYPICAL, Api, Session
from cli_typing import RECEIVED, Typist, _json
from localpair import events
from localpair.choices.rules import NO_RULE, Acceptance, DeviceRule
from localpair.choices.terms import Terms
from localpair.cli import main
from localpair.trust.store import DeviceRecord, TrustStore

SENT = events.Sent("a.txt", 5, "ab" * 32)


def rule(api: Api) -> DeviceRule:
    (device,) = TrustStore(api.home).devices()
    return device.rule


def meets(api: Api, device: DeviceRecord, *payload: events.Event) -> Session:
    """A session with the paired device, for whichever command comes."""
    session = api.pairing.session_ = Session(payload or [RECEIVED])
    session.peer, session.peer_gives = events.Peer(device.device_id, device.label), True
    api.listened = [session]
    return session


def words(command: str, folder: Path, *others: str) -> list[str]:
    once = ["--once"] if command == "listen" else []
    return [command, "--receive", str(folder), "--json", *once, *others]


# --- setting and showing


def test_what_is_not_given_stays_and_a_reset_takes_all_back(
    api: Api, paired: DeviceRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    name = paired.device_id[:8]
    assert main(["devices", "rules", name], api) == 0
    assert capsys.readouterr().err.endswith(": a person is asked about what it sends.\n")
    assert main(["devices", "rules", name, "--accept", "always", "--receive", "in"], api) == 0
    assert f"what it sends is stored unasked, in {tmp_path / 'in'}." in capsys.readouterr().err
    assert (tmp_path / "in").is_dir()
    assert main(["devices", "rules", name, "--max-size", "2M", "--json"], api) == 0
    device, _ = _json(capsys)
    assert (device["state"], device["rule"]) == (
        "paired", {"accept": "always", "receive": str(tmp_path / "in"), "max_size": 2_000_000},
    )  # fmt: skip
    assert rule(api) == DeviceRule(Acceptance.ALWAYS, str(tmp_path / "in"), 2_000_000)
    assert main(["devices", "rules", name, "--accept", "never", "--reset"], api) == 0
    assert rule(api) == DeviceRule(Acceptance.NEVER)
    assert main(["devices", "rules", name, "--reset"], api) == 0
    assert rule(api) == NO_RULE


def test_a_list_shows_rules_and_devices_without_one_as_before(
    api: Api, paired: DeviceRecord, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["devices"], api) == 0
    assert not capsys.readouterr().out.rstrip("\n").endswith(" ")
    TrustStore(api.home).set_rule(paired.device_id, DeviceRule(Acceptance.NEVER, str(tmp_path), 5))
    assert main(["devices"], api) == 0
    assert capsys.readouterr().out.endswith("  what it sends is refused\n")
    hostile = DeviceRule(folder=str(tmp_path / "a\x1b[2J"), max_size=1000)
    TrustStore(api.home).set_rule(paired.device_id, hostile)
    assert main(["devices"], api) == 0
    shown = capsys.readouterr().out
    assert f"a person is asked about what it sends, in {tmp_path}/a\\x1b[2J, up to 1.0 kB at once\n" in shown


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["nobody", "--accept", "never"], "no paired device is called 'nobody'"),
        (["DEVICE", "--accept", "perhaps"], "invalid choice: 'perhaps'"),
        (["DEVICE", "--max-size", "-5"], "'-5' is no size such as 500M or 1.5 GB"),
        (["DEVICE", "--receive", "FILE"], "a.txt is no folder"),
    ],
)
def test_bad_input_gets_one_error_and_changes_nothing(
    given: list[str], says: str, api: Api, paired: DeviceRecord, file: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    placed = {"DEVICE": paired.device_id, "FILE": str(file)}
    assert main(["devices", "rules", *(placed.get(word, word) for word in given)], api) == 2
    said = capsys.readouterr().err
    assert said.count("error:") == said.count("hint:") == 1
    assert says in said
    assert rule(api) == NO_RULE


# --- receiving


@pytest.mark.parametrize("command", ["host", "join", "listen"])
def test_always_stores_unasked_and_without_a_terminal(
    command: str, api: Api, paired: DeviceRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("LOCALPAIR_OFFER", TYPICAL)
    own = tmp_path / "own"
    given = DeviceRule(Acceptance.ALWAYS, str(own), 1000)
    TrustStore(api.home).set_rule(paired.device_id, given)
    session = meets(api, paired)
    assert main(words(command, tmp_path / "in"), api) == 0
    assert (session.received_into, session.terms, session.asked) == (own, Terms(size=1000), False)
    said = capsys.readouterr()
    assert f"A rule stores what Anna's laptop ({paired.device_id}) sends in {own}, unasked." in said.err
    assert '"incoming"' not in said.out


def test_the_smaller_of_two_bounds_holds(api: Api, paired: DeviceRecord, tmp_path: Path) -> None:
    for of_rule, of_command, holds in ((5, 9, 5), (9, 5, 5)):
        TrustStore(api.home).set_rule(paired.device_id, DeviceRule(Acceptance.ALWAYS, "", of_rule))
        session = meets(api, paired)
        assert main(words("listen", tmp_path, "--max-size", str(of_command)), api) == 0
        assert session.terms == Terms(size=holds)


def test_hidden_names_and_folders_are_treated_as_everywhere(
    api: Api, paired: DeviceRecord, tmp_path: Path
) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / ".bashrc").touch()
    TrustStore(api.home).set_rule(paired.device_id, DeviceRule(Acceptance.ALWAYS, str(tmp_path / "own")))
    for others, landing in (([], "own/localpair-received"), (["--allow-hidden"], "own")):
        session = meets(api, paired)
        assert main(words("listen", tmp_path / "in", *others), api) == 0
        assert session.received_into == tmp_path / landing
        assert session.terms == Terms(allow_hidden=bool(others))


@pytest.mark.parametrize("command", ["host", "join"])
def test_never_refuses_also_what_yes_would_take(
    command: str, api: Api, paired: DeviceRecord, file: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("LOCALPAIR_OFFER", TYPICAL)
    TrustStore(api.home).set_rule(paired.device_id, DeviceRule(Acceptance.NEVER))
    session = meets(api, paired, SENT)
    assert main(words(command, tmp_path / "in", "--yes", "--send", str(file)), api) == 4
    assert session.declined == ["a rule there refuses what this device sends"]
    assert (session.received_into, session.sent) == (None, [file]), "what is sent from here is sent"
    said = capsys.readouterr().err
    assert f"error: a rule on this device refuses what Anna's laptop ({paired.device_id}) sends" in said
    assert f"hint: Nothing was stored. `localpair devices rules {paired.device_id} --accept ask`" in said


def test_never_refuses_nothing_where_nothing_comes(api: Api, paired: DeviceRecord, tmp_path: Path) -> None:
    TrustStore(api.home).set_rule(paired.device_id, DeviceRule(Acceptance.NEVER))
    session = meets(api, paired)
    session.offers = False
    assert main(words("host", tmp_path, "--yes"), api) == 0
    assert session.received_into is None


def test_a_device_that_is_refused_is_not_the_one_that_listen_once_waits_for(
    api: Api, paired: DeviceRecord, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    TrustStore(api.home).set_rule(paired.device_id, DeviceRule(Acceptance.NEVER))
    refused, welcome = meets(api, paired), Session([RECEIVED])
    api.listened = [refused, welcome]
    assert main(words("listen", tmp_path, "--yes"), api) == 0
    assert (refused.received_into, welcome.received_into) == (None, tmp_path)
    assert main(words("listen", tmp_path, "--yes"), api) == 0
    api.listened = [refused]
    assert main(words("listen", tmp_path, "--yes", "--timeout", "0.2"), api) == 3
    assert refused.declined
    assert (
        "no paired device came within 0.2 s, other than those that a rule refuses" in capsys.readouterr().err
    )


def test_a_listener_whom_nobody_reached_says_why(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["listen", "--once", "--yes", "--timeout", "0.2", "--json"], api) == 3
    *_, verdict, error = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (verdict["event"], verdict["facts"]) == ("verdict", {"role": "listen"})
    assert error["message"] == "in other words, no paired device came within 0.2 s"


def test_a_rule_counts_as_it_is_when_files_are_offered(
    api: Api, paired: DeviceRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A device could else connect while it may send, and send once it may not."""
    store = TrustStore(api.home)
    store.set_rule(paired.device_id, DeviceRule(Acceptance.ALWAYS))
    session = meets(api, paired)

    async def late() -> bool:
        store.set_rule(paired.device_id, DeviceRule(Acceptance.NEVER))
        return True

    monkeypatch.setattr(session, "files_offered", late)
    assert main(words("host", tmp_path), api) == 4
    assert session.received_into is None


def test_a_rule_for_one_device_lets_no_other_in_unasked(
    api: Api, paired: DeviceRecord, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    TrustStore(api.home).set_rule(paired.device_id, DeviceRule(Acceptance.ALWAYS))
    session = meets(api, paired)
    session.peer = PEER
    assert main(words("host", tmp_path), api) == 4
    assert session.asked
    assert (
        "nobody can approve what is to be received: standard input is no terminal" in capsys.readouterr().err
    )


def test_a_revoked_device_s_rule_is_no_reason_to_listen(
    api: Api, paired: DeviceRecord, tmp_path: Path
) -> None:
    store = TrustStore(api.home)
    store.set_rule(paired.device_id, DeviceRule(Acceptance.ALWAYS))
    store.revoke(paired.device_id)
    assert main(words("listen", tmp_path), api) == 4


def test_a_folder_for_a_device_that_is_asked_about_is_named_in_the_question(
    api: Api, paired: DeviceRecord, tmp_path: Path, terminal: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    TrustStore(api.home).set_rule(paired.device_id, DeviceRule(folder=str(tmp_path / "own")))
    typist = Typist(terminal, monkeypatch, "y\n")
    session = meets(api, paired)
    assert main(words("host", tmp_path / "in"), api) == 0
    assert typist.asked == [f"Store in {tmp_path / 'own'}? [y/N]"]
    assert session.received_into == tmp_path / "own"


def test_a_folder_that_is_gone_for_good_is_said_on_both_sides(
    api: Api, paired: DeviceRecord, file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    TrustStore(api.home).set_rule(paired.device_id, DeviceRule(Acceptance.ALWAYS, str(file / "own")))
    session = meets(api, paired)
    assert main(words("host", tmp_path), api) == 2
    assert session.declined == ["there is no folder for it there"]
    assert "a.txt/own is no folder" in capsys.readouterr().err
    session = meets(api, paired)
    session.offers = False
    assert main(words("host", tmp_path), api) == 0, "nothing was to be stored"
