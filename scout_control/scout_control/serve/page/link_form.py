"""The settings of a link as a form has them, and back. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scout_control.errors import SettingsError
from scout_control.meltano.project import STREAMS_SETTING
from scout_control.rules import column_rules

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Rules = Mapping[str, Sequence[str]]

SHOWN = frozenset({STREAMS_SETTING, *column_rules.NAMES})
FORM_OF_RULES = "Write one stream per line, then its columns: cases: case_name, properties.phone"


@dataclass(frozen=True, kw_only=True)
class LinkForm:
    """What the form of a link shows."""

    mode: str
    hours: str
    streams: str
    exclude: str
    hash: str
    others: Mapping[str, Any]
    """Settings that this form does not change."""

    @classmethod
    def of(cls, mode: str, hours: int, config: Mapping[str, Any]) -> LinkForm:
        """Return the form of a link."""
        return cls(
            mode=mode,
            hours=str(hours),
            streams="\n".join(config.get(STREAMS_SETTING) or ()),
            exclude=_text(config.get(column_rules.EXCLUDE) or {}),
            hash=_text(config.get(column_rules.HASH) or {}),
            others={name: value for name, value in config.items() if name not in SHOWN},
        )

    @classmethod
    def sent(cls, form: Mapping[str, str], before: LinkForm) -> LinkForm:
        """Return what a person has sent; what is missing stays as before."""
        names = ("mode", "hours", "streams", "exclude", "hash")
        texts = {name: form.get(name, getattr(before, name)) for name in names}
        return cls(**texts, others=before.others)


def changes(sent: LinkForm, before: LinkForm) -> dict[str, Any]:
    """Return the arguments that change a link.

    Raises:
        SettingsError: A number or a line is not readable.
    """
    streams = [each.strip() for line in sent.streams.splitlines() for each in line.split(",")]
    streams = [each for each in streams if each]
    exclude = _changed("Columns to leave out", sent.exclude, before.exclude)
    hashed = _changed("Columns to hash", sent.hash, before.hash)
    emptied = {
        "streams": before.streams and not streams,
        "exclude": before.exclude and not sent.exclude.strip(),
        "hash": before.hash and not sent.hash.strip(),
    }
    return {
        "mode": sent.mode,
        "interval_hours": _hours(sent.hours),
        "config": {STREAMS_SETTING: streams} if streams else None,
        "unset": [name for name, is_emptied in emptied.items() if is_emptied],
        "exclude": exclude,
        "hash": hashed,
    }


def has_other_rules(sent: LinkForm, before: LinkForm) -> bool:
    """Return whether rules for columns differ, which changes no row that is loaded already."""
    return (_rules("", sent.exclude), _rules("", sent.hash)) != (
        _rules("", before.exclude),
        _rules("", before.hash),
    )


def _hours(text: str) -> int:
    if not text.strip().isascii() or not text.strip().isdigit():
        raise SettingsError("The interval is not a number of hours.", "Write a number such as 24.")
    return int(text.strip()[:9])


def _text(rules: Rules) -> str:
    return "\n".join(f"{stream}: {', '.join(paths)}" for stream, paths in rules.items())


def _rules(field: str, text: str) -> dict[str, list[str]]:
    """Return the columns by stream."""
    found: dict[str, list[str]] = {}
    for number, line in enumerate(text.splitlines(), 1):
        stream, colon, columns = line.partition(":")
        paths = [each.strip() for each in columns.split(",") if each.strip()]
        if not line.strip():
            continue
        if not colon or not stream.strip() or not paths:
            raise SettingsError(f"{field}: line {number} is not readable.", FORM_OF_RULES)
        found.setdefault(stream.strip(), []).extend(paths)
    return found


def _changed(field: str, sent: str, before: str) -> Rules | None:
    """Return the rules that are set; streams that have none any longer are named without."""
    rules, earlier = _rules(field, sent), _rules(field, before)
    if not rules or rules == earlier:
        return None
    return {stream: [] for stream in earlier} | rules
