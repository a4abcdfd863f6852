"""An installation with a store in a fresh database, and a project with a tap of a few lines."""

from __future__ import annotations

import pytest
from support.installations import a_database, installed


@pytest.fixture(scope="module")
def shared_installation(postgres, tmp_path_factory):
    """One for all tests of a module, which only read."""
    with installed(a_database(postgres), tmp_path_factory.mktemp("shared")) as made:
        yield made


@pytest.fixture
def url(postgres):
    return a_database(postgres)


@pytest.fixture
def installation(url, tmp_path):
    with installed(url, tmp_path) as made:
        yield made
