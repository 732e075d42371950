"""The ladder that holds the architecture: it finds what points up, what points sideways, and what stands nowhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from import_graph import Ladder, arrows, circles, class_names, flat_modules, reachable

LAYERS = (("ground",), ("rooms.left", "rooms.right"), ("",), ("roof",))


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package without faults."""
    files = {
        "__init__": "from house.ground import wall",
        "ground": "import os",
        "rooms/__init__": "",
        "rooms/left": "from house import ground",
        "rooms/right": "from house.ground import wall",
        "roof": "import house\ndef f():\n    from house.rooms import left",
    }
    for name, text in files.items():
        path = tmp_path / "house" / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return tmp_path / "house"


def test_a_package_whose_imports_point_down_has_no_faults(package: Path) -> None:
    assert Ladder(package, LAYERS).faults() == []
    assert circles(arrows(package)) == []


@pytest.mark.parametrize(
    ("name", "text", "fault"),
    [
        ("ground", "import house.roof", "house.ground imports house.roof"),
        ("rooms/left", "from house.rooms import right", "house.rooms.left imports house.rooms.right"),
        ("rooms/left", "def f():\n    import house.roof", "house.rooms.left imports house.roof"),
        ("rooms/left", "import house", "house.rooms.left imports house"),
        ("cellar", "", "house.cellar stands in no layer: add it where it belongs"),
        ("rooms/middle", "", "house.rooms.middle stands in no layer: add it where it belongs"),
        (
            "rooms/__init__",
            "import house.ground",
            "house.rooms holds entries of several layers and imports house.ground",
        ),
    ],
)
def test_each_fault_is_named(package: Path, name: str, text: str, fault: str) -> None:
    (package / f"{name}.py").write_text(text)
    assert Ladder(package, LAYERS).faults() == [fault]


def test_a_circle_is_found_also_through_a_third_module(package: Path) -> None:
    (package / "ground.py").write_text(
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import house.roof"
    )
    assert circles(arrows(package)) == [{"house", "house.ground", "house.roof", "house.rooms.left"}]


def test_what_a_program_reaches_goes_through_other_modules(package: Path) -> None:
    assert reachable(package, ["roof"]) == {"house", "house.roof", "house.rooms.left", "house.ground"}


def test_a_class_of_one_name_is_counted_wherever_it_stands(package: Path) -> None:
    (package / "ground.py").write_text("class Wall:\n    class Brick:\n        pass\n")
    (package / "roof.py").write_text("def f():\n    class Brick:\n        pass\n")
    assert class_names(package) == {"Wall": 1, "Brick": 2}


def test_modules_count_in_the_package_that_holds_them(package: Path) -> None:
    assert flat_modules(package) == {"house": 2, "house.rooms": 2}
