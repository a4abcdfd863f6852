"""What is told after a change of rules, as one text: that of ``scout apply``."""

from __future__ import annotations

from scout_control.api.rule_changes import ANY, MAX_NAMED, RuleNote, reload_command, summary

KEEP, LACK = "keep their values", "lack the values that were excluded"
WARNING = "No row that is loaded has cases.properties.x."


def note(*paths: str, effect: str = KEEP, warnings: tuple[str, ...] = ()) -> RuleNote:
    return RuleNote(earlier_rows=paths, effect=effect, warnings=warnings)


def test_without_a_change_nothing_is_told():
    assert summary([]) == ""
    assert summary([note()]) == ""  # no rows are loaded


def test_one_dataset_is_named_with_its_command():
    assert summary([note("big river/hq", warnings=(WARNING,))]) == (
        f"Warning: {WARNING} Rows of big river/hq that are loaded already keep their values. To "
        "load everything again: scout datasets drop 'big river/hq' && scout run 'big river/hq'"
    )


def test_what_holds_for_several_datasets_is_told_once():
    text = summary([note("a/hq", warnings=(WARNING,)), note("b/hq", warnings=(WARNING,))])

    assert text.count(WARNING) == 1
    assert "Rows of a/hq, b/hq that are loaded already keep their values." in text
    assert text.endswith("scout datasets drop DATASET && scout run DATASET")


def test_many_datasets_are_counted():
    text = summary([note(f"p{number}/hq") for number in range(MAX_NAMED + 1)])

    assert "Rows of 6 datasets that are loaded already keep" in text


def test_each_effect_is_told_with_its_own_datasets():
    text = summary([note("a/hq"), note("b/hq", effect=LACK)])

    assert "Rows of a/hq that are loaded already keep their values." in text
    assert "Rows of b/hq that are loaded already lack the values that were excluded." in text


def test_what_stands_for_any_dataset_is_not_quoted():
    assert reload_command(ANY) == "scout datasets drop DATASET && scout run DATASET"
