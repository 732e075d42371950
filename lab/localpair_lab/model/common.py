"""What every part of the scenario model is made of."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, TypeAlias, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    StringConstraints,
    model_validator,
)

from localpair_lab.model.values import Ports, Size, Target, as_list

T = TypeVar("T")


class _Many:
    """A list, written as a list or, where it has one element, as that element."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> Any:
        from pydantic_core import core_schema

        return core_schema.no_info_before_validator_function(as_list, handler(source))

    def __get_pydantic_json_schema__(self, core: Any, handler: GetJsonSchemaHandler) -> Any:
        many = handler(core)
        return {"anyOf": [many["items"], many]} if "items" in many else many


Many: TypeAlias = Annotated[tuple[T, ...], _Many()]


Text: TypeAlias = Annotated[str, StringConstraints(min_length=1)]


Port: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]*(/[^/]+)?$")]
"""``device/interface``, or ``device`` alone where it has one interface."""


class Model(BaseModel):
    """Frozen, and a key that is not known is an error.

    A model with a ``short_key`` may be written as the value of that key alone.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)
    short_key: ClassVar[str] = ""

    @model_validator(mode="before")
    @classmethod
    def _widen_short_form(cls, value: object) -> object:
        if cls.short_key and not isinstance(value, dict | Model):
            return {cls.short_key: value}
        return value

    @classmethod
    def __get_pydantic_json_schema__(cls, core: Any, handler: GetJsonSchemaHandler) -> Any:
        full = handler(core)
        if not cls.short_key:
            return full
        properties = handler.resolve_ref_schema(full).get("properties", {})
        return {"anyOf": [properties[cls.short_key], full]}


class Packets(Model):
    """Which packets are meant; every part that is written must hold."""

    family: Literal["", "ipv4", "ipv6"] = ""
    cast: Literal["", "unicast", "multicast", "broadcast"] = ""
    protocol: Literal["", "tcp", "udp", "icmp", "igmp", "mld", "arp", "nd"] = ""
    source: Many[Target] = ()
    destination: Many[Target] = ()
    port: Many[Ports] = ()
    source_port: Many[Ports] = ()
    larger_than: Size = 0
