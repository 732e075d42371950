"""``@dataclass`` as in the standard library, made quickly for frozen values.

``dataclasses.dataclass`` compiles six functions for each frozen class, which took half of the time that ``localpair
join`` needs before its first word. This one compiles the constructor alone; comparing, hashing, printing and copying
are shared. To type checkers the two are one. ``benchmarks/startup.py`` tells what it saves.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator
from dataclasses import MISSING, Field, FrozenInstanceError
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
else:

    def dataclass(cls=None, /, **options):
        """The decorator. Only for frozen classes with slots it is not the standard one."""
        if all(options.get(name) for name in _QUICK) and options.keys() <= {*_QUICK, "kw_only"}:
            made = functools.partial(_value, kw_only=options.get("kw_only", False))
        else:
            made = dataclasses.dataclass(**options)
        return made if cls is None else made(cls)


_QUICK = ("frozen", "slots")
_COMPARED = "__localpair_compared__"  # of a class: what makes a value equal to another one


def _value(cls: type[Any], *, kw_only: bool) -> type[Any]:
    own = {name for name, value in vars(cls).items() if not (name == "__hash__" and value is None)}
    made: type[Any] = dataclasses.dataclass(init=False, repr=False, eq=False, slots=True, kw_only=kw_only)(
        cls
    )
    fields = dataclasses.fields(made)
    setattr(made, _COMPARED, staticmethod(_together(tuple(one.name for one in fields if one.compare))))
    if "__init__" not in own:
        made.__init__ = _constructor(made, fields)
    for name, function in _SHARED.items():
        if name not in own:
            setattr(made, name, function)
    return made


def _together(names: tuple[str, ...]) -> Callable[[Any], object]:
    if len(names) > 1:
        return attrgetter(*names)
    return lambda value: tuple(getattr(value, name) for name in names)


# --- The constructor ---


def _constructor(cls: type[Any], fields: tuple[Field[Any], ...]) -> Callable[..., None]:
    """``__init__``, with the fields as its arguments; compiled where a person's debugger shows a name of its own."""
    known: dict[str, object] = {"_set": object.__setattr__, "_MISSING": MISSING}
    asked = [one for one in fields if one.init]
    arguments = ["self", *(_argument(one, known) for one in asked if not one.kw_only)]
    if any(one.kw_only for one in asked):
        arguments += ["*", *(_argument(one, known) for one in asked if one.kw_only)]
    lines = [line for one in fields for line in _assignment(one, known)]
    if hasattr(cls, "__post_init__"):
        lines.append("self.__post_init__()")
    body = "".join(f" {line}\n" for line in lines or ["pass"])
    found: dict[str, Any] = {}
    code = compile(
        f"def __init__({', '.join(arguments)}):\n{body}", f"<fields of {cls.__qualname__}>", "exec"
    )
    exec(code, known, found)  # noqa: S102  # of names that Python has taken for identifiers
    made: Callable[..., None] = found["__init__"]
    made.__qualname__, made.__module__ = f"{cls.__qualname__}.__init__", cls.__module__
    made.__annotations__ = {one.name: one.type for one in asked} | {"return": None}
    return made


def _argument(one: Field[Any], known: dict[str, object]) -> str:
    if one.default is not MISSING:
        known[f"_default_{one.name}"] = one.default
        return f"{one.name}=_default_{one.name}"
    return one.name if one.default_factory is MISSING else f"{one.name}=_MISSING"


def _assignment(one: Field[Any], known: dict[str, object]) -> Iterator[str]:
    value = one.name
    if one.default_factory is not MISSING:
        known[f"_make_{one.name}"] = one.default_factory
        made = f"_make_{one.name}()"
        value = f"{made} if {one.name} is _MISSING else {one.name}" if one.init else made
    elif not one.init:
        if one.default is MISSING:
            return  # its own class sets it
        known[f"_default_{one.name}"] = one.default
        value = f"_default_{one.name}"
    yield f"_set(self, {one.name!r}, {value})"


# --- What all values share ---


def _repr(self: Any) -> str:
    shown = (f"{one.name}={getattr(self, one.name)!r}" for one in dataclasses.fields(self) if one.repr)
    return f"{type(self).__qualname__}({', '.join(shown)})"


def _eq(self: Any, other: object) -> object:
    if type(other) is not type(self):
        return NotImplemented
    compared: Callable[[object], object] = getattr(type(self), _COMPARED)
    return compared(self) == compared(other)


def _hash(self: Any) -> int:
    return hash(getattr(type(self), _COMPARED)(self))


def _set(self: Any, name: str, value: object) -> NoReturn:
    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _delete(self: Any, name: str) -> NoReturn:
    raise FrozenInstanceError(f"cannot delete field {name!r}")


def _get_state(self: Any) -> list[object]:
    return [getattr(self, one.name) for one in dataclasses.fields(self)]


def _set_state(self: Any, state: list[object]) -> None:
    for one, value in zip(dataclasses.fields(self), state, strict=True):
        object.__setattr__(self, one.name, value)


_SHARED = {
    "__repr__": _repr,
    "__eq__": _eq,
    "__hash__": _hash,
    "__setattr__": _set,
    "__delattr__": _delete,
    "__getstate__": _get_state,
    "__setstate__": _set_state,
}
