"""Labels, names and the comments made of them: plain, short, and first what a column is."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scout_dbt.planning import comments, labels
from scout_dbt.planning.case_tables import CaseType, draft_table
from scout_dbt.planning.form_tables import FormType, draft_tables
from scout_dbt.planning.tables import PathProfile, Question


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("Name of mother", "Name of mother"),
        ("  Name\n\tof\r\n mother ", "Name of mother"),
        ("Hello\x00\x1b[31m\x85\u2028\u202egpj", "Hello [31m gpj"),
        ("**Danger** signs of __mother__", "Danger signs of mother"),
        ("# Section\n## Part", "Section Part"),
        ("See [the guide](https://x.org/a) ![](jr://file/a.png)", "See the guide"),
        ('How is <output value="/data/mother_name"/>?', "How is [mother_name]?"),
        ("<output value='#form/group/edd' vellum:value=\"x\" /> due", "[edd] due"),
        ('<output ref="/data/a > 3"></output>', "[a]"),
        (
            "<output value=\"format-date(date(/data/edd), '%e/%n/%Y')\"/>",
            "[edd]",
        ),
        (
            "<output value=\"instance('casedb')/casedb/case[@case_id = 'x']/case_name\"/>",
            "[case_name]",
        ),
        ('<output value="today()"/> and <output/>', "[...] and [...]"),
        ("&lt;output value=&quot;/data/x&quot;/&gt; years", "[x] years"),
        ("Is [/data/name] well? [...]", "Is [/data/name] well? [...]"),
        ('<b>Bold</b><br/>line <font color="red">red</font>', "Bold line red"),
        ("Age &lt; 5 &amp; weight", "Age < 5 & weight"),
        ("age <5 or >10, <min or >max", "age <5 or >10, <min or >max"),
        ("a_b__c__d and ____ years", "a_b__c__d and ____ years"),
        ("क्\u200dष नाम", "क्\u200dष नाम"),
        ({"fra": "Nom", "en": "Name"}, "Name"),
        ({"hin": "", "swa": "Jina"}, "Jina"),
        ('{"en": "Name", "fra": "Nom"}', "Name"),
        ("{not json", "{not json"),
        ("", ""),
        (None, ""),
        (["x"], ""),
        (7, ""),
    ],
)
def test_a_label_is_one_line_of_plain_text(written, read):
    assert labels.label(written) == read


def test_a_question_without_a_default_label_has_that_of_another_language():
    assert labels.label(" <br/> ", {"fra": "Nom", "por": "Nome"}) == "Nom"
    assert labels.label(None, {"en": "", "fra": None, "x": 3}) == ""


@given(st.text(max_size=9_000))
def test_a_label_is_short_and_has_no_control_characters(text):
    found = labels.label(text)

    assert len(found) <= labels.LONGEST_LABEL
    assert not {"Cc", "Zl", "Zp", "Cs"} & {unicodedata.category(sign) for sign in found}
    assert found == found.strip()


@pytest.mark.parametrize(
    "part", ["<output ", '<output value="', "<a b=c ", "**", "[a](", "{", "__a"]
)
def test_odd_labels_are_read_in_no_time(part):
    assert len(labels.label(part * 20_000)) <= labels.LONGEST_LABEL


def test_long_texts_are_cut_between_words():
    assert labels.cut("one two three", 12) == "one two..."
    assert labels.cut("a" * 20, 10) == "aaaaaaa..."


def columns(*questions, profiles=None):
    form = FormType(
        xmlns="http://x/a",
        preferred_name="f",
        title="App > Mothers > Visit: home",
        form_name="Visit: home",
        domains=["north"],
        questions=questions,
        profiles=profiles or {},
    )
    return {each.name: each for table in draft_tables(form) for each in (table, *table.columns)}


def test_a_column_of_a_form_begins_with_the_label_and_ends_with_where_it_is_from():
    options = (("yes", "Yes"), ("no", None), ("x", "x"), ("y", {"en": "<b>Why</b>"}))
    asked = Question(path=("a", "ok"), type="Select", label="Are you **ok**?", options=options)

    assert columns(asked)["a_ok"].comment == (
        "Are you ok? Options: yes = Yes; no; x; y = Why. "
        "From: question /data/a/ok (Select), form App > Mothers > Visit: home, "
        "domain north, CommCare"
    )


def test_columns_without_a_label_begin_with_their_own_name():
    found = columns(
        Question(path=("total",), type="DataBindOnly"),
        Question(path=("note",), type="Text", label=" : "),
        profiles={
            ("@version",): PathProfile(is_scalar=True),
            ("new",): PathProfile(is_scalar=True),
            ("case",): PathProfile(is_case_block=True),
        },
    )

    starts = {name: each.comment.split(" From: ")[0] for name, each in found.items()}
    assert starts == {
        "form_f": "Visit: home: one row per submitted form.",
        "total": "total (hidden value).",
        "note": "note.",
        "form_version": "version (attribute).",
        "new": "new.",
        "case": "Case block: what the form does with cases, as JSON.",
    }


def test_tables_begin_with_what_they_are_and_end_with_the_xmlns():
    found = columns(
        Question(path=("kids",), tag="repeat", label="Children"),
        Question(path=("kids", "age"), type="Int", label="Age"),
    )

    assert found["form_f"].comment == (
        "Visit: home: one row per submitted form. From: xmlns http://x/a, "
        "form App > Mothers > Visit: home, domain north, CommCare"
    )
    assert found["form_f__kids"].comment.startswith(
        "Children, repeat group of Visit: home: one row per entry. From: repeat group /data/kids"
    )


def test_a_case_property_begins_with_its_name_and_the_label_of_its_question():
    case = CaseType(
        name="preg\x07nancy",
        domains=[f"d{number}" for number in range(8)],
        properties=["edd", "risk"],
        indices=["parent"],
        questions=[Question(path=("x", "edd"), type="Date", label="When is it due?")],
    )
    table = draft_table(case)

    edd, risk = table.columns
    assert edd.comment.startswith("edd: When is it due? From: property edd (Date), case type preg ")
    assert edd.comment.endswith("domain d0, d1, d2, d3, d4, and 3 more, CommCare")
    assert risk.comment.startswith("risk. From: property risk, case type preg nancy")
    assert table.indices[0].comment.startswith("Id of the parent case. From: index parent, ")
    assert table.comment.startswith("Cases of type preg nancy, one row per case")


@given(st.lists(st.tuples(st.text(), st.none() | st.text(max_size=500)), max_size=90), st.text())
def test_comments_stay_short_whatever_an_application_contains(options, text):
    asked = Question(path=(text * 9,), type=text, label=text * 99, options=tuple(options))
    case = CaseType(name=text * 99, domains=[text] * 99, questions=[asked], properties=["a"])

    for each in (*columns(asked).values(), draft_table(case)):
        assert len(each.comment) < 2_000
        assert not {"Cc", "Zl", "Zp", "Cs"} & set(map(unicodedata.category, each.comment))


def test_of_many_options_the_first_are_listed():
    asked = Question(path=("a",), options=tuple((f"v{n}", f"Label {n}") for n in range(300)))
    text = comments.with_options("Where", asked)

    assert text.startswith("Where. Options: v0 = Label 0; v1 = Label 1")
    assert text.endswith(" more")
    assert len(text) < 900


def test_many_domains_are_counted_and_none_is_unknown():
    assert comments.origin("CommCare", []) == "domain unknown, CommCare"
    assert comments.origin("CommCare", ["a\nb"]) == "domain a b, CommCare"
    assert comments.origin("X", [str(n) for n in range(7)]).endswith("3, 4, and 2 more, X")


@pytest.mark.parametrize(
    ("what", "sentence"),
    [
        ("Name", "Name. From: x"),
        ("Name:", "Name. From: x"),
        ("Name.", "Name. From: x"),
        ("Really?", "Really? From: x"),
        ("Cut...", "Cut... From: x"),
    ],
)
def test_what_a_column_is_ends_like_a_sentence(what, sentence):
    assert comments.comment(what, ["x"]) == sentence


@pytest.mark.parametrize(
    ("label", "shown"),
    [
        ("Phone number", "phone_number"),
        ("PHONE-number:", "phone_number"),
        ("", "phone_number"),
        ("...", "phone_number"),
        ("Whom can we call?", "phone_number: Whom can we call?"),
    ],
)
def test_a_label_that_repeats_the_name_of_a_property_is_not_shown(label, shown):
    asked = Question(path=("phone_number",), label=label)

    assert comments.case_property("phone_number", asked) == shown


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        (("a", "b"), "b"),
        (("@version",), "version (attribute)"),
        (("a", "#type"), "type"),
        ((), "Text"),
        (("a\x1bb",), "a b"),
    ],
)
def test_an_answer_that_no_application_knows_is_called_like_its_last_step(path, shown):
    assert comments.answer(None, path) == shown
