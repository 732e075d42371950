"""Every public benchmark runs and ends with its JSON line. What it measures is for people to judge."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from localpair_lab.engines.namespace.trials import namespaces

import places

TOOLS = {
    "again": ("--runs", "1", "--files", "200"),
    "discovery": ("--runs", "1", "--devices", "2", "--beacons", "10"),
    "fabric_steps": ("--runs", "1", "flow/flat"),
    "flood": ("--rates", "20", "--sources", "1", "--delays", "0", "--kinds", "tls", "--runs", "1"),
    "fuzz": ("--inputs", "50"),
    "kills": ("--kills", "6"),
    "lab": ("--runs", "1", "--marker", "none", "--devices", "2", "--engine", "namespace"),
    "memory": ("--runs", "1", "--settle", "1", "--flood", "1", "--entries", "12000"),
    "pairing": ("--runs", "1"),
    "rebuild": ("--only", "found/same-address-on-both"),
    "rungs": ("--runs", "1", "--only", "flat"),
    "startup": ("--runs", "1", "--modules", "1"),
    "transfer": ("--runs", "1", "--size", "4", "--small", "10"),
}


def test_no_tool_is_forgotten() -> None:
    assert {path.stem for path in (places.ROOT / "benchmarks").glob("*.py")} == {*TOOLS, "measuring"}


@pytest.mark.skipif(any(namespaces().values()), reason="network namespaces cannot play everything here")
@pytest.mark.parametrize("tool", TOOLS)
def test_a_tool_runs_and_gives_its_figures(tool: str) -> None:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    command = [sys.executable, str(places.ROOT / "benchmarks" / f"{tool}.py"), *TOOLS[tool]]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False, env=clean)
    assert done.returncode == 0, done.stdout + done.stderr
    said = json.loads(done.stdout.strip().splitlines()[-1])
    assert said["benchmark"] == tool
    assert said["figures"], "nothing was measured"
    assert all(figure["n"] >= 1 for figure in said["figures"])
