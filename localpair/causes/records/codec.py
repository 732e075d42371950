"""Facts as JSON and back. What comes back was written by another device, or by a person: all of it is checked.

One table-driven reader serves every record of ``facts``: the type of a field says what may stand there. A field that
is not known is passed over, since later versions add some; a missing one is unknown. Anything else that does not fit
raises `FactsError`, whatever it is, and names the field.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from ipaddress import IPv4Address, IPv6Address
from types import NoneType, UnionType
from typing import Any, Final, TypeAlias, Union, get_args, get_origin, get_type_hints

from localpair.address import normalise
from localpair.causes.facts import FORMAT, LinkFacts, RunFacts
from localpair.errors import WireError
from localpair.limits import FACTS_ADDRESSES, FACTS_ROWS
from localpair.names.visible import escaped

_TEXT_CHARS: Final = 64
_NUMBER_MAX: Final = 1 << 53  # what every reader of JSON keeps exactly
_MAC: Final = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5,19}")
_WORD: Final = re.compile(r"[A-Za-z0-9_-]{0,32}")
# Texts that are words of ours or of the system, and not names that somebody chose.
_WORDS: Final = frozenset({"errno", "why", "outcome"})


class FactsError(WireError):
    """Facts that are none: broken, too large, or of a version that this one cannot read."""


def to_dict(facts: RunFacts) -> dict[str, Any]:
    """``facts`` as plain values for JSON. What is unknown, and what has its usual value, is left out."""
    plain: dict[str, Any] = _plain(facts)
    return plain


def from_dict(found: object) -> RunFacts:
    """The facts in values that were read from JSON. Raises FactsError."""
    if isinstance(found, Mapping) and found.get("format", FORMAT) != FORMAT:
        raise FactsError(
            "facts of another version", hint="Use the same version of localpair on both devices."
        )
    facts: RunFacts = _record(RunFacts, found, "facts")
    if not fits(facts.links or ()):
        raise FactsError(f"facts.links have more than {FACTS_ADDRESSES} addresses")
    return facts


def fits(links: Iterable[LinkFacts]) -> bool:
    """Whether these interfaces have no more addresses, and no more routers, than a verdict can compare."""
    rows = tuple(links)
    addresses = sum(len(one.addresses) for one in rows)
    return max(addresses, sum(len(one.gateways or ()) for one in rows)) <= FACTS_ADDRESSES


def _plain(value: object) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, IPv4Address | IPv6Address):
        return str(value)
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if is_dataclass(value):
        return {
            one.name: _plain(getattr(value, one.name))
            for one in fields(value)
            if one.default is MISSING or getattr(value, one.name) != one.default or one.name == "format"
        }
    return value


# --- Reading by type ---

_Reader: TypeAlias = Callable[[Any, str], Any]
_MADE: Final[dict[type[Any], Mapping[str, _Reader]]] = {}


def _record(cls: type[Any], found: object, place: str) -> Any:
    if not isinstance(found, Mapping):
        raise _unfit(place, "an object")
    readers = _readers(cls)
    values = {name: readers[name](found[name], f"{place}.{name}") for name in found if name in readers}
    try:
        return cls(**values)
    except TypeError:
        missing = [name for name in _required(cls) if name not in values]
        raise FactsError(f"{place} lacks {', '.join(missing)}") from None
    except ValueError as error:
        raise FactsError(f"{place} holds {error}") from None


def _required(cls: type[Any]) -> tuple[str, ...]:
    return tuple(one.name for one in fields(cls) if one.default is MISSING)


def _readers(cls: type[Any]) -> Mapping[str, _Reader]:
    if cls not in _MADE:
        hints = get_type_hints(cls)
        _MADE[cls] = {one.name: _reader(hints[one.name], one.name) for one in fields(cls)}
    return _MADE[cls]


def _reader(kind: Any, name: str) -> _Reader:
    """What reads a value of this type; ``name`` is the field's."""
    if get_origin(kind) in (Union, UnionType):
        return _of_union(list(get_args(kind)), name)
    if get_origin(kind) is tuple:
        return _of_rows(_reader(get_args(kind)[0], name))
    if isinstance(kind, type) and is_dataclass(kind):
        return lambda found, place: _record(kind, found, place)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _of_choice(kind)
    if kind is str:
        return _of_mac if name == "mac" else _of_word if name in _WORDS else _of_name
    return {bool: _of_flag, int: _of_number}[kind]


def _of_union(kinds: list[Any], name: str) -> _Reader:
    if IPv4Address in kinds:
        inner: _Reader = _of_address
    else:
        (kind,) = (one for one in kinds if one is not NoneType)
        inner = _reader(kind, name)
    if NoneType not in kinds:
        return inner
    return lambda found, place: None if found is None else inner(found, place)


def _of_rows(inner: _Reader) -> _Reader:
    def read(found: Any, place: str) -> tuple[Any, ...]:
        if not isinstance(found, list):
            raise _unfit(place, "a list")
        if len(found) > FACTS_ROWS:
            raise FactsError(f"{place} has more than {FACTS_ROWS} rows")
        return tuple(inner(item, f"{place}[{number}]") for number, item in enumerate(found))

    return read


def _of_choice(kind: type[Enum]) -> _Reader:
    known = {one.value: one for one in kind}

    def read(found: Any, place: str) -> Enum:
        if not isinstance(found, str) or found not in known:
            raise _unfit(place, f"one of {len(known)} known words")
        return known[found]

    return read


def _of_address(found: Any, place: str) -> Any:
    try:
        if isinstance(found, str) and len(found) <= _TEXT_CHARS and "%" not in found:
            return normalise(found)
    except ValueError:
        pass
    raise _unfit(place, "an address")


def _of_flag(found: Any, place: str) -> bool:
    if not isinstance(found, bool):
        raise _unfit(place, "true or false")
    return found


def _of_number(found: Any, place: str) -> int:
    if isinstance(found, bool) or not isinstance(found, int) or not 0 <= found <= _NUMBER_MAX:
        raise _unfit(place, "a whole number")
    return found


def _of_mac(found: Any, place: str) -> str:
    if not isinstance(found, str) or not _MAC.fullmatch(found):
        raise _unfit(place, "a hardware address")
    return found


def _of_word(found: Any, place: str) -> str:
    if not isinstance(found, str) or not _WORD.fullmatch(found):
        raise _unfit(place, "a word")
    return found


def _of_name(found: Any, place: str) -> str:
    """A name of an interface, such as ``Wi-Fi 2``: it is shown, and so it holds nothing that a screen acts on."""
    if not isinstance(found, str) or len(found) > _TEXT_CHARS or escaped(found) != found:
        raise _unfit(place, "a name")
    return found


def _unfit(place: str, wanted: str) -> FactsError:
    return FactsError(f"{place} is not {wanted}")
