"""The files for CI in docs/ci: right by the schemas of their makers, and with the options that the lab has."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest
import yaml

import places

FOLDER = places.ROOT / "docs" / "ci"
FILES = {"github-actions.yml": "vendor.github-workflows", "gitlab-ci.yml": "vendor.gitlab-ci"}


@pytest.mark.parametrize(("name", "schema"), FILES.items())
def test_a_file_is_right_by_its_makers_schema(name: str, schema: str) -> None:
    pytest.importorskip("check_jsonschema")
    words = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, str(FOLDER / name)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", FILES)
def test_its_options_are_the_labs(name: str, pytestconfig: pytest.Config) -> None:
    text = (FOLDER / name).read_text()
    known = {
        option for group in pytestconfig._parser._groups for one in group.options for option in one.names()
    }
    assert yaml.safe_load(text)
    used = set(re.findall(r"--lab-[a-z]+", text))
    assert used == {"--lab-engine", "--lab-strict", "--lab-shard", "--lab-html", "--lab-cells"}
    assert used <= known


def test_the_dev_container_is_json_with_comments_and_names_what_is_there() -> None:
    text = (places.ROOT / ".devcontainer" / "devcontainer.json").read_text()
    found = json.loads("\n".join(line for line in text.splitlines() if not line.lstrip().startswith("//")))
    assert (places.ROOT / found["postCreateCommand"]).is_file()
    (schema,) = found["customizations"]["vscode"]["settings"]["yaml.schemas"]
    assert (places.ROOT / schema).is_file()
