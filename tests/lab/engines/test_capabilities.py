"""What the machine can play is asked of the machine, and every gap comes with its remedy."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from localpair_lab.cli.maintenance import diagnosed
from localpair_lab.engines import capabilities
from localpair_lab.engines.kinds import CapabilityFinding
from localpair_lab.engines.namespace import forkserver_client
from localpair_lab.engines.namespace.trials import namespaces
from localpair_lab.fabric.system import clock, sandbox, tools
from localpair_lab.plan.capabilities import CAPABILITIES

if TYPE_CHECKING:
    from pathlib import Path


def test_every_capability_of_plans_is_known() -> None:
    trials = dict.fromkeys(("wire", "segment-rules"), "no")
    assert {one.capability for one in capabilities.missing(list(CAPABILITIES), trials)} == {
        "loss",
        "rate",
        "delay",
        "filter",
        "trunk",
    }
    assert capabilities.missing(list(CAPABILITIES), {}) == []


@pytest.mark.netns
def test_this_machine_was_asked() -> None:
    trials = namespaces()
    assert {"wire", "firewall", "nat", "segment-rules", "isolation", "snooping", "events", "clock"} <= set(
        trials
    )
    assert trials["events"] == ""


@pytest.mark.parametrize(
    ("capability", "reason", "words"),
    [
        ("firewall", "nft is not installed", "nftables"),
        ("clock", "libfaketime is not installed", "faketime"),
        ("tunnel-device", "[Errno 2] No such file or directory: '/dev/net/tun'", "modprobe tun"),
        ("tunnel-device", "[Errno 13] Permission denied: '/dev/net/tun'", "chmod 0666 /dev/net/tun"),
        ("bbr", "[Errno 1] Operation not permitted", "tcp_bbr"),
        ("bbr", "unshare: Operation not permitted", "as root"),
        ("isolation", "unshare: Operation not permitted", "as root"),
        ("snooping", "not supported", "linux-modules-extra"),
    ],
)
def test_every_gap_has_one_remedy(capability: str, reason: str, words: str) -> None:
    assert words in capabilities.mend(capability, reason)


def test_the_tools_of_root_are_found_by_ordinary_users(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Debian's PATH of an ordinary user holds no sbin, where nft, ip and bridge are."""
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "sbin").mkdir()
    monkeypatch.setattr(tools, "_SBIN", (str(tmp_path / "sbin"),))
    assert tools.find("nft") == ""
    tool = tmp_path / "sbin" / "nft"
    tool.write_text("#!/bin/sh\n")
    tool.chmod(0o755)
    assert tools.find("nft") == str(tool)
    assert tools.path() == f"{tmp_path}:{tmp_path / 'sbin'}"


def test_a_machine_without_namespaces_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forkserver_client, "_zygotes", [])
    monkeypatch.setattr(forkserver_client.sys, "executable", "/bin/false")
    namespaces.cache_clear()
    try:
        lacking = capabilities.missing(["events"], namespaces())
        assert [one.capability for one in lacking] == ["events"]
        assert "did not start" in lacking[0].reason
        assert lacking[0].mend
    finally:
        namespaces.cache_clear()


def test_the_clock_shift_leaves_monotonic_time_alone() -> None:
    assert clock.shifted(0.0, "/lib/x.so") == {}
    shift = clock.shifted(-90000.0, "/lib/x.so")
    assert json.dumps(shift, sort_keys=True) == json.dumps(
        {
            "FAKETIME": "-90000s",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_FORCE_MONOTONIC_FIX": "0",
            "LD_PRELOAD": "/lib/x.so",
        },
        sort_keys=True,
    )


def test_a_clock_that_jumps_is_read_anew_each_time() -> None:
    shift = clock.shifted(3600.0, "/lib/x.so", moves=True)
    assert "FAKETIME" not in shift  # it would win over the file
    assert shift["FAKETIME_TIMESTAMP_FILE"] == f"@state/{clock.FILE}"
    assert shift["FAKETIME_NO_CACHE"] == "1"


def confined(*words: str) -> list[str]:
    return [sys.executable, "-I", "-S", sandbox.__file__, *words]


@pytest.mark.netns
def test_a_sandbox_withholds_the_routing_socket_from_all_that_it_starts() -> None:
    attempts = """
import socket
for family in (socket.AF_NETLINK, socket.AF_INET, socket.AF_UNIX):
    try:
        socket.socket(family, socket.SOCK_DGRAM).close()
    except OSError as error:
        print(error.errno)
    else:
        print("ok")
"""
    command = confined("netlink", "--", "env", sys.executable, "-c", attempts)
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["13", "ok", "ok"]


@pytest.mark.netns
def test_a_sandbox_hides_what_the_kernel_tells_in_files_and_nothing_else(tmp_path: Path) -> None:
    if reason := namespaces()["kernel-files"]:
        pytest.skip(reason)
    (tmp_path / "own").write_text("own")
    attempts = f"""
import os, pathlib, socket
for path in ("/proc/net/dev", "/proc/self/status", "/sys/class/net", "/etc/passwd", "{tmp_path}/own"):
    try:
        os.listdir(path) if "class" in path else pathlib.Path(path).read_text()
    except OSError as error:
        print(error.errno)
    else:
        print("ok")
pathlib.Path("{tmp_path}/new").write_text("new")
socket.socket(socket.AF_NETLINK, socket.SOCK_RAW).close()
"""
    command = confined("kernel-files", "--", "env", sys.executable, "-c", attempts)
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["13", "13", "13", "ok", "ok"]
    assert (tmp_path / "new").read_text() == "new"


@pytest.mark.parametrize(
    "words", [(), ("netlink",), ("netlink", "--"), ("--", "true"), ("netlink", "hope", "--", "true")]
)
def test_a_sandbox_says_what_it_takes(words: tuple[str, ...]) -> None:
    done = subprocess.run(confined(*words), check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == "usage: sandbox.py {netlink|kernel-files} ... -- COMMAND [ARGUMENT ...]\n"


def test_a_sandbox_on_an_unknown_machine_is_no_sandbox() -> None:
    with pytest.raises(OSError, match="no filter is known for pdp11"):
        sandbox.filter_program("pdp11")


def test_the_doctor_shows_engines_side_by_side_and_each_reason_once() -> None:
    findings = [
        CapabilityFinding("namespace", "loss", True),
        CapabilityFinding("namespace", "rate", True),
        CapabilityFinding("compose", "loss", False, "no Docker engine answers", "start it"),
        CapabilityFinding("compose", "rate", False, "no Docker engine answers", "start it"),
    ]
    lines = [" ".join(line.split()) for line in diagnosed(findings)]
    assert lines[:2] == ["namespace compose", f"loss yes no {CAPABILITIES['loss']}"]
    assert lines[3:] == [
        "", "namespace: plays everything", "", "compose: lacks 2", "loss, rate: no Docker engine answers",
        "hint: start it",
    ]  # fmt: skip
