"""A program that uses python-zeroconf by the book: one side registers a service, the other browses and connects."""

from __future__ import annotations

import queue
import sys

import ifaddr
import meet
from zeroconf import ServiceBrowser, ServiceInfo, ServiceListener, Zeroconf

TYPE = "_labpair._tcp.local."


def own_addresses() -> list[str]:
    """Every address of this device but loopback's; python-zeroconf leaves the choice to its user."""
    found = [str(ip.ip if ip.is_IPv4 else ip.ip[0]) for one in ifaddr.get_adapters() for ip in one.ips]
    return [address for address in found if address not in ("127.0.0.1", "::1")]


def host() -> None:
    """Register a service and wait for whoever connects."""
    listening = meet.listener()
    zeroconf = Zeroconf()
    info = ServiceInfo(
        TYPE, f"host.{TYPE}", port=meet.PORT, server="host.local.", parsed_addresses=own_addresses()
    )
    zeroconf.register_service(info)
    meet.say("ready")
    meet.be_met(listening)
    zeroconf.close()


class Found(ServiceListener):
    """Resolves whatever is heard of."""

    def __init__(self) -> None:
        self.services: queue.Queue[ServiceInfo] = queue.Queue()

    def add_service(self, zc: Zeroconf, type_: str, name: str) -> None:
        info = zc.get_service_info(type_, name)
        if info is not None:
            self.services.put(info)

    def update_service(self, zc: Zeroconf, type_: str, name: str) -> None:
        self.add_service(zc, type_, name)

    def remove_service(self, zc: Zeroconf, type_: str, name: str) -> None:
        del zc, type_, name


def join() -> None:
    """Browse until a service that was found answers."""
    zeroconf, found = Zeroconf(), Found()
    ServiceBrowser(zeroconf, TYPE, found)
    while not meet.meet(found.services.get().parsed_scoped_addresses()):
        pass
    zeroconf.close()


if __name__ == "__main__":
    {"host": host, "join": join}[sys.argv[1]]()
