"""What dbt makes of text without Jinja: what it would make of it itself."""

from __future__ import annotations

import pytest
from dbt.clients import jinja
from hypothesis import assume, given
from hypothesis import strategies as st
from scout_dbt.runner import plain_text


@pytest.fixture(autouse=True)
def known(monkeypatch):
    """Forget at the end what is set in dbt."""
    monkeypatch.setattr(jinja, "_render_cache", {})


def by_dbt(text: str) -> object:
    return jinja.render_template(jinja.get_template(text, {}, native=True), {})


def compiled(monkeypatch) -> list[str]:
    """Return a list of the texts that dbt compiles from now on."""
    texts: list[str] = []
    get_template = jinja.get_template

    def note(text, *args, **options):
        texts.append(text)
        return get_template(text, *args, **options)

    monkeypatch.setattr(jinja, "get_template", note)
    return texts


@given(st.text() | st.from_regex(r"\A[ab{}\n\r\x85\u2028 ]{0,5}\Z"))
def test_every_text_is_rendered_as_dbt_would(text):
    assume(not jinja._HAS_RENDER_CHARS_PAT.search(text))
    expected = by_dbt(text)

    plain_text.render_as_it_is()

    assert jinja.get_rendered(text, {}, native=True) == expected
    assert type(jinja.get_rendered(text, {}, native=True)) is type(expected)


@pytest.mark.parametrize("text", ["5", "true", "None", "[1]", "'x'", " a ", "a\n", "a\r\nb", ""])
def test_what_looks_like_a_value_stays_as_dbt_renders_it(text):
    expected = by_dbt(text)

    plain_text.render_as_it_is()

    assert jinja.get_rendered(text, {}, native=True) == expected


def test_text_of_one_line_is_not_compiled_and_expressions_are(monkeypatch):
    plain_text.render_as_it_is()
    texts = compiled(monkeypatch)

    assert jinja.get_rendered("date_of_birth", {}, native=True) == "date_of_birth"
    assert jinja.get_rendered("{{ 2 + 3 }}", {}, native=True) == "5"
    assert texts == ["{{ 2 + 3 }}"]


def test_what_dbt_has_rendered_is_kept(monkeypatch):
    plain_text.render_as_it_is()
    jinja.get_rendered("two\nlines\n", {}, native=True)
    texts = compiled(monkeypatch)

    assert jinja.get_rendered("two\nlines\n", {}, native=True) == "two\nlines"
    assert texts == []
