"""``localpair diagnose``: every check of this device's network, in series, and the report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from localpair.causes.judge import judge
from localpair.causes.records.codec import from_dict
from localpair.causes.records.telling import masked
from localpair.cli import offers
from localpair.cli.files import check_report_file
from localpair.cli.output import results
from localpair.cli.output.explained import FOUND, show_verdict
from localpair.cli.terminal.text import printable
from localpair.diagnosis.text import to_text
from localpair.errors import LocalError

if TYPE_CHECKING:
    from pathlib import Path

    from localpair.causes.vocabulary import RunVerdict
    from localpair.cli.context import Context
    from localpair.cli.options.diagnose import Diagnose
    from localpair.diagnosis.record import Finding, Report


async def run(command: Diagnose, context: Context) -> None:
    """Show each finding and then the report, which an interruption cuts short and does not take away.

    What is to be masked is shown once all is known: equal values get equal masks, and names are known by then.
    """
    output = context.output
    if command.output is not None:
        check_report_file(command.output)
    later = command.redact and output.json

    def show(finding: Finding) -> None:
        if not later:
            output.show(results.Checked(finding))

    offer = await offers.source(command, context) if offers.is_given(command) else None
    report = await context.api.diagnose(deadline=command.timeout, on_finding=show, offer=offer)
    verdict = _cause(report)
    if command.redact:
        report = report.redact(secret=offer.secret if offer is not None else b"")
    if later:
        output.show_all([results.Checked(finding) for finding in report.findings])
    if not output.json:
        output.draw(to_text(report).rstrip("\n"))
    output.show(_verdict(report))
    if verdict is not None and not command.redact:
        show_verdict(verdict, output, {"facts": report.run, "claimed": report.claimed})
    elif verdict is not None:
        output.exit_code = FOUND
    if command.output is not None:
        _write(report, command.output)
        output.talk.note(f"The report is in {printable(str(command.output))}.")


def _cause(report: Report) -> RunVerdict | None:
    """What the facts of the run come to, with those that the other device has told; None where they name no cause."""
    if report.run is None or "reached" in report.finding("discovery").facts:
        return None
    mine = from_dict(report.run)
    verdict = judge(mine) if report.claimed is None else judge(masked(mine), from_dict(report.claimed))
    return verdict if verdict.explanations else None


def _verdict(report: Report) -> results.NetworkVerdict:
    faults = [finding.name for finding in report.findings if finding.status not in {"ok", "skipped"}]
    evidence = {"report": report.id, "interrupted": report.interrupted, "faults": faults}
    if report.ok:
        return results.NetworkVerdict("ok", "No check found a fault on this device.", evidence)
    return results.NetworkVerdict(
        "faults", f"Look at: {', '.join(faults)}." if faults else "Interrupted.", evidence
    )


def _write(report: Report, path: Path) -> None:
    text = to_text(report) if path.suffix.lower() == ".txt" else report.to_json() + "\n"
    try:
        path.write_text(text, "utf-8")
    except OSError as error:
        shown = printable(str(path))
        raise LocalError(
            f"the report cannot be written to {shown}: {error.strerror}", hint="Choose another file."
        ) from error
