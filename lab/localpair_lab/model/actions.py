"""What the devices do."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field

from localpair_lab.model.common import Many, Model, Text
from localpair_lab.model.moments import Moment
from localpair_lab.model.programs import CommonAct, ProgramAct
from localpair_lab.model.values import Count, Duration, FileName, Flag, Name, Size


class SentFile(Model):
    """A file of pseudo-random bytes to send."""

    name: FileName
    size: Size


class Act(CommonAct):
    """One command of localpair on one device. What is not written keeps the product's own default."""

    do: Literal["host", "join", "discover", "addresses", "diagnose", "send", "listen", "devices"]
    flow: Literal["", "pre", "post"] = ""
    offer: Name | None = None
    offer_at: Moment | None = None
    answer: Name | None = None
    answer_at: Moment | None = None
    offer_addresses: Literal["", "all", "none"] = ""
    name: Text | None = None
    port: Count | None = None
    timeout: Duration | None = None
    send: Many[SentFile] = ()
    receive: Flag = False
    approve: Flag = True
    arguments: Many[Text] = ()

    @property
    def identity(self) -> str:
        """Its id: the one written, else its verb."""
        return self.id or self.do


AnyAct: TypeAlias = Annotated[Act | ProgramAct, Field(discriminator="do")]


class Pair(Model):
    """The usual two actions in one: ``host`` on one device, ``join`` on another, started together.

    Flow ``post`` starts both before the offer exists and gives it to the joiner when it does; flow ``pre``
    starts the joiner with the offer in hand. ``answer``: a person carries the joiner's answer code to the host.
    """

    host: Name
    join: Name
    flow: Literal["pre", "post"] = "pre"
    offer_addresses: Literal["", "all", "none"] = ""
    answer: Flag = False
    join_at: Moment | None = None
    timeout: Duration | None = None
    send: Many[SentFile] = ()


def _paired_acts(pair: Pair | None) -> tuple[Act, ...]:
    if pair is None:
        return ()
    common: dict[str, Any] = {
        "flow": pair.flow,
        "timeout": pair.timeout,
        "offer_addresses": pair.offer_addresses,
    }
    if pair.flow == "post":
        start = pair.join_at or Moment()
        join = Act(do="join", on=pair.join, at=start, offer="host", receive=bool(pair.send), **common)
    else:
        start = pair.join_at or Moment(who="host", what="offer")
        join = Act(do="join", on=pair.join, at=start, offer="host", receive=bool(pair.send), **common)
    answer = "join" if pair.answer else None
    return (Act(do="host", on=pair.host, send=pair.send, answer=answer, **common), join)
