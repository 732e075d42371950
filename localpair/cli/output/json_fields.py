"""Items as the fields of JSON objects. The names are an interface: docs/cli.md lists them, a test pins them."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from localpair import events
from localpair.choices.selection import PlannedEntry
from localpair.cli.output import results

if TYPE_CHECKING:
    from localpair.candidate import Candidate
    from localpair.causes.vocabulary import RunVerdict

Fields: TypeAlias = dict[str, object]


def of_item(item: results.Item) -> tuple[str, Fields]:
    """The name of the event of ``item`` and its fields, without ``event`` and ``t``."""
    match item:
        case results.About(peer, about, _):
            name, fields = of_item(about)
            return name, {**fields, "device_id": peer.device_id}
        case results.Delivered(peer, failure):
            failed = None if failure is None else of_failure(failure)
            return "delivered", {"device_id": peer.device_id, "name": peer.label, "failure": failed}
        case (
            results.TrustedDevice()
            | results.ListedPart()
            | results.Checked()
            | results.NetworkVerdict()
            | results.SessionClosed()
        ):
            return _of_command_line(item)
        case (
            results.ApprovalAsked()
            | results.ReceiveAsked()
            | results.TextReceived()
            | results.ConflictAsked()
            | results.AnswerTaken()
        ):
            return _of_prompt(item)
        case (
            events.Progress()
            | events.Resumed()
            | events.Unchanged()
            | events.Skipped()
            | events.Sent()
            | events.Received()
        ):
            return _of_payload(item)
        case PlannedEntry() | results.PlanMade():
            return _of_plan(item)
        case results.ServiceTold(state, file, text, commands):
            return "service", {
                "state": state,
                "file": str(file),
                "text": text or None,
                "commands": list(commands),
            }
        case events.AddressAttempt() | events.OwnAddressSeen():
            return "address", _of_address(item)
        case events.Judged():
            claimed = None if item.claimed is None else dict(item.claimed)
            told = {"facts": dict(item.facts), "claimed": claimed, "report": item.report or None}
            return "verdict", {**verdict_fields(item.verdict), **told}
        case events.Waiting():
            return "waiting", _of_waiting(item)
        case events.CallFailed():
            return "call", {"source": str(item.source), "reach": item.reach, "why": item.why}
        case _:
            return _of_pairing(item)


def of_failure(failure: results.RunFailure) -> Fields:
    """The fields of ``failed``."""
    return {
        "reason": failure.reason,
        "exit_code": failure.exit_code,
        "message": failure.message,
        "hint": failure.hint,
        "why": failure.why,
    }


def of_candidate(candidate: Candidate) -> Fields:
    """A candidate as an object; ``address`` carries no scope."""
    return {
        "address": str(candidate.address),
        "port": candidate.port,
        "prefix": candidate.prefix,
        "interface": candidate.interface,
        "class": str(candidate.cls),
        "origin": str(candidate.origin),
        "evidence": candidate.evidence.label,
        "reasons": list(candidate.reasons),
    }


def _of_peer(peer: events.Peer) -> Fields:
    return {"device_id": peer.device_id, "label": peer.label}


def _of_path(path: events.Path) -> Fields:
    return {
        "local": path.local,
        "remote": path.remote,
        "direction": str(path.direction),
        "carrier": path.carrier,
    }


def _of_prompt(
    item: results.ApprovalAsked
    | results.ReceiveAsked
    | results.TextReceived
    | results.ConflictAsked
    | results.AnswerTaken,
) -> tuple[str, Fields]:
    match item:
        case results.ApprovalAsked():
            return "approval", _of_approval(item, asked=True)
        case results.ReceiveAsked(request, folder):
            return "incoming", {
                "peer": _of_peer(request.peer),
                "files": request.files,
                "bytes": request.bytes,
                "names": list(request.names),
                "more": request.more,
                "folder": str(folder),
            }
        case results.TextReceived():
            shown = {"text": item.text, "in_clipboard": item.in_clipboard}
            return "text", {"peer": _of_peer(item.peer), **shown}
        case results.ConflictAsked(conflict):
            return "conflict", {
                "path": str(conflict.path),
                "bytes": conflict.size,
                "mtime": conflict.mtime_ns / 1e9,
                "standing_bytes": conflict.standing_size,
                "standing_mtime": conflict.standing_mtime_ns / 1e9,
            }
        case results.AnswerTaken():
            problem = item.problem
            return "answered", {
                "accepted": problem is None,
                "addresses": [of_candidate(one) for one in item.addresses],
                "message": problem.message if problem is not None else None,
                "hint": problem.hint if problem is not None else None,
            }


def _of_plan(item: PlannedEntry | results.PlanMade) -> tuple[str, Fields]:
    match item:
        case PlannedEntry():
            return "planned", {
                "path": str(item.path),
                "action": item.action,
                "kind": "folder" if item.is_folder else "file",
                "bytes": item.bytes,
                "name": item.name,
                "renamed": item.renamed,
                "reason": item.reason,
            }
        case results.PlanMade():
            return "plan", {
                "files": item.files,
                "folders": item.folders,
                "bytes": item.bytes,
                "renamed": item.renamed,
                "failing": item.failing,
                "skipped": dict(item.skipped),
            }


def _of_approval(item: results.ApprovalAsked | events.CodeShown, *, asked: bool) -> Fields:
    return {
        "peer": _of_peer(item.peer),
        "code": item.code,
        "direction": item.direction,
        "path": _of_path(item.path),
        "asked": asked,
        "again": isinstance(item, events.CodeShown) and item.again,
        "peer_takes": item.peer_takes if isinstance(item, results.ApprovalAsked) else None,
    }


def _of_command_line(
    item: results.TrustedDevice
    | results.ListedPart
    | results.Checked
    | results.NetworkVerdict
    | results.SessionClosed,
) -> tuple[str, Fields]:
    match item:
        case results.TrustedDevice():
            rule = item.rule
            accepted = {"accept": str(rule.accept), "receive": rule.folder, "max_size": rule.max_size}
            return "device", {**{name: getattr(item, name) for name in item.__slots__}, "rule": accepted}
        case results.ListedPart():
            fields = {name: getattr(item, name) for name in item.__slots__}
            return "part", {**fields, "folder": str(item.folder)}
        case results.Checked():
            return "check", dict(item.finding.to_dict())
        case results.NetworkVerdict():
            return "verdict", {"verdict": item.verdict, "text": item.text, **item.evidence}
        case results.SessionClosed():
            return "closed", {
                "peer": _of_peer(item.peer),
                "sent": _of_files(item.sent),
                "received": _of_files(item.received),
                "unchanged": item.unchanged,
                "skipped": {reason: left.count for reason, left in item.skipped.items()},
                "failure": of_failure(item.failure) if item.failure is not None else None,
            }


def _of_files(carried: results.Carried) -> Fields:
    return {"files": carried.files, "bytes": carried.bytes}


def _of_payload(
    item: events.Progress
    | events.Resumed
    | events.Unchanged
    | events.Skipped
    | events.Sent
    | events.Received,
) -> tuple[str, Fields]:
    match item:
        case events.Progress():
            return "progress", {
                "direction": item.direction,
                "file": item.file,
                "bytes": item.bytes,
                "total": item.total,
                "files": item.files,
            }
        case events.Resumed():
            return "resumed", {"direction": item.direction, "file": item.file, "bytes": item.bytes}
        case events.Unchanged():
            return "unchanged", {"direction": item.direction, "file": item.file, "bytes": item.bytes}
        case events.Skipped():
            return "skipped", {
                "direction": item.direction,
                "file": item.file,
                "bytes": item.bytes,
                "reason": item.reason,
            }
        case events.Sent():
            return "sent", {"path": item.path, "bytes": item.bytes, "sha256": item.sha256}
        case events.Received():
            return "received", {"path": str(item.path), "bytes": item.bytes, "sha256": item.sha256}


def _of_address(item: events.AddressAttempt | events.OwnAddressSeen) -> Fields:
    if isinstance(item, events.OwnAddressSeen):
        # What a peer sees is the third stage; it has no attempt of ours beside it.
        return {
            "stage": 3,
            "address": str(item.address),
            "outcome": "seen",
            "evidence": item.evidence.label,
            "by": item.by,
        }
    return {
        "stage": item.stage,
        "address": str(item.address) if item.address is not None else None,
        "interface": item.interface,
        "class": item.cls,
        "outcome": item.outcome,
        "reason": item.reason,
        "ms": _ms(item.ms),
        "evidence": item.evidence.label if item.evidence is not None else None,
    }


def _of_pairing(
    item: events.Ready
    | events.OfferIssued
    | events.AnswerIssued
    | events.PeerFound
    | events.SealedHeard
    | events.Attempt
    | events.CodeShown
    | events.PeerGone
    | events.PeerEnded
    | events.Paired
    | events.Reconnected,
) -> tuple[str, Fields]:
    match item:
        case events.Ready():
            ports = {"tcp": item.tcp_port, "udp": item.udp_port}
            own = [of_candidate(one) for one in item.addresses]
            return "ready", {"ports": ports, "addresses": own, "called": item.called}
        case events.OfferIssued():
            return "offer", {"offer": item.text, "expires_in": item.expires_in}
        case events.AnswerIssued():
            return "answer", {"answer": item.text, "expires_in": round(item.expires_in, 3)}
        case events.PeerFound():
            return "peer", _of_nearby(item)
        case events.SealedHeard():
            return "sealed", {}
        case events.Attempt():
            return "attempt", _of_attempt(item)
        case events.CodeShown():
            return "approval", _of_approval(item, asked=False)
        case events.PeerGone():
            return "gone", {"peer": _of_peer(item.peer)}
        case events.PeerEnded():
            return "ended", {"instance": item.instance, "alias": item.alias}
        case events.Paired():
            return "paired", {
                "peer": _of_peer(item.peer),
                "path": _of_path(item.path),
                "elapsed_ms": _ms(item.elapsed_ms),
            }
        case events.Reconnected():
            return "reconnected", {"path": _of_path(item.path)}


def verdict_fields(verdict: RunVerdict) -> Fields:
    """The fields of a verdict of causes."""
    told = verdict.explanations
    sentences = [one.sentence for one in told] or [one.sentence for one in verdict.notes]
    return {
        "verdict": "explained" if told else "noted" if verdict.notes else "unexplained",
        "text": "; ".join(sentences),
        "causes": [
            {
                "causes": [str(cause) for cause in one.causes],
                "device": str(one.device),
                "confidence": str(one.confidence),
                "evidence": list(one.evidence),
                "text": one.sentence,
                "hint": one.hint,
            }
            for one in told
        ],
        "notes": [
            {"note": str(one.note), "device": str(one.device), "text": one.sentence} for one in verdict.notes
        ],
    }


def _of_waiting(item: events.Waiting) -> Fields:
    told = item.explanation
    return {
        "text": item.text,
        "left_s": round(item.left_s, 3) if item.left_s is not None else None,
        "causes": [str(cause) for cause in told.causes] if told is not None else [],
        "confidence": str(told.confidence) if told is not None else None,
        "explanation": told.sentence if told is not None else None,
        "hint": told.hint if told is not None else None,
    }


def _of_nearby(item: events.PeerFound) -> Fields:
    peer = item.peer
    return {
        "instance": peer.instance,
        "alias": peer.alias,
        "role": peer.role,
        "label": peer.label,
        "tcp_port": peer.tcp_port,
        "addresses": [of_candidate(address) for address in peer.addresses],
        "heard": item.heard,
        "hears_us": item.hears_us,
    }


def _of_attempt(item: events.Attempt) -> Fields:
    return {
        "candidate": str(item.candidate),
        "origin": str(item.candidate.origin),
        "direction": str(item.direction),
        "phase": str(item.phase),
        "outcome": item.outcome,
        "ms": _ms(item.ms),
        "errno": item.errno,
        "detail": item.detail,
        "flaw": str(item.flaw),
    }


def _ms(value: float) -> float:
    return round(value, 3)
