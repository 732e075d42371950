"""The pytest plugin, played by a pytest of its own on the engine without a network."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

import places

DEFAULTS = (
    "--lab-engine=namespace",
    "--lab-jobs=1",  # the fake engine lives in pytest's own process
    "-p", "no:hypothesispytest",  # half of a session's start, for nothing
)  # fmt: skip
CONFTEST = """
from dataclasses import replace
from localpair_lab.engines import registry
from lab_fake import FakeEngine
import os

def make(chosen):
    return FakeEngine(
        {"FAKE_host_mood": os.environ.get("MOOD", "")},
        fault=os.environ.get("FAULT", ""),
        missing=os.environ.get("MISSING", ""),
    )

registry._kinds["namespace"] = replace(registry.kinds()["namespace"], make=make)
"""
GOOD = """
lab: 1
summary: Two devices.
references: https://example.org/1
markers: smoke
matrix: {flow: [pre, post]}
networks: {lan: 192.168.1.0/24}
devices: {alice: {on: {lan: 192.168.1.10}}, bob: {on: {lan: 192.168.1.20}}}
pair: {host: bob, join: alice, flow: "${flow}", timeout: 3s}
expect:
  - {of: [host, join], outcome: paired}
"""


class Lab:
    """A folder with scenarios, and a pytest to play them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "conftest.py").write_text(CONFTEST)
        (folder / "pytest.ini").write_text(
            "[pytest]\naddopts = --strict-markers\nlab_scenarios = scenarios\n"
        )

    def write(self, name: str, text: str) -> None:
        path = self.folder / "scenarios" / "theme" / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))

    def run(self, *arguments: str, **environment: str) -> tuple[int, str]:
        paths = os.pathsep.join([str(places.ROOT), str(places.SUPPORT)])
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *DEFAULTS, *arguments],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": paths, **environment},
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    made = Lab(tmp_path)
    made.write("flat", GOOD)
    return made


def test_each_cell_is_an_item_and_the_grid_tells_the_rest(lab: Lab) -> None:
    code, text = lab.run("-v", "--junitxml=out.xml")
    assert code == 0, text
    assert "flat.yaml::flat[namespace-pre] PASSED" in text
    assert "flat.yaml::flat[namespace-post] PASSED" in text
    assert "flat  passed 2" in text
    assert "namespace: 2 passed; the lab's own cost" in text
    properties = ET.parse(lab.folder / "out.xml").iter("property")  # noqa: S314 - our own file
    values = {entry.get("name"): entry.get("value") for entry in properties}
    assert values["lab_scenario"] == "flat"
    assert values["lab_verdict"] == "passed"


def test_the_products_traces_are_part_of_the_timelines_where_that_is_wanted(lab: Lab) -> None:
    for options, wanted in ((["--lab-keep"], 0), (["--lab-keep", "--lab-trace"], 4)):
        code, text = lab.run("-k", "pre", "--lab-artifacts=kept", *options)
        assert code == 0, text
        (timeline,) = (lab.folder / "kept").rglob("timeline.txt")
        assert timeline.read_text().count("  trace   ") == wanted


def test_one_engine_plays_after_the_other(lab: Lab) -> None:
    lab.write("other", GOOD)
    _, text = lab.run("--collect-only", "-q", "--lab-engine=both")
    order = [line.partition("[")[2].partition("-")[0] for line in text.splitlines() if "[" in line]
    assert order == ["namespace"] * 4 + ["compose"] * 4


def test_a_failure_is_told_in_the_labs_own_words(lab: Lab) -> None:
    code, text = lab.run("-k", "pre", MOOD="crash")
    assert code == 1
    assert "theme/flat [pre] on namespace: FAILED" in text
    assert "wanted   host on bob should end paired" in text
    assert "FAILED 1 of 1" in text
    assert "runtest" not in text  # no frame of the lab's own


def test_a_fault_of_the_lab_is_tried_again_and_is_no_failure_of_the_product(lab: Lab) -> None:
    code, text = lab.run("-k", "pre", "-v", FAULT="no frame passed")
    assert code == 1
    assert "BROKEN" in text
    assert "broken (1): no frame passed" in text


def test_what_is_missing_is_skipped_and_strict_says_no(lab: Lab) -> None:
    code, text = lab.run("-k", "pre", MISSING="nat")
    assert code == 0
    assert "unsupported (1): nat: this is a fake" in text
    code, text = lab.run("-k", "pre", "--lab-strict", MISSING="nat")
    assert code == 1


def test_an_unreadable_file_fails_alone(lab: Lab) -> None:
    lab.write("bad", GOOD.replace("outcome: paired", "outcome: pared"))
    code, text = lab.run()
    assert code == 1
    assert "bad.yaml:11:33: expect[0].outcome: 'pared' is not known here (did you mean paired?)" in text
    assert "2 passed" in text


def test_an_expected_failure_must_fail(lab: Lab) -> None:
    lab.write("todo", GOOD.replace("markers:", "expected_failure: {reason: not yet}\nmarkers:"))
    code, text = lab.run("-k", "todo and pre")
    assert code == 1
    assert "PASSED UNEXPECTEDLY 1 of 1" in text
    code, text = lab.run("-k", "todo and pre", MOOD="crash")
    assert code == 0
    assert "expected failure (1): not yet" in text


def test_markers_shards_and_repetitions(lab: Lab) -> None:
    assert "2 passed" in lab.run("-m", "smoke")[1]
    assert "2 deselected" in lab.run("-m", "slow")[1]
    assert "1 passed, 1 deselected" in lab.run("--lab-shard=2/2")[1]
    assert "4 passed" in lab.run("--lab-repeat=2")[1]


def test_the_last_engine_may_play_one_cell_of_each_matrix(lab: Lab) -> None:
    found = lab.run("--collect-only", "-q", "--lab-engine=both", "--lab-cells=one")[1]
    items = [line.partition("::")[2] for line in found.splitlines() if "::" in line]
    assert items == ["flat[namespace-pre]", "flat[namespace-post]", "flat[compose-pre]"]
    alone = lab.run("--collect-only", "-q", "--lab-engine=namespace", "--lab-cells=one")[1]
    assert alone.count("::flat[namespace") == 1


def test_the_last_engine_may_play_one_scenario_of_each_theme(lab: Lab) -> None:
    """The first that is marked as a quick look."""
    lab.write("early", GOOD.replace("markers: smoke", "markers: flow"))
    lab.write("late", GOOD)
    found = lab.run("--collect-only", "-q", "--lab-engine=both", "--lab-cells=theme")[1]
    items = [line.partition("::")[2] for line in found.splitlines() if "::" in line]
    assert [item for item in items if "namespace" in item] == [
        f"{name}[namespace-{cell}]" for name in ("early", "flat", "late") for cell in ("pre", "post")
    ]
    assert [item for item in items if "compose" in item] == ["flat[compose-pre]"]


def test_a_session_without_scenarios_does_not_wait_for_the_lab(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(
        "import sys\ndef test_it():\n    assert not {'pydantic', 'docker', 'yaml'} & set(sys.modules)\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-n", "1", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stdout


PATIENT = """
lab: 1
summary: Nobody comes.
matrix: {device: [alice, bob]}
networks: {lan: 192.168.1.0/24}
devices: {alice: {on: {lan: 192.168.1.10}}, bob: {on: {lan: 192.168.1.20}}}
actions:
  - {do: host, on: "${device}", timeout: 5s}
expect:
  - {of: host, outcome: failed, within: 10s}
"""


@pytest.mark.netns
def test_plays_that_wait_do_so_side_by_side(lab: Lab) -> None:
    """Each in a process of its own, with an engine of its own."""
    lab.write("flat", PATIENT)
    code, text = lab.run("--lab-jobs=2", "--lab-keep", "--junitxml=out.xml")
    assert code == 0, text
    assert "flat  passed 2" in text
    folders = list((lab.folder / "lab" / "artifacts" / "theme").glob("flat-*"))
    assert len(folders) == 2
    begun = [(folder / "plan.json").stat().st_mtime for folder in folders]
    ended = [(folder / "timeline.jsonl").stat().st_mtime for folder in folders]
    assert max(begun) < min(ended)
    cases = ET.parse(lab.folder / "out.xml").iter("testcase")  # noqa: S314 - our own file
    assert all(float(case.get("time") or 0) >= 5 for case in cases), (
        "what the play took, not what was waited for it"
    )


def test_the_number_of_jobs_is_a_number_or_auto(lab: Lab) -> None:
    for wrong in ("0", "two", "-1"):
        code, text = lab.run(f"--lab-jobs={wrong}")
        assert code == pytest.ExitCode.USAGE_ERROR
        assert "write a number, or auto" in text


@pytest.mark.parametrize(
    ("option", "told"),
    [
        ("--lab-shard=3/2", "write it as 1/4"),
        ("--lab-shard=0/2", "write it as 1/4"),
        ("--lab-shard=half", "write it as 1/4"),
        ("--lab-engine=vagrant", "invalid choice: 'vagrant'"),
        ("--lab-artifacts=pytest.ini/x", "pytest.ini is no folder"),
        ("--lab-artifacts=conftest.py", "conftest.py is no folder"),
    ],
)
def test_a_bad_option_is_told_before_any_scenario_is_read(lab: Lab, option: str, told: str) -> None:
    lab.write("bad", GOOD.replace("outcome: paired", "outcome: pared"))
    code, text = lab.run(option)
    assert code == pytest.ExitCode.USAGE_ERROR
    assert told in text
    assert "pared" not in text
    assert "collected" not in text


def test_playing_nothing_is_refused_and_not_passed_over(lab: Lab) -> None:
    code, text = lab.run("--lab-repeat=0")
    assert code == pytest.ExitCode.USAGE_ERROR
    assert "write a number above 0" in text


def test_workers_share_the_session(lab: Lab) -> None:
    code, text = lab.run("-n", "2")
    assert code == 0, text
    assert "flat  passed 2" in text


@pytest.mark.parametrize("workers", ["0", "2"])
def test_docker_is_asked_once_a_session(lab: Lab, workers: str) -> None:
    """Not once a file, and not once a worker."""
    lab.write("other", GOOD)
    docker = lab.folder / "docker"
    docker.write_text(f"#!/bin/sh\necho asked >>{lab.folder}/asked\necho 2.30.0\n")
    docker.chmod(0o755)
    code, text = lab.run(
        "-n", workers, "--lab-engine=auto",
        PATH=f"{lab.folder}{os.pathsep}{os.environ['PATH']}", DOCKER_HOST=f"unix://{lab.folder}/none",
    )  # fmt: skip
    assert code == 0, text
    assert "namespace: 4 passed" in text
    assert (lab.folder / "asked").read_text() == "asked\n"


def test_the_table_of_a_page_is_brought_up_to_date(lab: Lab) -> None:
    page = lab.folder / "page.md"
    page.write_text("# Page\n<!-- table: begin -->\n<!-- table: end -->\n")
    code, text = lab.run("--lab-table=page.md")
    assert code == 0, text
    assert page.read_text().startswith("# Page\n<!-- table: begin -->\n| scenario | outcome | path | time |")
    code, text = lab.run("--lab-table=conftest.py")
    assert code == pytest.ExitCode.USAGE_ERROR
    assert "--lab-table conftest.py: there is no <!-- table: begin -->" in text


def test_pages_are_written_for_each_run_and_for_all(lab: Lab) -> None:
    lab.write("good", GOOD)
    lab.write("bad", GOOD.replace("outcome: paired", "outcome: failed"))
    files = [f"scenarios/theme/{name}.yaml" for name in ("good", "bad")]
    code, told = lab.run(*files, "--lab-html=pages", "--lab-repeat=2")
    assert code == 1
    assert f"page: {lab.folder / 'pages' / 'index.html'}" in told
    index = (lab.folder / "pages" / "index.html").read_text()
    links = re.findall(r'href="(theme/[^"]+)"', index)
    assert len(links) == 8
    titles = [
        re.findall(r"<title>(.*)</title>", (lab.folder / "pages" / link).read_text())[0] for link in links
    ]
    assert sorted(set(titles)) == [
        "theme/bad [post]: failed",
        "theme/bad [pre]: failed",
        "theme/good [post]: passed",
        "theme/good [pre]: passed",
    ]
    assert f"{' '.join(files)} --lab-html=pages --lab-repeat=2" in index


def test_what_was_not_played_has_no_page(lab: Lab) -> None:
    lab.write("good", GOOD)
    code, _ = lab.run("scenarios", "--lab-html=pages", MISSING="nat")
    assert code == 0
    index = (lab.folder / "pages" / "index.html").read_text()
    assert "unsupported" in index
    assert 'href="theme' not in index
