"""Generated topologies as a Hypothesis strategy: for property tests of whatever reads scenarios or plans.

Hypothesis makes the choices here, so it can shrink them; runs that are to be repeated by number use ``draw``.
"""

from __future__ import annotations

from random import Random

from hypothesis import strategies as st

from localpair_lab.generate.random_source import Chance
from localpair_lab.generate.sample import Sample, sample_of


def samples() -> st.SearchStrategy[Sample]:
    """Topologies as scenario files, judged by the oracle."""
    return st.randoms(use_true_random=False).map(_sample)


def _sample(source: Random) -> Sample:
    return sample_of(Chance(source), "drawn")
