"""The checks where everything fails: the report comes all the same."""

from __future__ import annotations

import asyncio
import errno
import socket
from pathlib import Path
from typing import Any

import pytest

from diagnosing import PATIENT, diagnose_here, quiet, run, statuses
from localpair.diagnosis import (
    CHECKS,
    Check,
    Report,
    Status,
    diagnose,
    probes_links,
)
from localpair.diagnosis.text import to_text
from localpair.net.host.interfaces import Interfaces, SkippedSource


def test_the_series_holds_what_the_origin_lists() -> None:
    names = [check.name for check in CHECKS]
    assert len(names) == len(set(names))
    assert {
        "interfaces",
        "routes",
        "addresses",
        "ports",
        "self-call",
        "multicast",
        "broadcast",
        "discovery",
    } <= set(names)
    assert {"versions", "clock", "environment", "state", "kernel", "firewall"} <= set(names)


@pytest.mark.isolated
def test_a_host_that_refuses_every_socket_is_still_reported(
    monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    real = socket.socket

    def refuse(family: int = -1, *arguments: Any, **options: Any) -> socket.socket:
        if family != getattr(socket, "AF_UNIX", None):
            raise PermissionError(errno.EPERM, "Operation not permitted")
        return real(family, *arguments, **options)

    async def main() -> Report:
        monkeypatch.setattr(socket, "socket", refuse)
        return await diagnose(checks=PATIENT, setting=quiet(folder), deadline=300.0)

    report = asyncio.run(main())
    assert [finding.name for finding in report.findings] == [check.name for check in CHECKS]
    assert "cut" not in statuses(report)
    for name in ("ports", "addresses", "self-call"):
        assert report.finding(name).status is Status.FAILED
    assert "no port can be opened" in report.finding("self-call").summary
    assert "EPERM" in str(report.finding("ports").facts)


@pytest.mark.isolated
def test_an_enumeration_that_breaks_spoils_no_other_check(
    monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    def broken() -> Interfaces:
        raise OSError(errno.EACCES, "denied")

    monkeypatch.setattr(probes_links, "read_interfaces", broken)
    report = diagnose_here(folder)
    assert report.finding("interfaces").status is Status.ERROR
    assert report.finding("interfaces").error is not None
    assert (report.finding("interfaces").error or {})["errno"] == "EACCES"
    assert report.finding("versions").status is Status.OK
    assert report.finding("self-call").status is Status.OK


def test_interfaces_that_could_not_be_read_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    partial = Interfaces(skipped=(SkippedSource("eth9", "no such device"),), source="portable")
    monkeypatch.setattr(probes_links, "read_interfaces", lambda: partial)
    (finding,) = run(Check("interfaces", probes_links.interfaces)).findings
    assert finding.status is Status.FAILED
    assert finding.facts["not_read"] == [{"name": "eth9", "reason": "no such device"}]


@pytest.mark.isolated
def test_no_name_is_ever_resolved(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    asked: list[str] = []
    for name in (
        "getaddrinfo",
        "gethostbyname",
        "gethostbyname_ex",
        "gethostbyaddr",
        "getnameinfo",
        "getfqdn",
    ):
        monkeypatch.setattr(socket, name, lambda *_, name=name, **__: asked.append(name))
    report = diagnose_here(folder)
    to_text(report, redact=True)
    assert asked == []
    assert "error" not in statuses(report)
