"""A scenario file as a tree that remembers where everything stands, with YAML 1.1's traps closed.

Every scalar stays the text that was typed: nothing turns into a number, a flag, a date or a time behind the
author's back. Duplicate keys, merge keys, tags and empty values are problems, all of which are reported
together.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import yaml  # type: ignore[import-untyped, unused-ignore]

from localpair_lab.loading.problems import Mark, Problem, ScenarioError, Step, Where, written
from localpair_lab.loading.yaml_errors import syntax_problem

MOST_NODES = 20_000  # a scenario has a few hundred; aliases of aliases grow without bound
_SHORT = 10_000  # characters: older libyaml descends as deep as a text tells it to, on the stack
_PLAIN_TAGS = ("tag:yaml.org,2002:str", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq")


@dataclass(frozen=True, slots=True)
class Leaf:
    """A scalar."""

    text: str
    mark: Mark


@dataclass(frozen=True, slots=True)
class Series:
    """A list."""

    items: tuple[Tree, ...]
    mark: Mark


@dataclass(frozen=True, slots=True)
class Branch:
    """A mapping; ``keys`` says where each key stands."""

    items: dict[str, Tree]
    keys: dict[str, Mark]
    mark: Mark


Tree: TypeAlias = Leaf | Series | Branch


def data(tree: Tree) -> object:
    """The tree as plain dictionaries, lists and text."""
    if isinstance(tree, Leaf):
        return tree.text
    if isinstance(tree, Series):
        return [data(item) for item in tree.items]
    return {key: data(value) for key, value in tree.items.items()}


def follow(tree: Tree, where: Where) -> tuple[Tree, Where]:
    """The tree at ``where`` and the part of the way that exists.

    Steps that the file does not hold are passed over: the model's short forms and unions add some.
    """
    walked: list[Step] = []
    for step in where:
        below = _step(tree, step)
        if below is not None:
            tree = below
            walked.append(step)
    return tree, tuple(walked)


def place(tree: Tree, where: Where) -> Mark:
    """Where ``where`` stands in the file: its key if it has one, else the nearest thing around it."""
    mark = tree.mark
    for step in where:
        below = _step(tree, step)
        if below is None:
            continue
        mark = tree.keys[step] if isinstance(tree, Branch) and isinstance(step, str) else below.mark
        tree = below
    return mark


def given_names(tree: Tree, key: str = "") -> set[str]:
    """Every name that the file gives to something: its keys, and the texts under ``id``, ``name`` and the
    like.
    """
    if isinstance(tree, Leaf):
        return {tree.text} if key in ("id", "name", "bridge", "do") else set()
    if isinstance(tree, Series):
        return set().union(*(given_names(item, key) for item in tree.items))
    own = set() if key == "on" else set(tree.items)  # under `on` stand names of networks, not new ones
    return own.union(*(given_names(item, below) for below, item in tree.items.items()))


def value_place(tree: Tree, where: Where) -> Mark:
    """Where the value at ``where`` begins."""
    return follow(tree, where)[0].mark


def _step(tree: Tree, step: Step) -> Tree | None:
    if isinstance(tree, Branch) and isinstance(step, str):
        return tree.items.get(step)
    if isinstance(tree, Series) and isinstance(step, int) and 0 <= step < len(tree.items):
        return tree.items[step]
    return None


def read_tree(path: Path, text: str) -> tuple[Branch, list[Problem]]:
    """Parse ``text``, the content of ``path``: the tree, and the problems that leave it readable.

    Raises ScenarioError where there is no tree at all.
    """
    try:
        node = _compose(text)
    except yaml.YAMLError as error:
        raise ScenarioError([syntax_problem(path, text, error)]) from None
    except RecursionError:
        raise ScenarioError([Problem(path, 1, 1, "", "this is nested too deeply")]) from None
    if not isinstance(node, yaml.MappingNode):
        raise ScenarioError([Problem(path, 1, 1, "", "a scenario is a mapping that begins with `lab: 1`")])
    grower = _Grower(path)
    tree = grower.grow(node, ())
    if not isinstance(tree, Branch):
        raise TypeError(f"{path} gave {type(tree).__name__} for a mapping")
    return tree, grower.problems


def _compose(text: str) -> yaml.Node | None:
    """The tree of YAML nodes: libyaml's, where it is there, in a tenth of the time; of an error, PyYAML's own words."""
    if yaml.__with_libyaml__ and len(text) < _SHORT:
        try:
            return yaml.compose(text, Loader=yaml.CBaseLoader)
        except yaml.YAMLError:
            pass
    return yaml.compose(text, Loader=yaml.BaseLoader)


def _is_empty(node: yaml.Node) -> bool:
    plain = isinstance(node, yaml.ScalarNode) and not node.style
    return plain and node.value in ("", "~", "null", "Null", "NULL")


@dataclass(slots=True)
class _Grower:
    """Turns YAML nodes into a tree and collects what is wrong with them."""

    path: Path
    problems: list[Problem] = field(default_factory=list)
    count: int = 0
    inside: list[int] = field(default_factory=list)

    def grow(self, node: yaml.Node, where: Where) -> Tree:
        mark = Mark(node.start_mark.line + 1, node.start_mark.column + 1)
        self.count += 1
        if id(node) in self.inside or self.count > MOST_NODES:
            self.say(mark, where, "an alias that holds itself" if id(node) in self.inside else "too large")
            raise ScenarioError(self.problems)
        if node.tag not in _PLAIN_TAGS:
            self.say(mark, where, f"tags such as {node.tag!r} have no meaning here; write the plain value")
        self.inside.append(id(node))
        tree = self._grow(node, where, mark)
        self.inside.pop()
        return tree

    def _grow(self, node: yaml.Node, where: Where, mark: Mark) -> Tree:
        if isinstance(node, yaml.ScalarNode):
            return Leaf(node.value, mark)
        if isinstance(node, yaml.SequenceNode):
            return Series(tuple(self._items(node, where)), mark)
        return self._branch(node, where, mark)

    def _items(self, node: yaml.Node, where: Where) -> Iterator[Tree]:
        for number, item in enumerate(node.value):
            if _is_empty(item):
                mark = Mark(item.start_mark.line + 1, item.start_mark.column + 1)
                self.say(mark, (*where, number), "there is no value here; write one or remove it")
            else:
                yield self.grow(item, (*where, number))

    def _branch(self, node: yaml.Node, where: Where, mark: Mark) -> Branch:
        items: dict[str, Tree] = {}
        keys: dict[str, Mark] = {}
        for key, key_mark, value in self._pairs(node, where):
            if key in keys:
                self.say(key_mark, where, f"{key!r} stands here twice; first in line {keys[key].line}")
                continue
            keys[key] = key_mark
            if _is_empty(value):
                self.say(key_mark, (*where, key), "there is no value here; write one or remove the key")
            else:
                items[key] = self.grow(value, (*where, key))
        return Branch(items, keys, mark)

    def _pairs(self, node: yaml.Node, where: Where) -> Iterator[tuple[str, Mark, yaml.Node]]:
        for key, value in node.value:
            mark = Mark(key.start_mark.line + 1, key.start_mark.column + 1)
            if not isinstance(key, yaml.ScalarNode):
                self.say(mark, where, "a key must be a plain word")
            elif key.value == "<<":
                self.say(mark, where, "merge keys (<<) are not read here; write the keys out")
            else:
                yield key.value, mark, value

    def say(self, mark: Mark, where: Where, message: str) -> None:
        self.problems.append(Problem(self.path, mark.line, mark.column, written(where), message))
