"""How long `localpair join` takes to a pair on one LAN, against a bare TLS 1.3 handshake over the same cable.

    python benchmarks/pairing.py                  # 100 runs; Linux with network namespaces
    python benchmarks/pairing.py --runs 20 --check

Two network namespaces on one bridge, without a route out, play two hosts. Each run starts `localpair host` in one
and, once its offer stands, `localpair join` in the other: the command lines that people run, with `--json --yes`.
Three things are run in turn, so that all see the same weather:

* bare: a Python process that imports asyncio, ssl and cryptography and makes one TLS 1.3 connection;
* join: with an offer that holds the host's addresses;
* join, no addresses: with one that holds none, so that discovery has to find the host.

`process` is the time from starting the process to its `paired` line (bare: to the finished handshake) and includes
the interpreter and the imports; `elapsed` is what the process itself says of the time after them; `cpu` is the
processor time of the whole process to its end. With `--calm`, pairings during which other programs wanted the same
cores are left out and counted as `disturbed`. Modules are compiled before, as an installation leaves them.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import ssl
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from measuring import Figure, Report, idle_share, installed, parser, progress, undisturbed

from netns import Lan, Namespace, why_no_namespaces

BARE_CLIENT = """
import asyncio, json, ssl, sys, time
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

class Client(asyncio.Protocol):
    def __init__(self):
        self.done = asyncio.get_running_loop().create_future()
    def data_received(self, data):
        self.done.set_result(data)

async def main():
    started = time.monotonic()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    loop = asyncio.get_running_loop()
    transport, client = await loop.create_connection(Client, sys.argv[1], int(sys.argv[2]), ssl=context)
    await client.done
    elapsed = (time.monotonic() - started) * 1000
    print(json.dumps({"event": "paired", "elapsed_ms": elapsed}), flush=True)
    transport.close()

asyncio.run(main())
"""
LOCALPAIR = [sys.executable, "-m", "localpair"]
ELAPSED_AIM_MS, PROCESS_AIM_MS = 60.0, 350.0
_QUIET = 0.3  # of all cores' time left over: a pairing keeps about one core busy, the rest were others
_LIMIT_S = 60  # for one run; both command lines give up sooner
_FAILURES = 5  # then something else is wrong


# --- in the namespaces


class BareServer(asyncio.Protocol):
    """Tells the client that the handshake is over."""

    def connection_made(self, transport: Any) -> None:
        transport.write(b"!")


async def serve(address: str) -> None:
    """Accept TLS connections until killed; prints the port."""
    from localpair.keys import SessionCertificate
    from localpair.net.transport.tls import server_context

    context: ssl.SSLContext = server_context(SessionCertificate.generate())
    server = await asyncio.get_running_loop().create_server(BareServer, address, 0, ssl=context)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def run_orders() -> None:
    """Run one process for each line of standard input, and tell what became of it."""
    for line in sys.stdin:
        print(json.dumps(run_order(**json.loads(line))), flush=True)


def run_order(argv: list[str], text: str) -> dict[str, Any]:
    """Start a process and wait for its `paired` line: from before the start to the line, and all its cpu time."""
    started = time.monotonic()
    process = subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(text)
    process.stdin.close()
    found: dict[str, Any] = {}
    attempts: list[str] = []
    for said in process.stdout:
        moment = (time.monotonic() - started) * 1000
        event = json.loads(said)
        if event["event"] == "attempt":
            attempts.append(
                f"{event['candidate']} {event['phase']} {event['outcome']} {event['errno']}".strip()
            )
        if event["event"] in ("paired", "failed"):
            found = {"process": moment, **event, **found}
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return {
        "event": "nothing",
        **found,
        "attempts": attempts,
        "cpu": (usage.ru_utime + usage.ru_stime) * 1000,
    }


# --- the one that measures


@dataclass(frozen=True, slots=True)
class Run:
    """One measured process, in milliseconds."""

    process: float
    elapsed: float
    cpu: float
    way: str = ""
    idle: float = 1.0  # the part of all cores' time that nobody wanted


class Hosts:
    """The two hosts, what runs on them for the whole benchmark, and their state."""

    def __init__(self, lan: Lan, folder: Path, environment: dict[str, str]) -> None:
        self.lan, self.folder, self.environment = lan, folder, environment
        self._runner = self._start(lan.host(1), "joiner", [sys.executable, __file__, "orders"])
        server = self._start(lan.host(0), "host", [sys.executable, __file__, "serve", lan.host(0).address])
        assert server.stdout is not None
        self._port = server.stdout.readline().strip()

    def bare(self) -> Run:
        """One bare connection."""
        return self._order([sys.executable, "-c", BARE_CLIENT, self.lan.host(0).address, self._port], "")

    def join(self, addresses: str) -> Run:
        """One pairing, with an offer that holds ``addresses``: all or none."""
        words = ["host", "--json", "--yes", "--qr", "none", "--timeout", "30", "--offer-addresses", addresses]
        with self._hosting(words) as offer:
            return self._order([*LOCALPAIR, "join", "-", "--json", "--yes", "--timeout", "20"], offer + "\n")

    @contextlib.contextmanager
    def _hosting(self, words: list[str]) -> Iterator[str]:
        namespace = self.lan.host(0)
        process = self._start(namespace, "host", [*LOCALPAIR, *words])
        try:
            assert process.stdout is not None
            events = map(json.loads, process.stdout)
            yield next(event["offer"] for event in events if event["event"] == "offer")
            process.communicate(timeout=_LIMIT_S)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
            namespace.processes.remove(process)

    def _order(self, argv: list[str], text: str) -> Run:
        assert self._runner.stdin is not None
        assert self._runner.stdout is not None
        print(json.dumps({"argv": argv, "text": text}), file=self._runner.stdin, flush=True)
        said = json.loads(self._runner.stdout.readline())
        if said["event"] != "paired":
            raise RuntimeError(f"no pair: {said.get('reason', said['event'])}, {said['attempts'][-4:]}")
        path = said.get("path", {})
        way = f"{path.get('direction', '')} {path.get('carrier', '')}".strip()
        return Run(said["process"], said["elapsed_ms"], said["cpu"], way)

    def _start(self, namespace: Namespace, name: str, argv: list[str]) -> subprocess.Popen[str]:
        environment = {"LOCALPAIR_HOME": str(self.folder / name), **self.environment}
        return namespace.popen(
            argv,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )


@dataclass(slots=True)
class Series:
    """Runs of one kind."""

    run: Callable[[], Run]
    runs: list[Run]
    disturbed: int = 0

    def measure(self) -> Run:
        """One run, with what it left of the cores."""
        run, idle = idle_share(self.run)
        return replace(run, idle=idle)

    def leave_out_disturbed(self) -> None:
        """Keep the runs that had the cores for themselves, if there are any."""
        quiet = [one for one in self.runs if one.idle >= _QUIET]
        if quiet:
            self.disturbed, self.runs = len(self.runs) - len(quiet), quiet

    def figures(self, report: Report, name: str, *, aims: bool) -> tuple[Figure, Figure]:
        """Keep the figures of this kind; the whole process and the part after the imports."""
        whole = [one.process for one in self.runs]
        after = [one.elapsed for one in self.runs]
        figures = (
            report.add(f"{name}: process", "ms", whole, PROCESS_AIM_MS if aims else None),
            report.add(f"{name}: elapsed", "ms", after, ELAPSED_AIM_MS if aims else None),
        )
        report.add(f"{name}: cpu", "ms", [one.cpu for one in self.runs])
        return figures


class Pairings:
    """All three kinds in turn, over and over."""

    def __init__(self, hosts: Hosts) -> None:
        self.failures: list[str] = []
        self.bare = Series(hosts.bare, [])
        self.joins = {
            "join": Series(lambda: hosts.join("all"), []),
            "join, no addresses": Series(lambda: hosts.join("none"), []),
        }

    def measure(self, runs: int, calm_s: float) -> Self:
        """Run everything ``runs`` times, after one time that only compiles and makes the devices' keys."""
        for number in range(runs + 1):
            progress(f"run {number} of {runs}")
            for series in (self.bare, *self.joins.values()):
                self._once(series, calm_s if number else None)
        progress("")
        if calm_s:
            for series in (self.bare, *self.joins.values()):
                series.leave_out_disturbed()
        return self

    def _once(self, series: Series, calm_s: float | None) -> None:
        try:
            run = undisturbed(series.measure, calm_s or 0.0)
        except (RuntimeError, subprocess.TimeoutExpired) as error:
            self.failures.append(str(error))
            if len(self.failures) >= _FAILURES:
                raise SystemExit(f"{_FAILURES} runs failed, the last one with: {error}") from None
            return
        if calm_s is not None:
            series.runs.append(run)

    def tell(self, report: Report) -> None:
        """Put everything into the report."""
        bare_process, bare_handshake = self.bare.figures(report, "bare", aims=False)
        for name, series in self.joins.items():
            process, elapsed = series.figures(report, name, aims=True)
            report.ratio(f"{name}, process / bare process", process, bare_process)
            report.ratio(f"{name}, elapsed / bare handshake", elapsed, bare_handshake)
        report.facts["ways"] = {
            name: dict(Counter(one.way for one in series.runs)) for name, series in self.joins.items()
        }
        report.facts["disturbed"] = {name: series.disturbed for name, series in self.joins.items()}
        report.facts["failures"] = self.failures


def main() -> int:
    if sys.argv[1:2] == ["serve"]:
        asyncio.run(serve(sys.argv[2]))
        return 0
    if sys.argv[1:2] == ["orders"]:
        run_orders()
        return 0
    options_parser = parser(__doc__, runs=100)
    options_parser.add_argument(
        "--folder", help="where both devices keep their state; default: a temporary one"
    )
    options = options_parser.parse_args()
    if reason := why_no_namespaces():
        raise SystemExit(reason)
    report = Report("pairing")
    folder = tempfile.TemporaryDirectory(prefix="localpair-pairing-", dir=options.folder)
    with installed() as environment, folder as name, Lan(2) as lan:
        Pairings(Hosts(lan, Path(name), environment)).measure(options.runs, options.calm).tell(report)
    code = report.finish(options.check)
    return 1 if options.check and report.facts["failures"] else code


if __name__ == "__main__":
    sys.exit(main())
