"""The command line over a fake package, as a process whose streams a test has closed: ``HOME WORD...``.

What the run did stands in the file ``did`` of the home then: a stream to tell it on may not be there.
"""

from __future__ import annotations

import sys
from pathlib import Path

from cli_fakes import NEARBY, OFFER, OWN, PAIRED, READY, Api, Pairing
from localpair import events
from localpair.cli import main
from localpair.diagnosis.record import Finding, Report, Status
from localpair.net.agent.gathering import AddressReport

PROGRESS = events.Progress("send", "a.txt", 1, 2)


def api(home: Path) -> Api:
    """A package in which everything goes well."""
    finding = Finding("clock", Status.OK, 0.0, 1.0, "said")
    tries = (events.AddressAttempt(2, OWN.address, "eth0", "confirmed", "ok", 1.0, "private"),)
    made = Api(home, Pairing((READY, OFFER, PAIRED, PROGRESS)), heard=[READY, events.PeerFound(NEARBY)])
    made.report = AddressReport(tries, 2, (OWN,))
    made.findings = [finding]
    if "diagnose" in sys.argv:
        made.report = Report("id", "1", "2030-01-01", 5.0, (finding,))
    return made


if __name__ == "__main__":
    place = Path(sys.argv[1])
    faked = api(place)
    code = main(sys.argv[2:], faked)
    (place / "did").write_text(" ".join(faked.calls))
    sys.exit(code)
