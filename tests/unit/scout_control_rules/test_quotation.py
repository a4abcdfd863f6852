"""What may be shown of the message of a plugin: what happened, and nothing about people."""

from __future__ import annotations

import base64

import pytest
from scout_control.rules.quotation import MAX_CHARACTERS, MAX_INPUT, REMOVED, quoted

KEY = 'c0rrect horse"battery/staple'


@pytest.mark.parametrize(
    "spelling",
    [
        KEY,
        "c0rrect%20horse%22battery%2Fstaple",
        "c0rrect+horse%22battery%2Fstaple",
        base64.b64encode(KEY.encode()).decode(),
        'c0rrect horse\\"battery/staple',
        'c0rrect\n   horse"battery/staple',
    ],
)
def test_a_known_secret_is_removed_in_every_spelling(spelling):
    for is_foreign in (True, False):
        said = quoted(f"The key {spelling} is bad", [KEY], may_quote_records=is_foreign)
        assert said == f"The key {REMOVED} is bad"


def test_a_known_secret_is_removed_where_it_is_part_of_another():
    assert quoted("abcdef and abcd", ["abcd", "abcdef"]) == f"{REMOVED} and {REMOVED}"
    assert quoted("no", ["no"]) == "no"  # too short to tell it from a word


@pytest.mark.parametrize(
    ("text", "leaks"),
    [
        ("cannot connect to postgresql://ann:s3cret@db.example.org/x", "s3cret"),
        ("cannot connect to postgresql://ann:s3c@ret@db.example.org/x", "s3c"),
        ("cannot connect to mysql://ann:pa/ss@db.example.org/x", "pa/ss"),
        ("GET https://api.example.org/v1?api_key=s3cret failed", "s3cret"),
        ("GET https://api.example.org/v1?name=Amina failed", "Amina"),
        ("sent Authorization: ApiKey ann:s3cret", "s3cret"),
        ("headers: authorization='Basic YW5uOnMzY3JldA=='", "YW5u"),
        ("with Bearer eyJhbGciOi.J9.x", "eyJ"),
        ("Set-Cookie: session=s3cret; path=/", "s3cret"),
        ("the account amina.okafor+x@clinic.example.org is locked", "amina"),
        ("Token 9944b09199c62bcf is not valid", "9944b"),
    ],
)
def test_what_secrets_and_addresses_look_like_is_removed_from_any_plugin(text, leaks):
    for is_foreign in (True, False):
        said = quoted(text, may_quote_records=is_foreign)
        assert leaks not in said
        assert said.split()[0] == text.split()[0]


@pytest.mark.parametrize(
    ("text", "leaks"),
    [
        ("ValueError: invalid literal for int() with base 10: 'Amina Okafor'", "Amina"),
        ('ValueError: could not convert "Amina Okafor" to float', "Amina"),
        ("ValueError: bad value `Amina`", "Amina"),
        ("jsonschema.ValidationError: {'name': 'Amina', 'age': 31} is not valid", "Amina"),
        ("KeyError: 'Amina Okafor'", "Amina"),
        ("TypeError: cannot parse ['Amina', 31]", "Amina"),
        ("the value 'Amina Okaf", "Amina"),
        ('Error: row {"name": "Amina"', "Amina"),
        ("duplicate key: Key (name, phone)=(Amina, 0712) already exists.", "Amina"),
        ("could not store phone +254 712 345 678", "712"),
        ("could not store number 254712345678", "254712345678"),
        ("born 1990-02-17 is not a date", "1990"),
        ("case 0a1b2c3d-0000-4000-8000-0123456789ab is broken", "0a1b2c3d"),
        ("case 8f14e45fceea167a5a36dedd4bea2543 is broken", "8f14"),
        ("name=Amina, age=31: invalid", "Amina"),
        ("password: s3cret is wrong", "s3cret"),
        ("config['api_key'] = 's3cret'", "s3cret"),
    ],
)
def test_what_values_look_like_is_removed_from_plugins_that_may_quote_records(text, leaks):
    assert leaks not in quoted(text)


@pytest.mark.parametrize(
    "text",
    [
        "HTTP 403 for https://api.example.org/v1/visits",
        "ModuleNotFoundError: No module named 'pendulum'",
        "Missing required key 'start_date' in config",
        "Config validation failed: 'api_url' is a required property",
        "FileNotFoundError: [Errno 2] No such file or directory: '/etc/tap/config.json'",
        "ConnectionRefusedError: [Errno 111] Connection refused",
        "rate limit exceeded, retry in 60 s",
        "could not connect to 127.0.0.1:5432",
        "tap-x isn't able to read the list of clinics",
    ],
)
def test_what_says_what_happened_stays(text):
    assert quoted(text) == text


def test_the_reason_inside_a_quoted_object_stays():
    text = (
        "requests.exceptions.ConnectionError: HTTPConnectionPool(host='127.0.0.1', port=9): Max "
        "retries exceeded with url: /a?x=Amina (Caused by NewConnectionError('<urllib3.x object at "
        "0x7f>: Failed to establish a new connection: [Errno 111] Connection refused'))"
    )

    said = quoted(text)
    assert "Connection refused" in said
    assert said.startswith("requests.exceptions.ConnectionError")


def test_a_message_is_one_line_of_limited_length_without_escape_sequences():
    said = quoted("first\nsecond\r\x1b[2J " + "word " * 2_000)

    assert said.startswith("first second \\x1b[2J word")
    assert len(said) == MAX_CHARACTERS
    assert said.endswith("...")


def test_a_message_that_is_too_long_ends_with_a_whole_sentence():
    advice = "The setting domain names no project space of this account. "
    said = quoted(advice * 20, may_quote_records=False)

    assert len(said) <= MAX_CHARACTERS
    assert said.endswith("of this account. ...")
    assert quoted(advice * 8, may_quote_records=False) == (advice * 8).strip()


def test_half_a_secret_at_the_end_of_a_long_text_is_removed():
    text = "it broke:" + " " * (MAX_INPUT - 14) + "canary-of-the-tap"

    for is_foreign in (True, False):
        assert "canary" not in quoted(text, ["canary-of-the-tap"], may_quote_records=is_foreign)
        cut = text[:MAX_INPUT]
        assert "canar" not in quoted(cut, ["canary-of-the-tap"], may_quote_records=is_foreign)


def test_a_huge_line_costs_no_time():
    for part in ("'", '"', "{", "[,", "(a)=(", "1 ", "a@", "://", "=", "x.", "\\"):
        quoted(part * 500_000)
