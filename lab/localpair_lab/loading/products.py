"""Adapters by their names or files, and what becomes of a scenario's expectations with them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from localpair_lab.errors import LabError
from localpair_lab.loading.problems import meant, nearby, written
from localpair_lab.model.adapters import Adapter, Product
from localpair_lab.model.expectations import Expect, PathWanted
from localpair_lab.model.scenario import Scenario
from localpair_lab.paths import ADAPTERS, OWN

KEPT = ("of", "exactly")
_PLAIN = re.compile(r"[a-z_.]+")


@cache
def load_product(word: str = OWN) -> Product:
    """The program with that adapter: a name of the lab's library, or a file. Raises LabError with all that is wrong."""
    path = Path(word) if word.endswith((".yaml", ".yml")) else ADAPTERS / f"{word}.yaml"
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise _unknown(word) from None
    except (OSError, UnicodeDecodeError) as error:
        raise LabError(f"{nearby(path, Path.cwd())} cannot be read: {error}") from None
    adapter = _read(path, text)
    for given in adapter.files:
        if (
            given.text is None
            and given.size is None
            and not (path.parent / (given.source or given.name)).is_file()
        ):
            raise LabError(
                f"{nearby(path, Path.cwd())}: files: there is no {given.source or given.name} beside it"
            )
    return Product(word, adapter, path.parent.resolve())


def product_names() -> list[str]:
    """The adapters of the lab's library."""
    return sorted(path.stem for path in ADAPTERS.glob("*.yaml"))


def _unknown(word: str) -> LabError:
    close = meant(word, product_names())
    advice = (
        f"did you mean {close}?" if close else f"there is {', '.join(product_names())}, or a file of your own"
    )
    return LabError(f"there is no adapter {word!r}", hint=advice)


def _read(path: Path, text: str) -> Adapter:
    try:
        adapter = Adapter.model_validate(yaml.load(text, Loader=yaml.BaseLoader))  # noqa: S506 - text and no objects
    except yaml.YAMLError as error:
        raise LabError(f"{nearby(path, Path.cwd())} is no YAML: {error}") from None
    except ValidationError as error:
        faults = {_place(one): one["msg"].removeprefix("Value error, ") for one in reversed(error.errors())}
        told = "; ".join(f"{place}: {fault}" for place, fault in reversed(faults.items()))
        raise LabError(f"{nearby(path, Path.cwd())} is no adapter: {told}") from None
    if unknown := [key for key in adapter.expects if adapter.expects != "all" and key not in _keys()]:
        raise LabError(f"{nearby(path, Path.cwd())}: expects: there is no expectation {unknown[0]!r}")
    return adapter


def _place(error: Any) -> str:
    """Where the fault is, without the kinds of values that were tried there."""
    return written(tuple(step for step in error["loc"] if isinstance(step, int) or _PLAIN.fullmatch(step)))


def _keys() -> set[str]:
    return {*Expect.model_fields, *(f"path.{key}" for key in PathWanted.model_fields)}


def answerable(scenario: Scenario, product: Product) -> tuple[Scenario, tuple[str, ...]]:
    """The scenario with those expectations that the program's events can answer, and the keys that were left out."""
    if product.adapter.expects == "all":
        return scenario, ()
    own = {act.identity for act in scenario.programs()}
    left_out: dict[str, None] = {}
    expects = []
    for expect in scenario.expect:
        kept = expect if own.issuperset(expect.of) else _kept(expect, product.adapter.expects, left_out)
        expects.append(kept)
    return scenario.model_copy(update={"expect": tuple(expects), "expected_failure": None}), tuple(left_out)


def _kept(expect: Expect, answered: tuple[str, ...], left_out: dict[str, None]) -> Expect:
    lost = [key for key in _written(expect) if key not in answered]
    if expect.outcome == "refused" and "exit" not in answered:
        lost.append("outcome")
    left_out.update(dict.fromkeys(lost))
    update: dict[str, Any] = {key: Expect.model_fields[key].get_default() for key in lost if "." not in key}
    if expect.path is not None:
        fields = type(expect.path).model_fields
        inner = {key.removeprefix("path."): None for key in lost if key.startswith("path.")}
        update["path"] = expect.path.model_copy(update={key: fields[key].get_default() for key in inner})
    kept = expect.model_copy(update=update)
    return kept if expects_something(kept) else kept.model_copy(update={"exactly": None})


def _written(expect: Expect) -> Iterator[str]:
    """The keys of an expectation, those of its path one by one."""
    for key in type(expect).model_fields:
        if key == "path" and expect.path is not None:
            yield from (f"path.{inner}" for inner in expect.path.model_dump(exclude_defaults=True))
        elif key not in (*KEPT, "path") and getattr(expect, key) != Expect.model_fields[key].get_default():
            yield key


def expects_something(expect: Expect) -> bool:
    """Whether anything is left that can fail."""
    return any(True for _ in _written(expect))
