"""The namespaces a fabric works in, by name, with an open channel to the kernel of each."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from localpair_lab.fabric.system import netlink
from localpair_lab.fabric.system.namespaces import create_network, inside
from localpair_lab.fabric.system.netlink import Channel

if TYPE_CHECKING:
    from collections.abc import Iterator


class Places:
    """Network namespaces held by descriptor: they live until this object closes them."""

    def __init__(self) -> None:
        self._descriptors: dict[str, int] = {}
        self._channels: dict[str, Channel] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._descriptors

    def names(self) -> list[str]:
        """Every place, in the order they came."""
        return list(self._descriptors)

    def adopt(self, name: str, descriptor: int) -> None:
        """Take over a namespace and bring its loopback up. A place that comes again (a device that was
        restarted) takes the old one's name.
        """
        self.forget(name)
        with inside(descriptor):
            channel = Channel()
        self._descriptors[name] = descriptor
        self._channels[name] = channel
        self.set_link_flags(name, 1, netlink.FLAG_UP, netlink.FLAG_UP)

    def create(self, name: str) -> None:
        """A new, empty namespace."""
        self.adopt(name, create_network())

    def forget(self, name: str) -> None:
        """Let go of a place; its namespace ends unless somebody else holds it."""
        if name in self._descriptors:
            self._channels.pop(name).close()
            os.close(self._descriptors.pop(name))

    def close(self) -> None:
        """Let go of all."""
        for name in self.names():
            self.forget(name)

    def descriptor(self, name: str) -> int:
        """The namespace's descriptor; ``KeyError`` for an unknown place."""
        return self._descriptors[name]

    def channel(self, name: str) -> Channel:
        """Route netlink of that place."""
        return self._channels[name]

    @contextmanager
    def inside(self, name: str) -> Iterator[None]:
        """Run a block in that place's network."""
        with inside(self._descriptors[name]):
            yield

    def set_link_flags(self, place: str, link: str | int, flags: int, change: int) -> None:
        """Set those of a link's flags that ``change`` names."""
        channel = self._channels[place]
        index = link if isinstance(link, int) else channel.index(link)
        body = netlink.link(index=index, flags=flags, change=change)
        channel.call(netlink.NEW_LINK, body, what=f"flags of {place} {link}")
