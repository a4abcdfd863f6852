"""The table of layers in docs/architecture.md names every module, in the order that is enforced."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "architecture.md").read_text().splitlines()
LINTER = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
LAYERS = {
    container: contract["layers"]
    for contract in LINTER["contracts"]
    for container in contract.get("containers", ())
}
FOLDERS = {
    path.parent.name: path.parent
    for project in ROOT.glob("*/pyproject.toml")
    for path in project.parent.glob("*/__init__.py")
}


def layers_of(package: str) -> list[list[str]]:
    """Return the layers that import-linter enforces, as file names; a folder ends with a slash."""
    folder = FOLDERS[package]
    layers = []
    for layer in LAYERS[package]:
        # A name in parentheses exists in some of the packages to which the layers apply.
        names = [name.strip(" ()") for name in layer.split("|")]
        paths = [
            f"{name}/" if (folder / name).is_dir() else f"{name}.py"
            for name in names
            if not name.startswith("__")
        ]
        layers.append([path for path in paths if (folder / path).exists()])
    return [layer for layer in layers if layer]


def row_of(package: str) -> str:
    """Return the row of a package in the table."""
    layers = (", ".join(f"`{name}`" for name in layer) for layer in layers_of(package))
    return f"| `{package}` | {' > '.join(layers)} |"


@pytest.mark.parametrize("package", FOLDERS)
def test_the_layers_of_a_package_are_documented(package):
    assert row_of(package) in DOCUMENT, f"write into docs/architecture.md: {row_of(package)}"


@pytest.mark.parametrize("package", FOLDERS)
def test_every_module_of_a_package_is_in_a_layer(package):
    modules = {
        f"{path.name}/" if path.is_dir() else path.name
        for path in FOLDERS[package].iterdir()
        if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    documented = {name for layer in layers_of(package) for name in layer}

    assert documented == {name for name in modules if not name.startswith("__")}


def test_there_are_packages():
    assert {"tap_common", "scout_control", "scout_dbt"} <= FOLDERS.keys()
