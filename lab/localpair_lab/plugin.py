"""pytest's plugin: every scenario file is a file of tests, one item for each engine and cell of its matrix.

Public API of pytest only. The distribution names this module as an entry point, so that pytest loads it anywhere.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from localpair_lab.engines import registry
from localpair_lab.model.words.markers import MARKERS
from localpair_lab.numbers import part, positive
from localpair_lab.paths import ARTIFACTS, OWN, PRODUCT_HELP

_SCENARIOS_MET = pytest.StashKey[bool]()


# --- Options and markers ---


def pytest_addoption(parser: pytest.Parser) -> None:
    """The lab's options."""
    group = parser.getgroup("lab", "the lab of hostile networks")
    _add_playing(group)
    _add_choosing(group)
    _add_keeping(group)
    parser.addini(
        "lab_scenarios", type="paths", default=[], help="folders in which every .yaml file is a scenario"
    )


def _add_playing(group: pytest.OptionGroup) -> None:
    group.addoption(
        "--lab-engine",
        choices=registry.wanted(),
        default="auto",
        help="what plays the scenarios (default: auto)",
    )
    group.addoption(
        "--lab-strict", action="store_true", help="a capability that is missing is an error, no skip"
    )
    group.addoption(
        "--lab-jobs", type=_jobs, default="auto", metavar="N",
        help="play N at once; auto: as many as the machine carries, and one under -n, --pdb and --lab-pause",
    )  # fmt: skip
    for option in registry.options():
        group.addoption(f"--lab-{option.name}", **option.as_argument())


def _add_choosing(group: pytest.OptionGroup) -> None:
    group.addoption(
        "--lab-cells", choices=["all", "one", "theme"], default="all",
        help="the last engine plays only: the first cell of each matrix; one cell of each theme",
    )  # fmt: skip
    group.addoption("--lab-product", default=OWN, metavar="ADAPTER", help=PRODUCT_HELP)
    group.addoption("--lab-repeat", type=positive, default=1, metavar="N", help="play everything N times")
    group.addoption("--lab-shard", type=part, metavar="I/N", help="play the I-th of N parts")


def _add_keeping(group: pytest.OptionGroup) -> None:
    group.addoption("--lab-keep", action="store_true", help="keep the artifacts of passed scenarios, too")
    group.addoption(
        "--lab-pause", choices=["on-fail"],
        help="leave a failed network to `localpair-lab shell` and `capture` until Ctrl-C; needs -s",
    )  # fmt: skip
    group.addoption(
        "--lab-pcap", choices=["always", "fail", "never"], default="fail", help="which captures to keep"
    )
    group.addoption(
        "--lab-trace", action="store_true", help="what each localpair does on the network, in the timelines"
    )
    group.addoption(
        "--lab-html", metavar="DIR", help="a page for each run, and index.html, which leads to them"
    )
    group.addoption("--lab-table", metavar="FILE", help="bring the table of results in a page up to date")
    group.addoption("--lab-artifacts", default=str(ARTIFACTS), metavar="DIR", help="where artifacts go")


def _jobs(text: str) -> int:
    """0 for ``auto``."""
    return 0 if text == "auto" else positive(text, "write a number, or auto")


def pytest_configure(config: pytest.Config) -> None:
    """Each marker of the scenarios, each engine, and each verdict's word. What is wrong with an option is told here,
    before any scenario is read.
    """
    if fault := _unwritable(Path(config.invocation_params.dir, config.getoption("--lab-artifacts"))):
        raise pytest.UsageError(f"--lab-artifacts {config.getoption('--lab-artifacts')}: {fault}")
    if page := config.getoption("--lab-table"):
        try:
            import_module("localpair_lab.report.results_page").rows_of(Path(page).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise pytest.UsageError(f"--lab-table {page}: {error}") from None
    if config.getoption("--lab-pause"):
        if config.getoption("capture") != "no":
            raise pytest.UsageError("--lab-pause: what it says does not reach you: add -s")
        if config.getoption("numprocesses", None):
            raise pytest.UsageError("--lab-pause: one play at a time can stand: leave -n out")
    for name, meaning in MARKERS.items():
        config.addinivalue_line("markers", f"{name}: {meaning}")
    for engine in registry.kinds():
        config.addinivalue_line("markers", f"{engine}: played by the {engine} engine")
    config.addinivalue_line("markers", "quarantined: not trusted until a date")


def _unwritable(folder: Path) -> str:
    """Why no folder can be made there; empty where it can. It is made when something is to be kept."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    if not there.is_dir():
        return f"{there} is no folder"
    return "" if os.access(there, os.W_OK | os.X_OK) else f"{there} cannot be written to"


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Under xdist: each worker is told which engines play, and does not ask for them again."""
    if node.config.getini("lab_scenarios"):
        node.workerinput[_items().TOLD_NAMES] = _items().names(node.config)


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.File | None:
    """Every ``*.lan.yaml``, and every YAML file in the folders that the ini file names as ``lab_scenarios``."""
    if file_path.name.endswith(".lan.yaml") or _is_listed(parent.config, file_path):
        parent.config.stash[_SCENARIOS_MET] = True
        file: pytest.File = _items().ScenarioFile.from_parent(parent, path=file_path)
        return file
    return None


def _is_listed(config: pytest.Config, path: Path) -> bool:
    folders: list[Path] = config.getini("lab_scenarios")
    return path.suffix == ".yaml" and any(path.is_relative_to(folder) for folder in folders)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """``--lab-cells=theme`` and ``--lab-shard=I/N`` leave some out; the latter plays every N-th: slow themes spread."""
    kept = list(items)
    if _SCENARIOS_MET in config.stash:
        kept = _items().arrange(items, config)
    if shard := config.getoption("--lab-shard"):
        number, parts = shard
        kept = kept[number - 1 :: parts]
    config.hook.pytest_deselected(items=sorted(set(items) - set(kept), key=items.index))
    items[:] = kept


@pytest.hookimpl(wrapper=True)
def pytest_runtestloop(session: pytest.Session) -> Generator[None, object, object]:
    """Scenarios play ahead; pytest comes to each in turn, and waits for its outcome."""
    if _SCENARIOS_MET not in session.config.stash or session.config.getoption("collectonly"):
        return (yield)
    with _items().played_ahead(session):
        return (yield)


def _items() -> ModuleType:
    """The module that knows scenarios, which takes a second to load."""
    return import_module("localpair_lab.items")


# --- Reports ---


def pytest_report_teststatus(
    report: pytest.TestReport,
) -> tuple[str, str, tuple[str, dict[str, bool]]] | None:
    """A fault of the lab's own has a letter of its own."""
    if report.when == "call" and report.failed and _property(report, "lab_verdict") == "broken":
        return "failed", "B", ("BROKEN", {"red": True})
    return None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What a play took, also where pytest waited for the last of it only."""
    report = yield
    if report.when == "call":
        report.duration = _property(report, "lab_elapsed_s") or report.duration
    return report


def _property(report: pytest.TestReport, name: str) -> Any:
    return dict(getattr(report, "user_properties", ())).get(name)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The summary of scenarios and engines."""
    reports = [report for several in terminalreporter.stats.values() for report in several]
    if any(_property(report, "lab_scenario") for report in reports):
        import_module("localpair_lab.report.terminal").summarize(terminalreporter, reports)
