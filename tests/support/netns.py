"""Linux network namespaces for tests: anonymous, made with or without root, and gone with whoever made them.

    with Lan(hosts=2) as lan:
        lan.host(0).run(["ip", "addr"])          # 192.168.1.10/24 on eth0
        lan.host(1).python("print(1)")           # 192.168.1.20/24

A namespace is held by a small process that ends when its standard input closes, and what was started in it is
killed with the thread that started it: nothing is left behind even when the test run is killed. Nothing is named,
and nothing outside is touched: the bridge, too, stands in a namespace of its own. IPv6 is off unless asked for, and
duplicate address detection too, so that addresses can be used at once.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import IO, Any, Self

import pytest

import localpair

# Devices run the localpair that the tests run on: the installed wheel, and not the tree that they may stand in.
PACKAGES = Path(localpair.__file__).resolve().parent.parent
READY_S = 10.0
TOOLS = ("unshare", "nsenter", "ip", "bridge", "tc", "sysctl")
# Network tools are often in sbin only, where an ordinary user's path does not lead.
PATH = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"


@cache
def why_no_namespaces() -> str:
    """Why this host cannot play namespace tests; empty where it can."""
    missing = [tool for tool in TOOLS if shutil.which(tool, path=PATH) is None]
    if not sys.platform.startswith("linux") or missing:
        return f"Linux with {', '.join(missing or TOOLS)} is needed"
    try:
        with Network() as network:
            network.namespace("probe").ip("link set lo up")
    except (OSError, RuntimeError, subprocess.SubprocessError) as error:
        return f"network namespaces are refused: {error}"
    return ""


class Namespace:
    """One network namespace and the processes in it."""

    def __init__(self, network: Network, name: str, holder: subprocess.Popen[str]) -> None:
        self.network = network
        self.name = name
        self.holder = holder
        self.address = ""  # of the first network card, without prefix
        self.port = ""  # the switch's end of the first network card
        self.processes: list[subprocess.Popen[Any]] = []

    def __repr__(self) -> str:
        return f"<namespace {self.name}, held by {self.holder.pid}>"

    def command(self, argv: Sequence[str]) -> list[str]:
        """``argv`` as it has to be called from outside to run in here."""
        return [*self.network.enter_user, "nsenter", f"--net=/proc/{self.holder.pid}/ns/net", *argv]

    def run(
        self, argv: Sequence[str], *, check: bool = True, stdin: str = "", limit_s: float = 60.0, **more: Any
    ) -> subprocess.CompletedProcess[str]:
        """Run ``argv`` in here to its end. With ``check``, a failure raises with everything it said."""
        done = subprocess.run(
            self.command(argv), input=stdin, text=True, capture_output=True, timeout=limit_s, check=False,
            env=_environment(more.pop("env", None)), **more,
        )  # fmt: skip
        if check and done.returncode:
            raise RuntimeError(
                f"{self.name}: {argv}: exit {done.returncode}\n{done.stdout}{done.stderr}{stdin}"
            )
        return done

    def popen(self, argv: Sequence[str], **more: Any) -> subprocess.Popen[Any]:
        """Start ``argv`` in here, as the leader of a process group that ends with this namespace."""
        more.setdefault("start_new_session", True)
        bound = [*_die_with_us(), *argv]
        started = subprocess.Popen(self.command(bound), env=_environment(more.pop("env", None)), **more)
        self.processes.append(started)
        return started

    def python(self, code: str, *arguments: str, limit_s: float = 60.0) -> Any:
        """Run ``code`` with this interpreter and the package; its last line, read as JSON (None without any)."""
        done = self.run([sys.executable, "-W", "error", "-c", code, *arguments], limit_s=limit_s)
        lines = done.stdout.strip().splitlines()
        return json.loads(lines[-1]) if lines else None

    def ip(self, *commands: str) -> None:
        """``ip`` commands in one batch: ``ip("link set eth0 down", "addr add ...")``."""
        self.run(["ip", "-batch", "-"], stdin="\n".join(commands) + "\n")

    def ip_json(self, *command: str) -> list[dict[str, Any]]:
        """What ``ip -json`` says."""
        return json.loads(self.run(["ip", "-json", *command]).stdout or "[]")

    def sysctl(self, **values: int | str) -> None:
        """``sysctl(net__ipv4__ip_forward=1)``: two underscores stand for a dot."""
        pairs = [f"{name.replace('__', '.')}={value}" for name, value in values.items()]
        self.run(["sysctl", "-wq", *pairs])

    def nft(self, rules: str) -> None:
        """Add nftables ``rules``. Without the program the test is skipped."""
        self.run([find_tool("nft"), "-f", "-"], stdin=rules)

    def firewall(self, *accepted: str, end: str = "drop") -> None:
        """A default-deny inbound firewall as distributions ship it; ``accepted`` are nft rules before ``end``."""
        rules = (
            "ct state established,related accept",
            "ct state invalid drop",
            "iif lo accept",
            *accepted,
            end,
        )
        chain = "\n".join(("type filter hook input priority 0;", *rules))
        self.nft(f"table inet filter {{\nchain input {{\n{chain}\n}}\n}}\n")

    def card(self, name: str, *addresses: str, carrier: bool = True) -> None:
        """An interface that leads nowhere, made of a bridge: docker0, a host-only card.

        A bridge that never had a port claims to have a carrier; one that lost its last port has none.
        """
        unplug = (f"link add p-{name} type veth peer name q-{name}", f"link set p-{name} master {name}",
                  f"link del p-{name}")  # fmt: skip
        self.ip(
            f"link add {name} type bridge",
            f"link set {name} up",
            *(unplug if not carrier else ()),
            *(f"addr add {one} dev {name}" for one in addresses),
        )

    def await_state(self, name: str, state: str) -> None:
        """Until the interface ``name`` is UP, DOWN or UNKNOWN: the kernel tells that up to a second late."""
        _until(
            lambda: self.ip_json("link", "show", "dev", name)[0]["operstate"] == state,
            f"{name} is not {state}",
        )

    def close(self) -> None:
        """End every process in here; the namespace goes with the last of them."""
        for process in reversed(self.processes):
            _end_group(process)
        assert self.holder.stdin is not None
        self.holder.stdin.close()
        try:
            self.holder.wait(READY_S)
        except subprocess.TimeoutExpired:
            self.holder.kill()
            self.holder.wait()
        assert self.holder.stdout is not None
        self.holder.stdout.close()


class Network:
    """Namespaces and the cables between them; everything is removed when the context is left, whatever happened."""

    def __init__(self, *, ipv6: bool = False, dad: bool = False) -> None:
        self.ipv6 = ipv6
        self.dad = dad
        self.enter_user: list[str] = []
        self.namespaces: list[Namespace] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        for namespace in reversed(self.namespaces):
            with suppress(OSError):
                namespace.close()
        self.namespaces.clear()

    def namespace(self, name: str) -> Namespace:
        """A new namespace with the loopback device up and forwarding off."""
        unshare = ["unshare", "--net"]
        if os.geteuid() != 0 and not self.namespaces:
            unshare += ["--user", "--map-root-user"]
        holder = subprocess.Popen(
            [*self.enter_user, *unshare, "sh", "-ec", self._start()],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=_environment(None),
        )  # fmt: skip
        namespace = Namespace(self, name, holder)
        self.namespaces.append(namespace)
        assert holder.stdout is not None
        said = holder.stdout.readline()
        if said != "ready\n":
            raise RuntimeError(f"no namespace: {said.strip()}")
        if os.geteuid() != 0 and not self.enter_user:
            self.enter_user = ["nsenter", "--preserve-credentials", f"--user=/proc/{holder.pid}/ns/user"]
        return namespace

    def cable(self, one: Namespace, one_name: str, other: Namespace, other_name: str) -> None:
        """A pair of virtual cards: ``one_name`` in ``one``, ``other_name`` in ``other``, both up."""
        one.ip(
            f"link add {one_name} type veth peer name {other_name} netns {other.holder.pid}",
            f"link set {one_name} up",
        )
        other.ip(f"link set {other_name} up")

    def _start(self) -> str:
        settings = {"ipv4/ip_forward": 0, "ipv4/conf/all/rp_filter": 0, "ipv4/conf/default/rp_filter": 0}
        for scope in ("all", "default"):
            settings[f"ipv6/conf/{scope}/disable_ipv6"] = 0 if self.ipv6 else 1
            settings[f"ipv6/conf/{scope}/accept_dad"] = 1 if self.dad else 0
        for table in ("iptables", "ip6tables", "arptables"):
            settings[f"bridge/bridge-nf-call-{table}"] = 0
        writes = [
            f"if [ -e /proc/sys/net/{path} ]; then echo {value} > /proc/sys/net/{path}; fi"
            for path, value in settings.items()
        ]
        return "; ".join(["ip link set lo up", *writes, "echo ready", "exec cat"])


class Lan(Network):
    """A bridge and ``hosts`` on it, each with ``eth0``; host 0 has the address .10, host 1 has .20 and so on.

    ``router`` gives the bridge the address .1 and every host a default route to it: it answers and forwards
    nothing. ``ipv6`` is a prefix such as ``fd12::/64``, or True for link-local addresses alone; ``subnet`` None
    leaves IPv4 out.
    """

    def __init__(
        self,
        hosts: int = 2,
        *,
        subnet: str | None = "192.168.1.0/24",
        ipv6: bool | str = False,
        router: bool = False,
        dad: bool = False,
    ) -> None:
        super().__init__(ipv6=bool(ipv6), dad=dad)
        self.count = hosts
        self.router = router
        self.prefixes = [ip_network(one) for one in (subnet, ipv6) if isinstance(one, str)]
        self.ports = 0

    def __enter__(self) -> Self:
        try:
            self._build()
        except BaseException:
            self.close()
            raise
        return self

    def host(self, number: int) -> Namespace:
        """Host ``number``, counted from 0."""
        return self.hosts[number]

    def attach(self, host: Namespace, name: str, *addresses: str, bridge: str = "br0") -> str:
        """One more network card of ``host`` on ``bridge``; returns the name of the bridge's port."""
        self.ports += 1
        port = f"p{self.ports}"
        self.cable(self.switch, port, host, name)
        self.switch.ip(f"link set {port} master {bridge}")
        if addresses:
            host.ip(*(f"addr add {one} dev {name}" for one in addresses))
        self.settle()
        return port

    def bridge(self, name: str) -> None:
        """One more bridge in the switch's namespace: a segment of its own."""
        self.switch.ip(f"link add {name} type bridge mcast_snooping 0", f"link set {name} up")

    def settle(self) -> None:
        """Until every port of the switch forwards; packets sent before that are lost."""

        def forwarding() -> bool:
            return all(one["operstate"] == "UP" for one in self.switch.ip_json("link") if "master" in one)

        _until(forwarding, "the switch's ports did not come up")

    def _build(self) -> None:
        self.switch = self.namespace("switch")
        self.bridge("br0")
        self.hosts = [self.namespace(f"host{number}") for number in range(self.count)]
        if self.router:
            self.switch.ip(*(f"addr add {one[1]}/{one.prefixlen} dev br0" for one in self.prefixes))
        for number, host in enumerate(self.hosts):
            addresses = [f"{_host(one, number)}/{one.prefixlen}" for one in self.prefixes]
            host.port = self.attach(host, "eth0", *addresses)
            host.address = addresses[0].partition("/")[0] if addresses else ""
            if self.router:
                host.ip(*(f"route add default via {one[1]}" for one in self.prefixes))


def _host(network: IPv4Network | IPv6Network, number: int) -> object:
    tens = 10 * (number + 1)
    return network[tens if tens < min(network.num_addresses - 1, 250) else number + 2]


def _until(holds: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + READY_S
    while not holds():
        if time.monotonic() > deadline:
            raise RuntimeError(otherwise)
        time.sleep(0.005)


def find_tool(name: str) -> str:
    """The program ``name``, also where only root's path has it; the test is skipped without it."""
    found = shutil.which(name, path=PATH)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


@cache
def _die_with_us() -> tuple[str, ...]:
    found = shutil.which("setpriv")
    return (found, "--pdeathsig", "KILL") if found else ()


def _environment(more: dict[str, str] | None) -> dict[str, str]:
    return {**os.environ, "PATH": PATH, "PYTHONPATH": str(PACKAGES), "PYTHONSAFEPATH": "1", **(more or {})}


def _end_group(process: subprocess.Popen[Any]) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        _close(stream)


def _close(stream: IO[Any] | None) -> None:
    if stream is not None:
        with suppress(OSError):
            stream.close()


@contextmanager
def lan(hosts: int = 2, **more: Any) -> Iterator[Lan]:
    """A Lan, or a skipped test where the host refuses namespaces."""
    if reason := why_no_namespaces():
        pytest.skip(reason)
    with Lan(hosts, **more) as built:
        yield built
