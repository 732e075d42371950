"""Pictures and lists: well-formed, complete, and every scenario has one."""

from __future__ import annotations

import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any, Literal

import pytest
import yaml
from localpair_lab.cli.demo import _end
from localpair_lab.cli.main import main
from localpair_lab.cli.selection import subnets
from localpair_lab.judge.verdict import Outcome, Verdict
from localpair_lab.loading.cases import PlannedCell, all_cells
from localpair_lab.loading.load import load_text
from localpair_lab.loading.schema import schema
from localpair_lab.oracle.packet import Delivery
from localpair_lab.oracle.tcp import Opening, Way
from localpair_lab.oracle.words import grouped_ways, way_words
from localpair_lab.report.graph import draw
from localpair_lab.report.mermaid import mermaid

import places

CELLS = list(all_cells())


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.title)
def test_every_plan_is_drawn_whole(cell: PlannedCell) -> None:
    svg = draw(cell.plan, cell.title, cell.scenario.summary, subnets(cell))
    picture = ET.fromstring(svg)  # noqa: S314 - our own text
    words = " ".join("".join(element.itertext()) for element in picture.iter())
    width = int(picture.attrib["width"])
    assert all(float(element.attrib.get("x", 0)) < width for element in picture.iter())
    for node in cell.plan.nodes:
        if node.role != "hub":
            assert node.name in words
            for interface in node.interfaces:
                assert interface.name in words
    for name in cell.scenario.networks:
        assert name in words
    assert "http://" not in svg.replace("http://www.w3.org/2000/svg", "")


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.title)
def test_mermaid_joins_every_interface(cell: PlannedCell) -> None:
    text = mermaid(cell.plan, subnets(cell))
    edges = sum(
        entry.kind not in ("bridge", "translator")
        for node in cell.plan.nodes
        if node.role != "hub"
        for entry in node.interfaces
    )
    assert len(re.findall(r" ---\|| -\.-\|", text)) == edges


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["list"], 0, "flat"),
        (["list", "--marker", "smoke", "--long"], 0, "https://"),
        (["validate"], 0, ""),
        (["graph", "flow/flat"], 0, "<svg"),
        (["graph", "flat", "--mermaid", "--cell", "pre-all"], 0, "flowchart"),
        (["explain", "two-inner-routers"], 0, "no way"),
        (["explain", "outbound-fine"], 0, "stage 1 gives 192.168.1.10"),
        (["explain", "flta"], 3, "hint: did you mean flat?"),
        (["explain", "nowhere/flat.yaml"], 3, "there is no file 'nowhere/flat.yaml'"),
        (["validate", "two-inner-routers"], 0, "1 file, 1 cell: all good"),
        (["graph", "flat", "--cell", "pre"], 3, "hint: did you mean"),
        (["shell", "alice"], 3, "no network stands"),
        (["run", "flow/flat", "--engine", "namespace", "--html", "a.html"], 3, "hint: name a folder"),
        (["down"], 0, "no network stands"),
    ],
)
def test_commands_that_look(
    arguments: list[str],
    code: int,
    told: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == code
    captured = capsys.readouterr()
    assert told in captured.out + captured.err


def test_validate_tells_expectations_that_cannot_come_true(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "closed.yaml"
    path.write_text(
        "lab: 1\nsummary: x\nnetworks: {lan: {ip: 192.168.1.0/24, isolation: clients}}\n"
        "devices: {alice: {on: {lan: 192.168.1.10}}, bob: {on: {lan: 192.168.1.20}}}\n"
        "pair: {host: bob, join: alice}\nexpect:\n  - {of: join, outcome: paired}\n"
    )
    assert main(["validate", str(path)]) == 1
    told = capsys.readouterr()
    assert "closed.yaml:7:5: expect[0]: cannot come true: join paired" in told.out
    assert "client-isolation" in told.out
    assert told.err == "1 problem in 1 file\n"


def office(*replaced: tuple[str, str]) -> str:
    """The first example of docs/lab.md, with some of its words replaced."""
    text = re.findall(r"```yaml\n(.*?)```", (places.ROOT / "docs" / "lab.md").read_text(), flags=re.S)[0]
    for old, new in replaced:
        assert text.count(old) == 1
        text = text.replace(old, new)
    return str(text)


def validated(text: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What is told of such a file, from the folder that it lies in."""
    path = folder / "lab/scenarios/firewall/my-office.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    assert main(["validate", str(path)]) == 1
    return capsys.readouterr().out.splitlines()


def test_the_mistakes_in_the_reference_are_true(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    reference = (places.ROOT / "docs" / "lab.md").read_text()
    wrong = office(("firewall: {", "fierwall: {"), ("within: 10s", "within: 10"))
    told = validated(wrong, tmp_path, capsys)
    assert len(told) == 2
    assert "\n".join(told) in reference


def test_an_impossible_end_is_told_once_and_in_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (told,) = validated(office(("paired", "failed")), tmp_path, capsys)
    assert told in (places.ROOT / "docs" / "lab.md").read_text()


def test_an_impossible_path_is_told_in_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    wanted = office(("{direction: [out, simultaneous]}", "{remote: 192.168.1.99, direction: [in, out]}"))
    (told,) = validated(wanted, tmp_path, capsys)
    assert ":16:5: expect[1]: cannot come true: host by a path with remote 192.168.1.99, " in told
    assert "direction in or out, and no way" in told


def way(kind: Literal["dial", "simultaneous"], *bound: str, swapped: bool = False) -> Way:
    ends = [("alice", "10.0.0.2"), ("bob", "10.0.0.3")]
    (first, local), (second, remote) = reversed(ends) if swapped else ends
    return Way(kind, first, second, Opening(Delivery.YES, "", local, remote), bound)


def test_ways_that_differ_in_bound_sockets_are_one_line() -> None:
    kind: Literal["simultaneous"] = "simultaneous"
    (twins,) = grouped_ways([way(kind, "bob"), way(kind, "alice", "bob"), way(kind, "alice", swapped=True)])
    assert way_words(*twins) == (
        "alice and bob dial at once: 10.0.0.2 and 10.0.0.3, "
        "only if bob's or alice's socket is bound to the interface, past the routes"
    )
    (dials, others) = grouped_ways([way("dial", "alice"), way("dial", swapped=True), way("dial")])
    assert way_words(*dials) == "alice dials bob: 10.0.0.2 to 10.0.0.3", "it needs no bound socket"
    assert way_words(*others) == "bob dials alice: 10.0.0.3 to 10.0.0.2"


def test_the_lab_imports_without_docker() -> None:
    code = (
        "import sys; sys.modules['docker'] = None; import localpair_lab.plugin, localpair_lab.cli.main; "
        "import localpair_lab.oracle.judge, localpair_lab.engines.registry; "
        "assert not [name for name in sys.modules if name.startswith('docker.')]"
    )
    subprocess.run([sys.executable, "-c", code], cwd=places.ROOT, check=True)


def test_the_reference_is_true() -> None:
    """Every YAML block of docs/lab.md parses; the first is a whole scenario and loads."""
    text = (places.ROOT / "docs" / "lab.md").read_text()
    blocks = re.findall(r"```yaml\n(.*?)```", text, flags=re.S)
    assert load_text(Path("my-office.yaml"), blocks[0]).cells
    for block in blocks:
        assert yaml.safe_load(block)


def test_the_reference_leaves_no_key_out() -> None:
    text = (places.ROOT / "docs" / "lab.md").read_text()
    keys = {key for definition in schema()["$defs"].values() for key in _keys(definition)} | set(
        schema()["properties"]
    )
    assert [key for key in sorted(keys) if not re.search(rf"\b{key}\b", text)] == []


def _keys(definition: dict[str, Any]) -> set[str]:
    parts = (definition, *definition.get("anyOf", ()))
    return {key for part in parts for key in part.get("properties", ())}


def test_the_demo_ends_with_a_verdict_and_says_apart_how_long_it_took(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outcome = Outcome(Verdict.PASSED, "namespace", paired_ms=328.4)
    assert _end(CELLS[0], outcome, tmp_path / "picture.svg") == 0
    verdict, took, *_, page = capsys.readouterr().out.splitlines()
    assert page.endswith("artifacts/demo/report.html")
    assert "oracle" in verdict
    assert "328" not in verdict, "the oracle says whether and how, not how fast"
    assert "328 ms" in took
    assert "Python" in took
