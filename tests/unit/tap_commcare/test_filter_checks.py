"""Values of filters that do not exist are reported, as far as a run can know."""

from __future__ import annotations

import pytest
from tap_commcare.filter_checks import FilterChecks, ObservedList
from tap_common.full_table import ListPage

FORM = "http://openrosa.org/formdesigner/{}"
A, B = FORM.format("1B0E1C6A-0001"), FORM.format("9F3D77E2-7A11")


def checks(**config):
    return FilterChecks(config, config.pop("spaces", ["river"]))


@pytest.fixture
def case_types():
    return checks(case_types=["mother", "prgnancy", "zzz"]).case_types


def test_a_whole_read_shows_which_types_no_case_has(case_types):
    case_types.see(["mother", "mother", None, 5])
    case_types.see_in_application(["mother", "pregnancy"])
    assert case_types.finding() is not None

    case_types.mark_complete("river")
    assert case_types.finding() == (
        "case_types: river: no case has the type prgnancy (did you mean pregnancy?), zzz"
    )
    case_types.see(["zzz"])
    assert "zzz" not in str(case_types.finding())


def test_an_incremental_read_reports_only_what_looks_mistyped(case_types):
    assert case_types.finding() is None

    case_types.see_in_application(["mother", "pregnancy"])
    assert case_types.finding() == (
        "case_types: river: no application uses the case type prgnancy (did you mean pregnancy?)"
    )
    case_types.see(["prgnancy"])
    assert case_types.finding() is None


def test_all_domains_must_be_read():
    check = checks(case_types=["mother"], spaces=["river", "lake"]).case_types
    check.mark_complete("river")
    assert check.finding() is None
    check.mark_complete("lake")
    assert check.finding() == "case_types: river and lake: no case has the type mother"


def test_a_suggested_xmlns_is_almost_the_same():
    check = checks(form_xmlns=[A.replace("1B0E", "1B0F"), B]).form_xmlns
    check.see([A])
    check.mark_complete("river")

    assert check.finding() == (
        f"form_xmlns: river: no form has the xmlns {A.replace('1B0E', '1B0F')} (did you mean {A}?),"
        f" {B}"
    )


def test_without_filters_nothing_is_kept_or_reported(caplog):
    found = checks()
    for check in (found.case_types, found.form_xmlns, found.app_ids):
        check.see(["a"])
        check.see_in_application(["a"])
        check.mark_complete("river")
        assert (check.seen, check.in_applications) == (set(), set())
    found.log()

    assert caplog.messages == []


class Pages:
    """A list of three pages."""

    def page(self, position, limit=None):
        del limit
        at = (position or {}).get("at", 0)
        return ListPage([at], {"at": at + 1} if at < 2 else None)


@pytest.mark.parametrize(("first", "is_complete"), [(None, True), ({"at": 1}, False)])
def test_a_list_is_complete_when_it_was_read_from_its_first_page(first, is_complete):
    seen, ends = [], []
    source = ObservedList(Pages(), seen.extend, lambda: ends.append(True))
    page = source.page(first)
    while page.next_position is not None:
        page = source.page(page.next_position)

    assert seen == ([0, 1, 2] if is_complete else [1, 2])
    assert ends == [True] * is_complete
    source.page(None, 1)
    assert ends == [True] * is_complete
