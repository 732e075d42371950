"""A plan as a picture of its own: the drawing, and below it what will happen or what has."""

from __future__ import annotations

from collections.abc import Sequence

from localpair_lab.plan.model import Plan
from localpair_lab.report.describe import story
from localpair_lab.report.drawing.svg import document


def draw(
    plan: Plan, title: str, summary: str, prefixes: dict[str, str], *, happened: Sequence[str] = ()
) -> str:
    """The plan as an SVG document; ``prefixes`` gives the subnets of each network as text.

    Below it stands what will happen, or, after a run, what ``happened``, line by line.
    """
    return document(plan, title, summary, prefixes, tuple(happened) or tuple(story(plan)))
