"""Where the lab's own files are: beside the package in a clone, inside it where it was installed.

The only module that computes a path from its own place. Standard library only: it also runs in containers.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

PACKAGE: Final = Path(__file__).resolve().parent
IMPORT_ROOT: Final = PACKAGE.parent
"""The folder in which ``import localpair_lab`` finds the package."""
CLONE: Final = PACKAGE.parents[1] if (IMPORT_ROOT / "pyproject.toml").is_file() else None
"""The project's clone; None where the lab was installed from a distribution."""
_DATA: Final = PACKAGE if CLONE is None else IMPORT_ROOT
SCENARIOS: Final = _DATA / "scenarios"
ADAPTERS: Final = _DATA / "adapters"
COMPOSE: Final = _DATA / "compose"
SCHEMA: Final = _DATA / "scenario.schema.json"
"""What editors check scenarios by; the library's files name it by its place in the clone."""
ARTIFACTS: Final = Path("lab-artifacts" if CLONE is None else "lab/artifacts")
"""Where plays leave what they gathered, from the folder in which the lab was started."""
BUILD: Final = Path.home() / ".cache" / "localpair-lab" if CLONE is None else CLONE / "build"
"""What is made once and kept: wheels for the image, and its lock."""
OWN: Final = "localpair"
"""The adapter that plays where nobody names another one."""
PRODUCT_HELP: Final = (
    "what plays host, join and the like: an adapter of the library, or a file of your own (localpair)"
)
