"""The shape of the package is a test: imports point down only, and what must stay in one place does."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import localpair
from import_graph import Ladder, arrows, circles, class_names, flat_modules, imported

PACKAGE = Path(localpair.__file__).parent

# From the bottom up; see Ladder. Only the command line uses the package's own face, which hands on what is public.
LAYERS = (
    ("_version", "address", "dataclass", "errors", "limits", "names.aliases", "names.units", "names.visible"),
    (
        "candidate",
        "causes.vocabulary",
        "choices.rules",
        "choices.selection",
        "choices.terms",
        "camera",
        "endpoint",
        "keys",
        "names.labels",
        "qr",
        "trust.marks",
    ),
    ("events", "ranking", "trust"),
    ("neighbourhood", "wire"),
    ("causes",),
    ("choices.settings", "protocol"),
    ("trace",),  # above everything that decides, which therefore cannot write to it
    ("net.host",),
    ("net.transport",),
    ("net.agent", "net.netcheck", "transfer"),
    ("session",),
    ("pairing",),
    ("diagnosis",),
    ("",),
    ("cli",),
    ("__main__",),
)
FLAT_MODULES = 16  # in one package: see docs/decisions
PURE = (
    "protocol",
    "wire",
    "causes",
    "neighbourhood",
    "ranking",
    "candidate",
    "address",
    "endpoint",
    "events",
    "names",
    "trust.marks",
)
IMPURE_MODULES = {
    "socket",
    "ssl",
    "asyncio",
    "time",
    "random",
    "secrets",
    "logging",
    "os",
    "threading",
    "subprocess",
}
HEAVY = {"cv2", "rich", "segno", "psutil", "ifaddr", "zxingcpp", "PIL", "platformdirs"}
PLATFORM_BOUND = {"fcntl", "msvcrt", "winreg", "resource", "pwd", "grp", "termios", "tty"}


def modules() -> list[tuple[str, Path]]:
    """Every module as a dotted name below the package, and its file."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        found.append((".".join(parts[:-1] if parts[-1] == "__init__" else parts), path))
    return found


def top_level_only(tree: ast.Module) -> list[ast.stmt]:
    """The statements that run on import; what stands under TYPE_CHECKING does not."""
    found: list[ast.stmt] = []
    waiting = list(tree.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            waiting.extend(node.orelse)
            continue
        found.append(node)
        if isinstance(node, ast.If | ast.Try | ast.With):
            waiting.extend(child for child in ast.iter_child_nodes(node) if isinstance(child, ast.stmt))
    return found


def test_imports_point_down() -> None:
    assert Ladder(PACKAGE, LAYERS).faults() == []


def test_no_modules_import_each_other_in_a_circle() -> None:
    assert circles(arrows(PACKAGE)) == []


def test_no_class_name_stands_for_two_things() -> None:
    assert [name for name, times in class_names(PACKAGE).items() if times > 1] == []


def test_no_package_has_more_modules_than_a_person_overlooks() -> None:
    beyond = {name for name, count in flat_modules(PACKAGE).items() if count > FLAT_MODULES}
    assert beyond == set()


@pytest.mark.parametrize(
    ("name", "path"), modules(), ids=lambda value: value if isinstance(value, str) else ""
)
def test_modules_stay_within_their_means(name: str, path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    everything = {one.split(".")[0] for one in imported(ast.walk(tree))}
    at_top = {one.split(".")[0] for one in imported(top_level_only(tree))}
    if name != "keys":
        assert "cryptography" not in everything, f"{name} imports cryptography; only keys does"
    if any(f"{name}.".startswith(f"{one}.") for one in PURE):
        assert not everything & IMPURE_MODULES, f"{name} is pure and imports {everything & IMPURE_MODULES}"
    if name.split(".")[0] not in ("net", "cli"):
        assert "socket" not in everything, f"{name} opens sockets; only net does"
    assert not at_top & HEAVY, f"{name} imports {at_top & HEAVY} at its top: do so where it is used"
    assert not at_top & PLATFORM_BOUND, (
        f"{name} imports {at_top & PLATFORM_BOUND} at its top: not every platform has it"
    )


def _is_of_agent(node: ast.expr) -> bool:
    """Whether it is an agent, by its name, or something in one."""
    if isinstance(node, ast.Name):
        return node.id in {"agent", "_agent"}
    return isinstance(node, ast.Attribute) and (node.attr in {"agent", "_agent"} or _is_of_agent(node.value))


def set_in_agents(tree: ast.Module) -> list[str]:
    """What is assigned to an attribute of an agent, or of something in one."""
    return [
        ast.unparse(node)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and _is_of_agent(node.value)
    ]


def reaches_through_agents(tree: ast.Module) -> list[str]:
    """What is read of something in an agent."""
    return [
        ast.unparse(node)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Attribute)
        and _is_of_agent(node.value.value)
    ]


@pytest.mark.parametrize(
    ("faults", "line", "found"),
    [
        (set_in_agents, "agent.pin = b''", ["agent.pin"]),
        (set_in_agents, "self._agent.counts.dropped += ()", ["self._agent.counts.dropped"]),
        (set_in_agents, "self.only, agent.pair_at = 1, 2", ["agent.pair_at"]),
        (set_in_agents, "agent = self._agent = make()", []),
        (set_in_agents, "self._seen = agent.seen()", []),
        (reaches_through_agents, "await agent.verified.get()", ["agent.verified.get"]),
        (reaches_through_agents, "f(self._agent.counts.dropped)", ["self._agent.counts.dropped"]),
        (reaches_through_agents, "self._agent.reject(connection)", []),
        (reaches_through_agents, "[one.address for one in agent.nearby()]", []),
    ],
)
def test_what_touches_the_inside_of_an_agent_is_told_from_what_does_not(
    faults: Callable[[ast.Module], list[str]], line: str, found: list[str]
) -> None:
    assert faults(ast.parse(line)) == found


@pytest.mark.parametrize("faults", [set_in_agents, reaches_through_agents])
def test_an_agent_is_used_from_outside_by_its_own_methods_only(
    faults: Callable[[ast.Module], list[str]],
) -> None:
    outside = [path for name, path in modules() if not name.startswith("net.agent")]
    assert outside
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in outside]
    assert [line for tree in trees for line in faults(tree)] == []


def test_the_public_api_is_what_all_says() -> None:
    assert len(set(localpair.__all__)) == len(localpair.__all__)
    for name in localpair.__all__:
        assert getattr(localpair, name) is not None
    assert set(localpair.__all__) <= set(dir(localpair))
    with pytest.raises(AttributeError):
        _ = localpair.nothing_of_the_kind


def test_every_module_imports_on_its_own() -> None:
    for name, _ in modules():
        if name != "__main__":
            importlib.import_module(f"localpair.{name}" if name else "localpair")


def test_importing_the_package_is_cheap() -> None:
    """`localpair --version` is asked by scripts: nothing heavy is imported for it."""
    code = "import sys, localpair, localpair.cli; print(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"asyncio", "ssl", "cryptography", "netaddr", *HEAVY} & set(done.stdout.split())


def test_joining_does_without_what_few_runs_need() -> None:
    """The imports are most of the time until `localpair join` has its first word."""
    code = "import sys, localpair, localpair.cli.commands.join; localpair.join; print(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "localpair.net.agent.agent" in done.stdout.split()
    assert not {"netaddr", "localpair.diagnosis", *HEAVY} & set(done.stdout.split())


def test_values_are_made_by_the_quick_decorator() -> None:
    """``dataclasses.dataclass`` would take twice the time that all other imports of `localpair join` need."""
    slow = [
        name
        for name, path in modules()
        if name != "dataclass"
        and re.search(r"from dataclasses import .*\bdataclass\b", path.read_text("utf-8"))
    ]
    assert slow == []
