"""Whether a device that has read the offer pairs while strangers flood the host with connections, and how soon.

    python benchmarks/flood.py                                   # every kind of flood, once for each delay; Linux
    python benchmarks/flood.py --kinds tls --rates 200 --sources 8 --delays 0 12 25 --runs 20

Three network namespaces on one bridge, without a route out. `localpair host` shows an offer in one. In another one
`tests/support/flooder.py` opens RATE connections a second to it, from one address or from several, and goes with each
as far as the kind says. So many seconds later `localpair join` starts in the third one, from which nothing but a
connection to the host's listener can lead to a pair. The figure is what `join` says of the time that this took.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from measuring import Report, parser, progress

from devices import Home
from flooder import KINDS
from flooding import flood, leave_the_listener_alone
from netns import Lan, why_no_namespaces

AIM_MS = 2000.0
_LIMIT_S = 20.0  # a join gives up then
_HOST_S = 110.0  # the host, and the flood with it


def joined(kind: str, rate: float, sources: int, delay: float) -> float | None:
    """Milliseconds from the start of `join` to its pair; None where it did not come to that."""
    with tempfile.TemporaryDirectory(prefix="localpair-") as folder, Lan(3) as net:
        host, join = (Home(net.host(number), Path(folder) / str(number)) for number in (0, 1))
        leave_the_listener_alone(net.host(1))
        hosting = host.host("--timeout", str(_HOST_S))
        offer, port = hosting.wait("offer")["offer"], hosting.wait("ready")["ports"]["tcp"]
        flood(net.host(2), kind, net.host(0), port, rate, sources, _HOST_S)
        time.sleep(delay)
        joining = join.join(offer, "--timeout", str(_LIMIT_S))
        try:
            return float(joining.wait("paired", limit_s=2 * _LIMIT_S)["elapsed_ms"])
        except AssertionError:
            return None


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print a table and a JSON line; 1 where a join did not pair."""
    reader = parser(__doc__, 1, timed=False)
    reader.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS, help="what strangers do")
    reader.add_argument("--rates", nargs="+", type=float, default=[200.0], help="connections a second")
    reader.add_argument("--sources", nargs="+", type=int, default=[1, 8], help="addresses of the attacker")
    reader.add_argument("--delays", nargs="+", type=float, default=[0.0, 12.0, 25.0], help="before a join, s")
    given = reader.parse_args(arguments)
    if reason := why_no_namespaces():
        sys.exit(f"flood: {reason}")
    report, failed = Report("flood"), 0
    floods = [(kind, rate, many) for kind in given.kinds for rate in given.rates for many in given.sources]
    for kind, rate, sources in floods:
        progress(f"{kind}, {rate:g} a second from {sources}")
        tries = [joined(kind, rate, sources, delay) for delay in given.delays for _ in range(given.runs)]
        paired = [one for one in tries if one is not None]
        report.add(
            f"{kind}, {rate:g}/s from {sources}: {len(paired)} of {len(tries)} paired", "ms", paired, AIM_MS
        )
        failed += len(tries) - len(paired)
    progress("")
    return report.finish(given.check) or int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
