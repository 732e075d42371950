"""The examples of docs/lab.md play as they stand there, in a folder of somebody who has nothing else."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import places

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.netns
BLOCK = re.compile(r"```\w*\n(.*?)```", re.DOTALL)
NAMES = ("find.py", "mine.lan.yaml", "mine.yaml")  # in the order of the page


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    page = (places.ROOT / "docs" / "lab.md").read_text()
    blocks = BLOCK.findall(page.partition("## Play your own discovery")[2])
    for name, text in zip(NAMES, blocks, strict=False):
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    "words",
    [
        ("mine.lan.yaml",),
        ("@flow/flat", "--cell", "pre-all", "--product", "mine.yaml"),
        ("@isolation/clients", "--cell", "all-0", "--product", "mine.yaml"),
    ],
    ids=["alone", "on a plain LAN", "kept apart"],
)
def test_an_own_discovery_plays(folder: Path, words: tuple[str, ...]) -> None:
    command = [sys.executable, "-m", "localpair_lab", "run", *words, "--engine", "namespace"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.stdout.startswith("passed"), done.stdout + done.stderr


def test_it_fails_where_the_network_drops_multicast(folder: Path) -> None:
    file = folder / "mine.lan.yaml"
    advised = file.read_text().replace(
        "{lan: 192.168.1.0/24}", "{lan: {ip: 192.168.1.0/24, multicast: drop}}"
    )
    assert advised != file.read_text()
    file.write_text(advised)
    command = [sys.executable, "-m", "localpair_lab", "run", file.name, "--engine", "namespace"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "mine.lan.yaml:" in done.stdout
    assert "instead" in done.stdout
