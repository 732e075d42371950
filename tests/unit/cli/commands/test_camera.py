"""``join --camera``: a video file takes the place of the camera."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from cli_fakes import TYPICAL, Api
from localpair import qr
from localpair.cli import main

cv2: Any = pytest.importorskip("cv2", reason="the extra camera is not installed")
SIZE = 480
PATIENCE_S = 60


@pytest.fixture
def video(tmp_path: Path) -> Callable[[Sequence[str]], Path]:
    """Films nothing for a while, and then each of some codes."""

    def film(texts: Sequence[str]) -> Path:
        import numpy as np

        path = tmp_path / "film.avi"
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (SIZE, SIZE))
        frames = [np.random.default_rng(number).integers(0, 255, (SIZE, SIZE, 3)) for number in range(3)]
        for number, text in enumerate(texts):
            picture = tmp_path / f"{number}.png"
            qr.write_image(text, picture)
            frames += [
                cv2.resize(cv2.imread(str(picture)), (SIZE, SIZE), interpolation=cv2.INTER_NEAREST)
            ] * 2
        for frame in frames:
            writer.write(frame.astype("uint8"))
        writer.release()
        return path

    return film


def test_the_offer_is_found_among_other_codes(api: Api, video: Callable[[Sequence[str]], Path]) -> None:
    film = video(["https://example.org", TYPICAL])
    assert main(["join", "--camera", str(film), "--json"], api) == 0
    assert api.pairing.offer == TYPICAL


def test_a_video_without_an_offer_and_one_that_is_none(
    api: Api,
    video: Callable[[Sequence[str]], Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["join", "--camera", str(video(["https://example.org"]))], api) == 2
    assert "shows no offer" in capsys.readouterr().err
    (tmp_path / "text").write_text("no video")
    assert main(["join", "--camera", str(tmp_path / "text")], api) == 2
    assert "cannot be read" in capsys.readouterr().err
    assert main(["join", "--camera", str(tmp_path / "none.avi")], api) == 2
    assert "there is no video" in capsys.readouterr().err
    assert api.calls == []


def test_a_camera_that_is_not_there(tmp_path: Path) -> None:
    """In a process of its own: OpenCV reads once how much it is to say."""
    done = subprocess.run(
        [sys.executable, "-m", "localpair", "join", "--camera", "63"],
        env={**os.environ, "LOCALPAIR_HOME": str(tmp_path), "LOCALPAIR_CONFIG": "none"},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 1
    assert "\nerror: the camera 63 cannot be opened\nhint: " in done.stderr
    assert "WARN" not in done.stderr


def test_without_the_extra_it_says_what_to_install(
    api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    assert main(["join", "--camera"], api) == 2
    assert "pip install 'localpair[camera]'" in capsys.readouterr().err


def test_one_place_for_the_offer(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["join", "--camera", "--image", "x.png"], api) == 2
    assert "--image and --camera" in capsys.readouterr().err
