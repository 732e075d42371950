"""Reading an offer's QR code with a camera: one picture after the other, until one shows what is looked for."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from localpair.errors import LocalError, OfferError, UsageError

if TYPE_CHECKING:
    import threading


def read_camera(source: str, is_wanted: Callable[[str], bool], stop: threading.Event) -> str:
    """The first text that ``is_wanted`` of all codes that the camera ``source`` sees: its number, or a video file.

    Blocks until there is one, or ``stop`` is set. Raises UsageError where the extra is missing or there is no such
    file, LocalError where the camera gives nothing, OfferError where a video ends without one.
    """
    seen = False
    for picture in _pictures(source, stop):
        seen = True
        for text in _texts(picture):
            if is_wanted(text):
                return text
    if stop.is_set():
        return ""
    if source.isdigit():
        what = "gives no pictures any more" if seen else "cannot be opened"
        raise LocalError(
            f"the camera {source} {what}",
            hint="See whether another program uses it, choose another one with --camera N, or paste the offer's text.",
        )
    raise OfferError(
        f"the video {source} {'shows no offer' if seen else 'cannot be read'}",
        hint="Film the code so that it fills the picture, or paste the text of the offer.",
    )


def _pictures(source: str, stop: threading.Event) -> Iterator[Any]:
    """Pictures in shades of grey."""
    if not source.isdigit() and not Path(source).is_file():
        raise UsageError(
            f"there is no video {source}", hint="--camera takes the number of a camera, or a file."
        )
    cv2 = _opencv()
    camera = cv2.VideoCapture(int(source) if source.isdigit() else source)
    try:
        while not stop.is_set():
            is_there, picture = camera.read()
            if not is_there:
                return
            yield cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    finally:
        camera.release()


def _texts(picture: Any) -> list[str]:
    try:
        import zxingcpp
    except ImportError as error:
        raise _extra_missing() from error
    return [str(code.text) for code in zxingcpp.read_barcodes(picture)]


def _opencv() -> Any:
    # It writes about each camera that is not there to standard error, past everybody.
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    try:
        import cv2
    except ImportError as error:
        raise _extra_missing() from error
    return cv2


def _extra_missing() -> UsageError:
    return UsageError(
        "reading an offer with a camera needs two more libraries",
        hint="pip install 'localpair[camera]', or paste the text of the offer instead.",
    )
