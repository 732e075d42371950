"""The shape of the lab is a test: imports point down only, and what runs in a node needs nothing but Python."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import localpair_lab

import localpair
from import_graph import Ladder, arrows, circles, class_names, flat_modules, imported, modules, reachable

PACKAGE = Path(localpair_lab.__file__).parent

# From the bottom up; see Ladder. What a scenario means is known without any engine, and a fabric knows no scenario.
LAYERS = (
    ("decoy", "errors", "inside", "model", "numbers", "paths", "timeline", "visible_text"),
    ("plan", "verdicts"),
    ("fabric.carriers", "fabric.services"),
    ("fabric.steps", "loading", "oracle"),
    ("fabric.compiler", "fabric.system"),
    ("fabric.traffic",),
    ("fabric.server",),
    ("fabric.__main__",),
    ("engines.base",),
    ("engines.capabilities", "engines.lines", "engines.network"),
    ("engines.kinds",),
    ("engines.compose", "engines.namespace"),
    ("engines.registry",),
    ("judge",),
    ("report",),
    ("run",),
    ("generate",),
    ("rebuild",),
    ("faults",),
    ("cli", "items"),
    ("plugin",),
    ("__main__",),
)
FLAT_MODULES = 16  # in one package: see docs/decisions
# Programs that run inside a container or a node, where no package is installed.
INSIDE = (
    "decoy",
    "inside",
    "fabric.__main__",
    "fabric.system.sandbox",
    "fabric.server.owner",
    "engines.namespace.forkserver",
)


def test_no_modules_import_each_other_in_a_circle() -> None:
    assert circles(arrows(PACKAGE)) == []


def test_imports_point_down() -> None:
    assert Ladder(PACKAGE, LAYERS).faults() == []


def test_no_package_has_more_modules_than_a_person_overlooks() -> None:
    assert {name: count for name, count in flat_modules(PACKAGE).items() if count > FLAT_MODULES} == {}


def test_what_runs_inside_a_node_needs_nothing_but_the_standard_library() -> None:
    files = modules(PACKAGE)
    for name in sorted(reachable(PACKAGE, INSIDE)):
        tree = ast.parse(files[name].read_text(encoding="utf-8"))
        foreign = {one.split(".")[0] for one in imported(ast.walk(tree))} - sys.stdlib_module_names
        assert foreign <= {PACKAGE.name}, f"{name} imports {foreign - {PACKAGE.name}}"


def test_no_class_name_stands_for_two_things_here_and_in_the_package() -> None:
    both = class_names(PACKAGE, Path(localpair.__file__).parent)
    assert [name for name, times in both.items() if times > 1] == []
