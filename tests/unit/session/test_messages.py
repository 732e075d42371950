"""Messages of the application: in order, once, and within bounds."""

from __future__ import annotations

import asyncio
import os

import pytest

from file_trees import pair
from localpair.errors import UsageError
from localpair.limits import FRAME_BYTES
from localpair.session import Session
from streams import Net, run, until


def test_messages_both_ways_in_order() -> None:
    async def main() -> None:
        sent = [os.urandom(size) for size in (0, 1, 1000, FRAME_BYTES, 77)] + [
            bytes([number]) for number in range(200)
        ]

        async def talk(ours: Session) -> list[bytes]:
            async def listen() -> list[bytes]:
                heard: list[bytes] = []
                async for message in ours.messages():
                    heard.append(message)
                    if len(heard) == len(sent):
                        break
                return heard

            listening = asyncio.create_task(listen())
            for message in sent:
                await ours.send_message(message)
            return await listening

        async with pair() as (one, other):
            assert await asyncio.gather(talk(one), talk(other)) == [sent, sent]

    run(main())


def test_a_message_too_large_is_the_callers_mistake() -> None:
    async def main() -> None:
        async with pair() as (one, _):
            with pytest.raises(UsageError):
                await one.send_message(bytes(FRAME_BYTES + 1))

    run(main())


def test_messages_wait_for_a_program_that_takes_none() -> None:
    async def main() -> None:
        async with pair() as (one, other):
            sent = 0

            async def send() -> None:
                nonlocal sent
                for _ in range(40):
                    await one.send_message(bytes(FRAME_BYTES))
                    sent += 1

            sending = asyncio.create_task(send())
            await until(lambda: len(other._supervisor.messages._queue) >= 4)
            await asyncio.sleep(0.05)
            assert sent == 4
            messages = other.messages()
            for _ in range(40):
                assert len(await anext(messages)) == FRAME_BYTES
            await sending

    run(main())


def test_messages_arrive_once_over_breaking_connections() -> None:
    async def main() -> None:
        net = Net(cuts=[7_000, 50_000, 100, 120_000, 3_000])
        async with pair(net) as (one, other):

            async def send() -> None:
                for number in range(300):
                    await one.send_message(number.to_bytes(4, "big") * 250)

            sending = asyncio.create_task(send())
            messages = other.messages()
            for number in range(300):
                assert await anext(messages) == number.to_bytes(4, "big") * 250
            await sending
        assert not net.cuts

    run(main())
