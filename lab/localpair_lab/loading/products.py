"""Adapters by their names or files."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import yaml
from pydantic import ValidationError

from localpair_lab.errors import LabError
from localpair_lab.loading.problems import nearby, written
from localpair_lab.model.adapters import Adapter, Product
from localpair_lab.paths import ADAPTERS

OWN = "localpair"


@cache
def load_product(word: str = OWN) -> Product:
    """The program with the adapter of that name in the lab's library. Raises LabError with all that is wrong."""
    path = ADAPTERS / f"{word}.yaml"
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)  # noqa: S506 - text and no objects
        adapter = Adapter.model_validate(content)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise LabError(f"{nearby(path, Path.cwd())} is no adapter: {error}") from None
    except ValidationError as error:
        faults = [
            f"{written(tuple(one['loc']))}: {one['msg'].removeprefix('Value error, ')}"
            for one in error.errors()
        ]
        raise LabError(f"{nearby(path, Path.cwd())} is no adapter: {'; '.join(faults)}") from None
    return Product(path.stem, adapter, path.parent)
