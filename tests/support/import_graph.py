"""Which module of a package imports which, read from the source: also inside functions and under TYPE_CHECKING."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path


def modules(package: Path) -> dict[str, Path]:
    """Every module by its full dotted name, and its file."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported(nodes: Iterable[ast.AST]) -> set[str]:
    """Every name that these statements import, dotted; of ``from a import b`` both ``a`` and ``a.b``."""
    names: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def arrows(package: Path) -> dict[str, set[str]]:
    """For each module the modules of the same package that it imports, each by its own name."""
    known = modules(package)
    found: dict[str, set[str]] = {}
    for name, path in known.items():
        found[name] = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found[name] |= {alias.name for alias in node.names} & known.keys()
            elif isinstance(node, ast.ImportFrom) and node.module:
                for alias in node.names:
                    inner = f"{node.module}.{alias.name}"
                    found[name] |= {inner if inner in known else node.module} & known.keys()
        found[name].discard(name)
    return found


def class_names(*packages: Path) -> Counter[str]:
    """How often each name is given to a class, whichever module and whatever it is nested in."""
    trees = [
        ast.parse(path.read_text(encoding="utf-8")) for package in packages for path in package.rglob("*.py")
    ]
    return Counter(node.name for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef))


def flat_modules(package: Path) -> dict[str, int]:
    """How many modules lie directly in each package, its own face not counted."""
    faces = [path.parent for path in package.rglob("__init__.py")]
    return {
        ".".join(face.relative_to(package.parent).parts): len(list(face.glob("*.py"))) - 1 for face in faces
    }


def circles(graph: Mapping[str, set[str]]) -> list[set[str]]:
    """The largest sets of modules in which each one imports every other, directly or through others."""
    reached = {name: _reached(graph, name) for name in graph}
    found: list[set[str]] = []
    for name in graph:
        circle = {name} | {other for other in reached[name] if name in reached[other]}
        if len(circle) > 1 and circle not in found:
            found.append(circle)
    return found


def _reached(graph: Mapping[str, set[str]], start: str) -> set[str]:
    found: set[str] = set()
    waiting = [start]
    while waiting:
        for other in graph[waiting.pop()] - found:
            found.add(other)
            waiting.append(other)
    return found


class Ladder:
    """Layers from the ground up. An entry covers what lies under it; of two entries the longer one counts; ``""`` is
    the package's own face alone.

    A module may import its own entry and every layer below, and nothing else: entries of one layer are apart.
    """

    def __init__(self, package: Path, layers: Iterable[Iterable[str]]) -> None:
        self._package = package
        self._layers = {
            f"{package.name}.{entry}".rstrip("."): number
            for number, row in enumerate(layers)
            for entry in row
        }

    def faults(self) -> list[str]:
        """Each import that does not point down, and each module without a layer, in words."""
        return [fault for name, others in arrows(self._package).items() for fault in self._of(name, others)]

    def _of(self, name: str, others: set[str]) -> list[str]:
        if self._is_face(name):
            return [f"{name} holds entries of several layers and imports {other}" for other in sorted(others)]
        own = self._entry(name)
        if own is None:
            return [f"{name} stands in no layer: add it where it belongs"]
        return [f"{name} imports {other}" for other in sorted(others) if not self._may(own, other)]

    def _may(self, own: str, other: str) -> bool:
        theirs = self._entry(other)
        return theirs == own or (theirs is not None and self._layers[theirs] < self._layers[own])

    def _entry(self, name: str) -> str | None:
        face = self._package.name
        fitting = [
            entry
            for entry in self._layers
            if name == entry or (entry != face and name.startswith(f"{entry}."))
        ]
        return max(fitting, key=len, default=None)

    def _is_face(self, name: str) -> bool:
        """Whether this is the ``__init__`` of a package whose parts stand in layers of their own."""
        return name not in self._layers and any(entry.startswith(f"{name}.") for entry in self._layers)


def reachable(package: Path, starts: Iterable[str]) -> set[str]:
    """These modules of the package, and all that they import, directly or through others."""
    graph = arrows(package)
    names = {f"{package.name}.{start}" for start in starts}
    parents = {parent for name in names for parent in _parents(name)}
    return names.union(*(_reached(graph, name) for name in names | parents))


def _parents(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:length]) for length in range(1, len(parts))]
