"""``localpair addresses``: this device's own addresses, found in three stages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from localpair.cli.output import json_fields, results

if TYPE_CHECKING:
    from localpair.candidate import Candidate
    from localpair.cli.context import Context
    from localpair.cli.options.addresses import Addresses
    from localpair.net.agent.gathering import AddressReport


async def run(command: Addresses, context: Context) -> None:
    """Show every try of every stage, then the addresses that remain, best first."""
    output = context.output
    report = await context.api.acquire_addresses(peer_wait=command.timeout, on_attempt=output.show)
    if not output.json:
        output.show_all(report.attempts)
    output.show(_verdict(report))


def _verdict(report: AddressReport) -> results.NetworkVerdict:
    evidence = {
        "stage": report.stage,
        "addresses": [json_fields.of_candidate(own) for own in report.candidates],
    }
    if not report.candidates:
        text = "This device has no address that another one could reach."
        return results.NetworkVerdict("no-address", text, evidence)
    best, *others = (_described(own) for own in report.candidates)
    text = f"Best: {best}" + (f"; then {', '.join(others)}" if others else "")
    return results.NetworkVerdict("unconfirmed" if report.stage is None else "found", f"{text}.", evidence)


def _described(candidate: Candidate) -> str:
    where = f" on {candidate.interface}" if candidate.interface else ""
    return f"{candidate.address}{where} ({candidate.cls}, {candidate.evidence.label})"
