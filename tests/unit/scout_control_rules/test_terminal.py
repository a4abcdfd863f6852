"""Control characters are escaped, everything else stays as it is."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scout_control.rules.terminal import as_json, escaped

ATTACKS = {
    "colour": "\x1b[31mred\x1b[0m",
    "title": "\x1b]0;title\x07",
    "link": "\x1b]8;;https://evil.example\x1b\\click\x1b]8;;\x1b\\",
    "clipboard": "\x1b]52;c;cm0gLXJmIH4=\x07",
    "device": "\x1bP$q\x1b\\",
    "CSI of one character": "\x9b2J",
    "OSC of one character": "\x9d52;c;eA==\x9c",
    "backspaces": "safe\x08\x08\x08\x08evil",
    "carriage return": "evil\rsafe",
    "new line": "a\nError: forged",
    "vertical": "a\x0bb\x0cc\x85d",
    "bidirectional": "user\u202egnp.exe\u202c \u2066x\u2069 \u200f",
    "separators": "a\u2028b\u2029c",
    "invisible": "a\u200bb\ufeffc\u2060d\U000e0041",
    "half a pair": "a\udc1bb",
    "nothing": "\x00\x7f",
}
KEPT = ("नदी", "क्‍ष", "👩‍👩‍👧", "العربية", "héllo wörld", "[red]x[/red]", ":smile:", "a\\x1b", "")


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_an_attack_is_escaped_and_visible(attack):
    shown = escaped(attack)

    assert all(character.isprintable() or character == "\u200d" for character in shown)
    assert shown != attack
    assert json.loads(as_json({attack: [attack]})) == {attack: [attack]}
    assert all(character.isprintable() for character in as_json({attack: [attack]}))


@pytest.mark.parametrize("text", KEPT)
def test_harmless_text_is_unchanged(text):
    assert escaped(text) == text
    assert as_json(text) == json.dumps(text, ensure_ascii=False)


def test_kept_line_ends_stay():
    assert escaped("a\nb\rc", keep="\n") == "a\nb\\rc"


@given(st.text())
def test_no_control_character_survives(text):
    shown = escaped(text) + as_json([text])

    assert not {unicodedata.category(each) for each in shown} & {"Cc", "Cs", "Zl", "Zp"}
    assert not {unicodedata.bidirectional(each) for each in shown} & {
        *("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
    }
    assert json.loads(as_json([text])) == [text]
