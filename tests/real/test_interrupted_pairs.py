"""Pairings that one side did not live to finish: the next meeting mends them, whoever calls, and nobody waits for long.

benchmarks/kills.py finds such cases by killing either side at each step.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

import localpair
from localpair.errors import UnreachableError
from localpair.keys import DeviceIdentity, Role
from localpair.trust.store import DeviceRecord, DeviceState, TrustStore

pytestmark = pytest.mark.isolated

OLD, NEW, NEWER = (bytes([number]) * 32 for number in (1, 2, 3))


class Sides:
    """The stores of an issuer and a joiner, and what each knows of the other one."""

    def __init__(self, folder: Path) -> None:
        self.stores = {role: TrustStore(folder / role) for role in Role}
        self._known = {role: self._record(role) for role in Role}

    def _record(self, role: Role) -> DeviceRecord:
        other = DeviceIdentity.from_private_bytes(self.stores[role.other].identity())
        return DeviceRecord(other.device_id, other.public, OLD, role)

    def knows(self, role: Role, *, pair: bytes | None, pending: bytes | None = None) -> None:
        """This side has a pair under one key, and has recorded another one that was not acknowledged."""
        store, record = self.stores[role], self._known[role]
        if pair is not None:
            store.record_unconfirmed(replace(record, pair_key=pair))
            store.confirm(record.device_id)
        if pending is not None:
            store.record_unconfirmed(replace(record, pair_key=pending))

    async def meet(self, calls: Role, limit_s: float) -> None:
        """One side listens and the other one calls. Raises UnreachableError where they do not meet."""
        settings = localpair.Settings(timeout=limit_s)
        async with localpair.listen(store=self.stores[calls.other]) as listening:
            heard = asyncio.create_task(anext(listening.sessions()))
            try:
                name = self._known[calls].device_id
                async with localpair.reach(name, settings, store=self.stores[calls]) as reaching:
                    await reaching.session()
                    await heard
            finally:
                heard.cancel()
                await asyncio.wait([heard])

    def keys(self) -> set[tuple[DeviceState, bytes]]:
        """What both sides keep: one element where they agree."""
        return {(one.state, one.pair_key) for store in self.stores.values() for one in store.devices()}


@pytest.fixture
def sides(tmp_path: Path) -> Sides:
    return Sides(tmp_path)


@pytest.mark.parametrize("calls", list(Role))
@pytest.mark.parametrize("old", [None, OLD], ids=["strangers", "a pair before"])
def test_an_issuer_that_died_before_it_marked_the_pair_is_met(
    sides: Sides, calls: Role, old: bytes | None
) -> None:
    sides.knows(Role.ISSUER, pair=old, pending=NEW)
    sides.knows(Role.JOINER, pair=NEW)
    asyncio.run(sides.meet(calls, 8.0))
    assert sides.keys() == {(DeviceState.PAIRED, NEW)}


@pytest.mark.parametrize("calls", list(Role))
def test_where_only_the_joiner_recorded_the_new_key_the_old_pair_stands(sides: Sides, calls: Role) -> None:
    sides.knows(Role.ISSUER, pair=OLD)
    sides.knows(Role.JOINER, pair=OLD, pending=NEW)
    asyncio.run(sides.meet(calls, 8.0))
    assert sides.keys() == {(DeviceState.PAIRED, OLD)}


def test_after_two_such_deaths_the_key_that_both_hold_is_found_and_the_other_one_forgotten(
    sides: Sides,
) -> None:
    sides.knows(Role.ISSUER, pair=OLD, pending=NEW)
    sides.knows(Role.JOINER, pair=OLD, pending=NEWER)
    asyncio.run(sides.meet(Role.ISSUER, 8.0))
    assert sides.keys() == {(DeviceState.PAIRED, OLD)}
    assert not sides.stores[Role.ISSUER].unconfirmed()
    assert [one.pair_key for one in sides.stores[Role.JOINER].unconfirmed()] == [NEWER]


def test_a_joiner_whose_issuer_dies_while_persons_are_asked_does_not_wait_for_their_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("localpair.pairing.join.RESUME_S", 0.3)
    asked = asyncio.Event()

    async def think(_: localpair.ApprovalRequest) -> bool:
        asked.set()
        await asyncio.Event().wait()
        return True

    async def agree(_: localpair.ApprovalRequest) -> bool:
        return True

    async def main() -> None:
        async with localpair.host(store=TrustStore(tmp_path / "a"), approve=think) as hosting:
            async for event in hosting.events():
                if isinstance(event, localpair.OfferIssued):
                    break
            joining = localpair.join(
                localpair.Offer.parse(event.text), localpair.Settings(timeout=1.0),
                store=TrustStore(tmp_path / "b"), approve=agree,
            )  # fmt: skip
            await joining.__aenter__()
            await asked.wait()
        try:
            async with asyncio.timeout(20):
                with pytest.raises(UnreachableError):
                    await joining.session()
        finally:
            await joining.__aexit__(None, None, None)

    asyncio.run(main())
