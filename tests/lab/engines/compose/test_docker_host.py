"""The way to a Docker engine, where the engine or its command does not answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from localpair_lab.engines.compose import docker_host
from localpair_lab.engines.compose.docker_host import current_address, has_compose
from localpair_lab.engines.compose.engine import answers
from localpair_lab.errors import LabError

if TYPE_CHECKING:
    from pathlib import Path


def test_a_docker_that_says_nothing_is_a_fault_and_no_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    docker = tmp_path / "docker"
    docker.write_text("#!/bin/sh\nexec tail -f /dev/null\n")
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setattr(docker_host, "_ANSWER_S", 0.05)
    with pytest.raises(LabError, match="said nothing"):
        has_compose()
    assert not answers()
    assert current_address() == "unix:///var/run/docker.sock"
