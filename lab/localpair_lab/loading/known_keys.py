"""Which keys may stand at a place of a scenario: read off the model, for "did you mean"."""

from __future__ import annotations

import types
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from localpair_lab.loading.problems import Step, Where


def known_keys(root: type[BaseModel], where: Where) -> set[str]:
    """The keys of the mapping at ``where``; a step that names a member of a union chooses it."""
    kinds = list(_models(root))
    for step in where:
        kinds = list(_descend(kinds, step))
    return {alias for kind in kinds if _is_model(kind) for alias in _keys(kind)}


def _keys(model: type[BaseModel]) -> Iterator[str]:
    for name, entry in model.model_fields.items():
        yield entry.alias or name


def _descend(kinds: Iterable[Any], step: Step) -> Iterator[Any]:
    chosen = [kind for kind in kinds if _is_model(kind) and step in _tags(kind)]
    if chosen:
        yield from chosen
        return
    for kind in kinds:
        yield from _below(kind, step)


def _below(kind: Any, step: Step) -> Iterator[Any]:
    if _is_model(kind):
        for name, entry in kind.model_fields.items():
            if step in (name, entry.alias):
                yield from _models(entry.annotation)
    elif get_origin(kind) is tuple and isinstance(step, int):
        yield from _models(get_args(kind)[0])
    elif get_origin(kind) is dict:
        yield from _models(get_args(kind)[1])


def _models(annotation: Any) -> Iterator[Any]:
    """The annotation's members that can hold keys: models, tuples and dictionaries."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _models(get_args(annotation)[0])
    elif origin in (Union, types.UnionType):
        for member in get_args(annotation):
            yield from _models(member)
    elif origin in (tuple, dict) or _is_model(annotation):
        yield annotation


def _tags(model: type[BaseModel]) -> tuple[Any, ...]:
    entry = model.model_fields.get("do")
    if entry is None or get_origin(entry.annotation) is not Literal:
        return ()
    return get_args(entry.annotation)


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
