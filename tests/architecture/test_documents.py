"""The documents agree with the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(
    path
    for path in ROOT.rglob("*.md")
    if not any(part.startswith(".") for part in path.relative_to(ROOT).parts)
)
README = (ROOT / "README.md").read_text()
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_of_a_document_leads_somewhere(document):
    links = re.findall(r"\]\((?!https?://|#)([^)#]+)", document.read_text())

    assert [link for link in links if not (document.parent / link).exists()] == []


def test_every_make_target_that_a_document_names_exists():
    targets = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
    named = {
        target
        for document in DOCUMENTS
        for target in re.findall(r"(?m)(?:^|`)make ([a-z-]+)", document.read_text())
    }

    assert named
    assert named <= targets


def test_continuous_integration_runs_what_the_readme_says():
    script = (ROOT / ".ci" / "run").read_text()

    assert re.findall(r"^make \w+", script, re.MULTILINE) == ["make lint", "make test"]
    assert "make test" in README


def test_every_folder_of_the_map_exists():
    folders = re.findall(r"^\| `([\w./-]+)`", ARCHITECTURE, re.MULTILINE)

    assert len(folders) > 8
    assert [folder for folder in folders if not any(ROOT.rglob(folder.rstrip("/")))] == []


def test_every_decision_has_its_five_headings_and_its_own_number():
    decisions = sorted((ROOT / "docs" / "decisions").glob("0*.md"))
    numbers = [path.name[:4] for path in decisions]
    headings = (
        "**Question.**",
        "**Decision.**",
        "**Because.**",
        "**Price.**",
        "**Change it when**",
    )
    incomplete = [
        path.name for path in decisions if any(part not in path.read_text() for part in headings)
    ]

    assert len(set(numbers)) == len(numbers) > 0
    assert incomplete == []


def test_every_refusal_of_a_login_says_reconnect_and_the_command():
    """Exit code 77 has the same wording in the taps and in control."""
    texts = {
        path: path.read_text()
        for program in ("scout_control", "tap-common", "tap-commcare", "tap-commcare-connect")
        for path in (ROOT / program).rglob("*.py")
    }
    made = [
        text[found.end() : found.end() + 300]
        for path, text in texts.items()
        if "scout_control" in path.parts  # the taps' own error adds the sentence itself
        for found in re.finditer(r"CredentialRefusedError\(\n", text)
    ]

    assert not [
        path for path, text in texts.items() if re.search(r'(?<!")"[^"\n]*[Cc]onnect again', text)
    ]
    assert len(made) >= 3
    assert all("{RECONNECT}" in each for each in made)
