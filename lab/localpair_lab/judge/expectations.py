"""Expectations against what happened: every one that did not come true, with its place in the file and its
evidence.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localpair_lab.judge.causes import check_causes, check_merged
from localpair_lab.judge.invariants import check_invariants
from localpair_lab.judge.programs import check_files, check_heard, check_lines, evidence, said_at
from localpair_lab.judge.verdict import Failure
from localpair_lab.loading.problems import Where
from localpair_lab.model.expectations import Expect, Observed, PathWanted
from localpair_lab.model.scenario import Scenario
from localpair_lab.oracle.consistency import on_network
from localpair_lab.plan.model import Plan
from localpair_lab.timeline import ActionRecord, Record

REFUSED = "refused"
EXITS = {REFUSED: 4, "done": 0, "interrupted": 130}


@dataclass(frozen=True, slots=True)
class RunEvidence:
    """What a run left: its plan, its record, and the folder with its captures."""

    plan: Plan
    record: Record
    folder: Path


def check(scenario: Scenario, plan: Plan, record: Record, folder: Path) -> tuple[Failure, ...]:
    """Every failure, in the order of the file; then what no scenario needs to write down
    (``invariants``).
    """
    found: list[Failure] = []
    for number, expect in enumerate(scenario.expect):
        found.extend(_check(scenario, RunEvidence(plan, record, folder), expect, ("expect", number)))
    found.extend(check_invariants(plan, record, folder))
    return tuple(found)


def _check(scenario: Scenario, seen: RunEvidence, expect: Expect, where: Where) -> Iterator[Failure]:
    per_action = {
        name: list(_check_action(scenario, seen, expect, seen.record.actions[name], where))
        for name in expect.of
    }
    if expect.exactly is None:
        for failures in per_action.values():
            yield from failures
        return
    fulfilled = [name for name, failures in per_action.items() if not failures]
    if len(fulfilled) != expect.exactly:
        came = f"{len(fulfilled)} did ({', '.join(fulfilled) or 'none'})"
        wanted = f"exactly {expect.exactly} of {', '.join(expect.of)} should fulfil this"
        yield Failure((*where, "exactly"), wanted, came)


def _check_action(
    scenario: Scenario, seen: RunEvidence, expect: Expect, action: ActionRecord, where: Where
) -> Iterator[Failure]:
    plan, record = seen.plan, seen.record
    if action.started is None:
        yield Failure((*where, "of"), f"{action.id} should run", action.skipped or "it was never started")
        return
    yield from _outcome(expect, action, where)
    yield from _within(plan, record, expect, action, where)
    if expect.path is not None:
        yield from _path(scenario, expect.path, action, (*where, "path"))
    yield from _addresses(expect, action, where)
    yield from _peers(plan, expect, action, where)
    yield from _verdicts(expect, action, where)
    yield from check_causes(expect, action, where)
    if expect.merged is not None:
        yield from check_merged(plan, record, expect.merged, action, (*where, "merged"))
    for number, observed in enumerate(expect.event):
        yield from _observed(observed, action, (*where, "event", number))
    yield from check_lines(expect, action, where)
    yield from check_files(expect, record, action, where)
    yield from check_heard(expect, seen.folder, action, where)


# --- Outcome and time ---


def _outcome(expect: Expect, action: ActionRecord, where: Where) -> Iterator[Failure]:
    if expect.outcome and expect.outcome != outcome_of(action):
        wanted = f"{action.id} on {action.node} should end {expect.outcome}"
        yield Failure((*where, "outcome"), wanted, _told(action), evidence(action))
    if expect.exit and action.exit not in expect.exit:
        codes = " or ".join(str(code) for code in expect.exit)
        wanted = f"{action.id} on {action.node} should exit with {codes}"
        yield Failure((*where, "exit"), wanted, _told(action), evidence(action))
    reason = action.first("failed")
    if expect.reason and (reason is None or reason.fields.get("reason") not in expect.reason):
        wanted = f"{action.id} should fail with the reason {' or '.join(expect.reason)}"
        yield Failure((*where, "reason"), wanted, _told(action), evidence(action))


def outcome_of(action: ActionRecord) -> str:
    """``paired`` wins over how the process ended: a pair stands, whatever came of its files."""
    if action.first("paired") is not None:
        return "paired"
    if action.given_up:
        return "failed"
    for name, code in EXITS.items():
        if action.exit == code and (action.is_product or name != REFUSED):
            return name
    return "failed"


def _told(action: ActionRecord) -> str:
    if action.timed_out or action.given_up:
        return "it still ran at its deadline"
    failed = action.first("failed")
    said = f": {failed.fields.get('message', failed.fields.get('reason', ''))}" if failed is not None else ""
    after = (
        f" after {action.ended - action.started:.1f} s" if action.ended and action.started is not None else ""
    )
    return f"{outcome_of(action)}, exit {action.exit}{after}{said}"


def _within(
    plan: Plan, record: Record, expect: Expect, action: ActionRecord, where: Where
) -> Iterator[Failure]:
    if expect.within is None:
        return
    came = _moment(expect, action)
    since = _since(plan, record, action)
    if came is None:
        if expect.outcome != "paired":  # a pair that never came is told already
            yield Failure(
                (*where, "within"), f"{action.id} should end within {expect.within:g} s", "it never ended"
            )
    elif came - since > expect.within:
        what = "pair" if action.first("paired") is not None else "end" if came == action.ended else "say so"
        wanted = f"{action.id} should {what} within {expect.within:g} s of the later start"
        yield Failure((*where, "within"), wanted, f"{came - since:.2f} s", evidence(action))


def _moment(expect: Expect, action: ActionRecord) -> float | None:
    paired = action.first("paired")
    if paired is None and not action.is_product:
        return _said_all_at(expect, action) or action.ended
    return paired.at if paired is not None else action.ended


def _said_all_at(expect: Expect, action: ActionRecord) -> float | None:
    """When the last of the expected lines and events came; None where none is expected, or one never came."""
    moments = list(said_at(expect, action))
    for observed in expect.event:
        fitting = (
            event.at for event in action.events(observed.name) if _holds(event.fields, observed.fields)
        )
        moments.append(next(fitting, None))
    found = [moment for moment in moments if moment is not None]
    return max(found, default=None) if len(found) == len(moments) else None


def main_action(plan: Plan, record: Record) -> tuple[str, float]:
    """What came of the action that a scenario is about, and after how many seconds: of the joiner that paired, else of
    the first joiner or sender, else of the first action.
    """
    ran = [action for action in record.actions.values() if action.started is not None]
    seeking = [action for action in ran if action.verb in ("join", "send")] or ran
    paired = [action for action in seeking if action.first("paired") is not None]
    for action in (*paired, *seeking):
        event = action.first("paired")
        at = event.at if event is not None else action.ended
        return outcome_of(action), 0.0 if at is None else at - _since(plan, record, action)
    return "", 0.0


def _since(plan: Plan, record: Record, action: ActionRecord) -> float:
    """The later start of the action and its partner; product time begins when both are there."""
    partners = [entry.id for entry in plan.actions if action.id in (entry.id, entry.offer_from)]
    partners += [entry.offer_from for entry in plan.actions if entry.id == action.id and entry.offer_from]
    starts = [record.actions[name].started for name in partners if name in record.actions]
    return max((start for start in starts if start is not None), default=0.0)


# --- Paths and addresses ---


def split_address(text: str) -> tuple[str, str]:
    """``[fe80::1%eth0]:46821`` or ``192.168.1.10:46821`` as address and scope, without the port."""
    host = text[1:].partition("]")[0] if text.startswith("[") else text
    if not text.startswith("[") and host.count(":") == 1:
        host = host.partition(":")[0]
    address, _, scope = host.partition("%")
    return address, scope


def _path(scenario: Scenario, wanted: PathWanted, action: ActionRecord, where: Where) -> Iterator[Failure]:
    paired = action.first("paired")
    if paired is None:
        return
    path = paired.fields.get("path") or {}
    local, remote = (split_address(str(path.get(side, "")))[0] for side in ("local", "remote"))
    came = f"{path.get('local')} to {path.get('remote')}, {path.get('direction')}, by {path.get('carrier')}"
    for key, held in _path_checks(scenario, wanted, path, local, remote):
        if not held:
            value = getattr(wanted, key)
            shown = value if isinstance(value, str) else " or ".join(str(one) for one in value)
            yield Failure((*where, key), f"the path of {action.id} should have {key} {shown}", came)


def _path_checks(
    scenario: Scenario, wanted: PathWanted, path: dict[str, Any], local: str, remote: str
) -> Iterator[tuple[str, bool]]:
    if wanted.network is not None:
        yield "network", _is_on(scenario, wanted.network, remote)
    if wanted.local:
        yield "local", local in wanted.local
    if wanted.remote:
        yield "remote", remote in wanted.remote
    if wanted.not_remote:
        yield "not_remote", remote not in wanted.not_remote
    if wanted.direction:
        yield "direction", path.get("direction") in wanted.direction
    if wanted.carrier:
        yield "carrier", path.get("carrier") in wanted.carrier
    if wanted.family:
        yield "family", (":" in remote) == (wanted.family == "ipv6")


def _is_on(scenario: Scenario, network: str, remote: str) -> bool:
    """Whether what a program told as its peer's address is one of that network."""
    try:
        return on_network(scenario, network, remote)
    except ValueError:  # no address at all
        return False


def _addresses(expect: Expect, action: ActionRecord, where: Where) -> Iterator[Failure]:
    attempts = [event.fields for event in action.events("address")]
    good = [entry for entry in attempts if entry.get("outcome") in ("confirmed", "seen")]
    if expect.stage:
        first = good[0].get("stage") if good else None
        if str(first) not in expect.stage:
            wanted = f"stage {' or '.join(expect.stage)} should give {action.node} its address"
            yield Failure((*where, "stage"), wanted, f"stage {first}", _attempts(attempts))
    for address in expect.address:
        if not any(_bare(entry.get("address")) == address for entry in good):
            wanted = f"{action.node} should confirm {address}"
            yield Failure((*where, "address"), wanted, "it did not", _attempts(attempts))
    ready = action.first("ready")
    offered = [_bare(entry.get("address")) for entry in (ready.fields.get("addresses", ()) if ready else ())]
    for address in expect.offers:
        if address not in offered:
            yield Failure((*where, "offers"), f"{action.node} should offer {address}", f"it offers {offered}")
    if expect.offers_first and (offered[:1] or ("",))[0] not in expect.offers_first:
        wanted = f"{action.node} should offer {' or '.join(expect.offers_first)} first"
        yield Failure((*where, "offers_first"), wanted, f"it offers {offered}")
    for address in expect.not_offers:
        if address in offered:
            yield Failure((*where, "not_offers"), f"{action.node} should not offer {address}", "it does")
    for address in expect.not_dialled:
        dialled = [
            e for e in action.events("attempt") if split_address(str(e.fields.get("candidate")))[0] == address
        ]
        if any(event.fields.get("direction") == "out" for event in dialled):
            yield Failure((*where, "not_dialled"), f"{action.node} should not dial {address}", "it did")


def _bare(address: object) -> str:
    return str(address).partition("%")[0]


def _attempts(attempts: list[dict[str, Any]]) -> tuple[str, ...]:
    keys = ("stage", "address", "interface", "outcome", "reason")
    return tuple(", ".join(f"{key} {entry.get(key)}" for key in keys) for entry in attempts)


# --- Peers, verdicts, events ---


def _peers(plan: Plan, expect: Expect, action: ActionRecord, where: Where) -> Iterator[Failure]:
    found = {
        _bare(address.get("address"))
        for event in action.events("peer")
        for address in event.fields.get("addresses", ())
    }
    for key, wanted in (("finds", True), ("not_finds", False)):
        for name in getattr(expect, key):
            owned = {
                text.partition("/")[0]
                for i in plan.node(name).interfaces
                for text in (*i.addresses, i.link_local)
            }
            if bool(found & owned) != wanted:
                verb = "find" if wanted else "not find"
                came = f"it heard {', '.join(sorted(found)) or 'nobody'}"
                yield Failure((*where, key), f"{action.id} should {verb} {name}", came)


def _verdicts(expect: Expect, action: ActionRecord, where: Where) -> Iterator[Failure]:
    given = [str(event.fields.get("verdict")) for event in action.events("verdict")]
    came = f"verdicts {', '.join(given) or 'none'}"
    for verdict in expect.verdict:
        if verdict not in given:
            yield Failure((*where, "verdict"), f"{action.id} should say {verdict}", came)
    for verdict in expect.not_verdict:
        if verdict in given:
            yield Failure((*where, "not_verdict"), f"{action.id} should not say {verdict}", came)


def _observed(observed: Observed, action: ActionRecord, where: Where) -> Iterator[Failure]:
    fitting = [event for event in action.events(observed.name) if _holds(event.fields, observed.fields)]
    most = observed.times.most
    if len(fitting) < observed.times.least or (most is not None and len(fitting) > most):
        bound = f"{observed.times.least} to {'any' if most is None else most}"
        wanted = f"{action.id} should write {observed.name} {dict(observed.fields) or ''} {bound} times"
        yield Failure(where, wanted, f"{len(fitting)} times", evidence(action))


def _holds(fields: dict[str, Any], wanted: dict[str, str]) -> bool:
    return all(_text(_reach(fields, key)) == value for key, value in wanted.items())


def _reach(fields: Any, path: str) -> Any:
    """``path.direction`` reaches into nested objects."""
    for key in path.split("."):
        fields = fields.get(key) if isinstance(fields, dict) else None
    return fields


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
