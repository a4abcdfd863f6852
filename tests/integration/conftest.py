"""An installation with a store in a fresh database, and a project with a tap of a few lines."""

from __future__ import annotations

import pytest
from support.installations import a_database, installed
from support.logins import at_database_of


@pytest.fixture(scope="module")
def shared_installation(postgres, control_postgres, tmp_path_factory):
    """One for all tests of a module, which only read."""
    url = a_database(control_postgres)
    superuser_url = at_database_of(postgres, url)
    with installed(url, tmp_path_factory.mktemp("shared"), superuser_url=superuser_url) as made:
        yield made


@pytest.fixture
def url(control_postgres):
    return a_database(control_postgres)


@pytest.fixture
def superuser_url(postgres, url):
    return at_database_of(postgres, url)


@pytest.fixture
def installation(url, superuser_url, tmp_path):
    with installed(url, tmp_path, superuser_url=superuser_url) as made:
        yield made
