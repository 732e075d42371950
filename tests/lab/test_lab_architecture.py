"""The shape of the lab is a test: no module imports itself through others."""

from __future__ import annotations

from pathlib import Path

import localpair_lab

from import_graph import arrows, circles

PACKAGE = Path(localpair_lab.__file__).parent


def test_no_modules_import_each_other_in_a_circle() -> None:
    assert circles(arrows(PACKAGE)) == []
