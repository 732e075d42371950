"""The oldest versions of what both distributions need, with which ``tox -e oldest`` runs the tests."""

from __future__ import annotations

import re
import tomllib
from itertools import chain

import pytest

import places

BOUND = re.compile(r"([\w-]+)>=([\d.]+)")
NOT_TRIED = {"coverage", "hatchling"}  # they build and measure; nothing that is tested imports them


def bounds(name: str) -> dict[str, str]:
    """Each package that a distribution needs, and the least version that it allows."""
    project = tomllib.loads((places.ROOT / name).read_text(encoding="utf-8"))["project"]
    extras = project.get("optional-dependencies", {})
    wanted = chain(project["dependencies"], *(extras.get(extra, ()) for extra in ("image", "test")))
    found = (BOUND.fullmatch(one) for one in wanted)
    return {match[1]: match[2] for match in found if match and match[1] not in NOT_TRIED}


def padded(version: str) -> str:
    """A bound has as many parts as it needs, a release at least two and mostly three."""
    return ".".join((*version.split("."), "0", "0")[:3])


@pytest.mark.parametrize("name", ["pyproject.toml", "lab/pyproject.toml"])
def test_the_list_holds_the_least_version_of_everything(name: str) -> None:
    lines = (places.ROOT / "tests" / "oldest.txt").read_text(encoding="utf-8").splitlines()
    listed = dict(line.split("==") for line in lines if not line.startswith("#"))
    for package, version in bounds(name).items():
        assert padded(listed[package]) == padded(version), package
