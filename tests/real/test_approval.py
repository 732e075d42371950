"""What the side that is not asked says about the other one: no more than the other one has told."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from devices import PATIENCE_S, Device, Home
from netns import lan

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.netns


def joined(home: Home, host: Device) -> tuple[int, str]:
    """Exit code of ``join`` with the host's offer, and all that was said about it to a person."""
    process = home.namespace.popen(
        [sys.executable, "-m", "localpair", "join", "-"],
        env={"LOCALPAIR_HOME": str(home.folder)},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    said, _ = process.communicate(host.wait("offer")["offer"] + "\n", PATIENCE_S)
    return process.returncode, said


@pytest.mark.parametrize("unattended", [True, False])
def test_nobody_is_said_to_be_asked_where_no_person_is(unattended: bool, tmp_path: Path) -> None:
    """The host answers by ``--yes``, or has neither that nor a terminal and refuses by itself."""
    with lan(2) as network:
        host, joining = (Home(network.host(n), tmp_path / str(n)) for n in range(2))
        words = ["--yes"] if unattended else []
        hosting = host.run("host", "--name", "kitchen", *words)
        code, said = joined(joining, hosting)
        ended = hosting.end()
    asked = hosting.wait("approval")
    assert asked["asked"] is True
    assert f"Code: {asked['code']}" in said
    assert "Found kitchen (" in said
    assert "; it has to agree. If it asks, answer there." in said
    assert "person" not in said
    if unattended:
        assert (code, ended) == (0, 0)
        assert "Paired with kitchen" in said
    else:
        assert code != 0
        assert "the other device refused: the pairing was not approved there" in said
