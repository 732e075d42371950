"""An engine of a distribution of its own is one file: everything in the lab that names engines knows it then."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from localpair_lab.engines import registry

import places
from lab_fake import FakeEngine

ENGINE = """
from pathlib import Path
from lab_fake import FakeEngine
from localpair_lab.engines.kinds import EngineKind, EngineOption

def make(chosen):
    return FakeEngine({"FAKE_host_mood": chosen["mood"]})

KIND = EngineKind(
    "stage", "actors on a stage", __name__, make, weight=lambda chosen: 9, trials=dict,
    options=(EngineOption("mood", "how the host is", metavar="MOOD"),),
)
"""
SCENARIO = """
lab: 1
summary: Two devices.
references: https://example.org/1
networks: {lan: 192.168.1.0/24}
devices: {alice: {on: {lan: 192.168.1.10}}, bob: {on: {lan: 192.168.1.20}}}
pair: {host: bob, join: alice, timeout: 3s}
expect:
  - {of: [host, join], outcome: paired}
"""


@pytest.fixture
def stage(tmp_path: Path) -> dict[str, str]:
    """The environment in which the engine is installed."""
    (tmp_path / "stage_engine.py").write_text(ENGINE)
    metadata = tmp_path / "stage_engine-1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: stage-engine\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text("[localpair_lab.engines]\nstage = stage_engine:KIND\n")
    (tmp_path / "two.lan.yaml").write_text(SCENARIO)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    return clean | {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(places.SUPPORT)])}


def lab(where: Path, environment: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", *words]
    return subprocess.run(command, cwd=where, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_pytest_plays_it_with_its_options(tmp_path: Path, stage: dict[str, str], jobs: str) -> None:
    played = (
        "pytest",
        "-p",
        "no:hypothesispytest",
        "--lab-engine=stage",
        f"--lab-jobs={jobs}",
        "two.lan.yaml",
    )
    done = lab(tmp_path, stage, *played)
    assert "stage: 1 passed" in done.stdout, done.stdout + done.stderr
    done = lab(tmp_path, stage, *played, "--lab-mood=crash")
    assert "FAILED two.lan.yaml::two[stage]" in done.stdout, done.stdout + done.stderr


def test_the_command_line_plays_it_and_the_doctor_examines_it(tmp_path: Path, stage: dict[str, str]) -> None:
    done = lab(tmp_path, stage, "localpair_lab", "run", "two.lan.yaml", "--engine=stage")
    assert "passed" in done.stdout, done.stdout + done.stderr
    done = lab(tmp_path, stage, "localpair_lab", "demo", "two.lan.yaml", "--engine=stage")
    assert "building it with actors on a stage" in done.stderr, done.stdout + done.stderr
    assert "stage: plays everything" in lab(tmp_path, stage, "localpair_lab", "doctor").stdout


def test_the_heaviest_that_answers_plays_where_none_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = {
        name: registry.EngineKind(
            name,
            "",
            "",
            lambda _: FakeEngine(),
            lambda _, weight=weight: weight,
            dict,
            lambda answers=answers: answers,
        )
        for name, weight, answers in (("grand", 9, False), ("small", 1, True), ("middling", 4, True))
    }
    monkeypatch.setattr(registry, "_kinds", kinds)
    assert list(registry.kinds()) == ["small", "middling", "grand"]
    assert registry.engine_names("auto") == ["middling"]
    assert registry.engine_names("grand") == ["grand"]
    with pytest.raises(ValueError, match="an engine called small already"):
        registry.register(kinds["small"])


def test_of_values_given_several_times_each_play_takes_the_next() -> None:
    told = {"docker_host": ["a", "b"], "wiring": "docker", "cold": True}
    taken = [dict(registry.choices("compose", told, number)) for number in range(3)]
    assert taken == [{"docker_host": host, "wiring": "docker"} for host in ("a", "b", "a")]
    assert dict(registry.choices("namespace", told, 5)) == {"cold": True}
    assert dict(registry.choices("compose", {}, 5)) == {"docker_host": "", "wiring": "fabric"}
