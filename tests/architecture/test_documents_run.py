"""Every block that a reader would paste is run by a test, or says why not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support import documents
from support.documents import BLOCKS, Block, Reason

TESTS = Path(__file__).parents[1]
RUNNERS = {value for each in BLOCKS.values() for value in each.values()} - {documents.OWN_TEST}


@pytest.mark.parametrize("document", documents.documents())
def test_every_block_of_a_document_is_run_or_says_why_not(document):
    missing = [each.beginning for each in documents.blocks(document) if not documents.runner(each)]

    assert missing == [], "name each in tests/support/documents.py"


def test_every_named_block_exists():
    gone = [
        (document, beginning)
        for document, named in BLOCKS.items()
        for beginning in named
        if not any(each.beginning.startswith(beginning) for each in documents.blocks(document))
    ]

    assert gone == []


def test_every_named_test_takes_its_blocks_from_the_list():
    text = "\n".join(file.read_text() for file in TESTS.rglob("test_*.py"))
    constants = {value: name for name, value in vars(documents).items() if isinstance(value, str)}

    for runner in RUNNERS:
        assert isinstance(runner, Reason) or re.search(rf"\b{constants[runner]}\b, ", text), runner


def test_a_guide_with_a_test_of_its_own_is_read_by_one():
    text = "\n".join(file.read_text() for file in TESTS.rglob("test_*.py"))
    own = [name for name, each in BLOCKS.items() if documents.OWN_TEST in each.values()]

    assert [name for name in own if Path(name).name not in text and name != "tap"] == []


def test_reasons_name_tests_that_exist():
    named = {name for each in RUNNERS for name in re.findall(r"test_\w+\.py", each)}
    known = {file.name for file in TESTS.rglob("test_*.py")}

    assert named
    assert named <= known


def test_blocks_are_found_in_lists_and_without_their_indentation(tmp_path, monkeypatch):
    monkeypatch.setattr(documents, "ROOT", tmp_path)
    (tmp_path / "a.md").write_text(
        "1. x\n\n   ```sh\n   a\n     b\n   ```\n\n```text\nno\n```\n```python\nc\n```\n"
    )

    found = documents.blocks("a.md")

    assert found == [Block("a.md", "sh", "a\n  b\n"), Block("a.md", "python", "c\n")]
    assert [documents.runner(each) for each in found] == [None, None]
