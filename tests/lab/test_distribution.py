"""Both distributions, built and installed outside the clone, and used there as people use them.

The fresh environment takes the libraries that both need from the one that runs the tests: nothing is fetched.
"""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import tarfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from localpair_lab.engines.namespace.trials import namespaces

import places

SCENARIO = """
lab: 1
summary: Two devices on one network.
networks: {lan: 192.168.1.0/24}
devices: {alice: {on: {lan: 192.168.1.10}}, bob: {on: {lan: 192.168.1.20}}}
pair: {host: bob, join: alice, timeout: 5s}
expect:
  - {of: [host, join], outcome: paired}
"""

plays = pytest.mark.skipif(
    any(why for name, why in namespaces().items() if name != "tunnel-device"),
    reason="network namespaces cannot play the demo here",
)


@dataclass(frozen=True, slots=True)
class Installed:
    """An environment that has both wheels, and an empty folder to work in."""

    bin: Path
    folder: Path
    built: Path

    def run(self, *command: str, within: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run a program of the environment to its end."""
        program, *arguments = command
        return subprocess.run(
            [str(self.bin / program), *arguments], cwd=within or self.folder,
            env={"PATH": _PATH, "HOME": str(self.folder)},
            capture_output=True, text=True, timeout=100, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip


_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Both wheels in an environment of their own."""
    folder = tmp_path_factory.mktemp("elsewhere")
    built, environment = folder / "built", folder / "environment"
    for source in (places.ROOT, places.ROOT / "lab"):
        _checked([sys.executable, "-m", "hatchling", "build", "-d", str(built)], source)
    _checked([sys.executable, "-m", "venv", "--without-pip", str(environment)], folder)
    python = environment / "bin" / "python"
    wheels = sorted(str(path) for path in built.glob("*.whl"))
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(python)]
    _checked([*pip, "install", "-q", "--no-deps", "--no-index", *wheels], folder)
    packages = _checked([str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], folder)
    Path(packages.strip(), "libraries.pth").write_text(sysconfig.get_path("purelib"))
    (folder / "work").mkdir()
    return Installed(environment / "bin", folder / "work", built)


def _checked(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_library_is_there_under_its_names(installed: Installed) -> None:
    listed = installed.run("localpair-lab", "list")
    assert "both-inbound-blocked" in listed.stdout
    explained = installed.run("localpair-lab", "explain", "@firewall/both-inbound-blocked")
    assert explained.returncode == 0, explained.stderr
    assert str(installed.bin.parent) in installed.run("python", "-c", _WHERE).stdout
    unknown = installed.run("localpair-lab", "explain", "@firewall/both-inbound-bloked")
    assert "did you mean both-inbound-blocked?" in unknown.stderr


_WHERE = "import localpair, localpair_lab; print(localpair.__file__, localpair_lab.__file__)"


@plays
def test_scenarios_are_played_outside_the_clone(installed: Installed) -> None:
    played = installed.run("localpair-lab", "run", "@flow/flat", "--engine", "namespace")
    assert played.returncode == 0, played.stdout + played.stderr
    shown = installed.run("localpair-lab", "demo", "--engine", "namespace")
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert "paired" in shown.stdout.lower()


@plays
def test_pytest_plays_files_of_peoples_own_and_no_other_yaml(installed: Installed) -> None:
    folder = installed.folder / "own"
    folder.mkdir()
    (folder / "mine.lan.yaml").write_text(SCENARIO)
    (folder / "other.yaml").write_text("not: a scenario\n")
    played = installed.run("python", "-m", "pytest", "--lab-engine=namespace", within=folder)
    assert played.returncode == 0, played.stdout + played.stderr
    assert "1 passed" in played.stdout


@pytest.mark.parametrize(("name", "tests"), [("localpair", "tests"), ("localpair_lab", "tests/lab")])
def test_a_source_distribution_holds_what_its_tests_need(
    installed: Installed, tmp_path: Path, name: str, tests: str
) -> None:
    (archive,) = installed.built.glob(f"{name}-[0-9]*.tar.gz")
    with tarfile.open(archive) as content:
        if hasattr(tarfile, "data_filter"):  # Python 3.11.4
            content.extractall(tmp_path, filter="data")
        else:
            content.extractall(tmp_path)  # noqa: S202 - our own archive
    (unpacked,) = tmp_path.iterdir()
    collected = installed.run(
        "python", "-m", "pytest", "--co", "-q", "-p", "no:cacheprovider", tests, within=unpacked
    )
    assert collected.returncode == 0, collected.stdout[-3000:] + collected.stderr
