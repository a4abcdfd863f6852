"""Generated benchmark data, deterministic for a size.

cases: 13 columns, about 1.1 kB a line; forms: 7 columns, about 1.9 kB; narrow: 6 scalars, 0.2 kB.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

STATE_EVERY = 1000
LINE_END = "\n"


def _nullable(kind: str, form: str | None = None) -> dict[str, Any]:
    part: dict[str, Any] = {"type": [kind, "null"]}
    return part | ({"format": form} if form else {})


MOMENT = _nullable("string", "date-time")
TEXT = _nullable("string")
SCHEMAS: dict[str, dict[str, Any]] = {
    "cases": {
        "case_id": {"type": "string"},
        "domain": TEXT,
        "case_type": TEXT,
        "case_name": TEXT,
        "external_id": TEXT,
        "owner_id": TEXT,
        "date_opened": MOMENT,
        "last_modified": MOMENT,
        "indexed_on": MOMENT,
        "closed": _nullable("boolean"),
        "date_closed": MOMENT,
        "properties": _nullable("object"),
        "indices": _nullable("object"),
    },
    "forms": {
        "form_id": {"type": "string"},
        "domain": TEXT,
        "xmlns": TEXT,
        "app_id": TEXT,
        "received_on": MOMENT,
        "user_id": TEXT,
        "form_data": _nullable("object"),
    },
    "narrow": {
        "id": {"type": "integer"},
        "name": TEXT,
        "amount": _nullable("number"),
        "is_open": _nullable("boolean"),
        "changed_at": MOMENT,
        "visits": _nullable("integer"),
    },
}
KEYS = {"cases": "case_id", "forms": "form_id", "narrow": "id"}


def _moment(rng: random.Random) -> str:
    return (
        f"2025-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}T{rng.randint(0, 23):02}:"
        f"{rng.randint(0, 59):02}:{rng.randint(0, 59):02}.{rng.randint(0, 999999):06}Z"
    )


WORDS = (
    *("village", "household", "visit", "weight", "height", "child", "follow", "up", "done"),
    *("नेपाल", "école"),
)


def _text(rng: random.Random, count: int) -> str:
    return " ".join(rng.choice(WORDS) for _ in range(count))


def record(kind: str, number: int, variant: int = 0) -> dict[str, Any]:
    """Return one record; another variant is the same row, edited."""
    rng = random.Random(f"{kind}{number}")
    identity = f"{rng.getrandbits(128):032x}"
    changing = random.Random(f"{kind}{number}{variant}")
    if kind == "narrow":
        return {
            "id": number,
            "name": _text(rng, 3),
            "amount": round(changing.random() * 1000, 2),
            "is_open": rng.random() < 0.5,
            "changed_at": _moment(changing),
            "visits": rng.randint(0, 500),
        }
    if kind == "forms":
        questions = {f"question_{n}": _text(changing, 5) for n in range(22)}
        return {
            "form_id": identity,
            "domain": "demo",
            "xmlns": f"http://openrosa.org/formdesigner/{rng.randint(1, 9)}",
            "app_id": f"{rng.getrandbits(128):032x}",
            "received_on": _moment(changing),
            "user_id": f"{rng.getrandbits(128):032x}",
            "form_data": {"@type": "data", "group": questions, "meta": {"deviceID": "x"}},
        }
    return {
        "case_id": identity,
        "domain": "demo",
        "case_type": "patient",
        "case_name": _text(rng, 2),
        "external_id": None,
        "owner_id": f"{rng.getrandbits(128):032x}",
        "date_opened": _moment(rng),
        "last_modified": _moment(changing),
        "indexed_on": _moment(changing),
        "closed": rng.random() < 0.2,
        "date_closed": None,
        "properties": {f"property_{n}": _text(changing, 3) for n in range(14)},
        "indices": {"parent": {"case_id": identity[::-1], "case_type": "household"}},
    }


def messages(kind: str, count: int, changed_share: float = 0.0) -> Iterator[str]:
    """Yield the messages of a stream, with a share of the records edited."""
    schema = {"properties": SCHEMAS[kind], "type": "object"}
    yield (
        json.dumps(
            {"type": "SCHEMA", "stream": kind, "schema": schema, "key_properties": [KEYS[kind]]}
        )
        + LINE_END
    )
    rng = random.Random(kind)
    for number in range(count):
        variant = 1 if rng.random() < changed_share else 0
        row = json.dumps(record(kind, number, variant), ensure_ascii=False, separators=(",", ":"))
        yield f'{{"type":"RECORD","stream":"{kind}","record":{row}}}\n'
        if number % STATE_EVERY == STATE_EVERY - 1:
            yield json.dumps({"type": "STATE", "value": {"bookmarks": {kind: number}}}) + LINE_END


def repeated(source: Path, kind: str, copies: int) -> Iterator[str]:
    """Yield a stream several times with different keys: faster than generating more records."""
    with source.open(encoding="utf-8") as file:
        yield next(file)
    mark = f'"{KEYS[kind]}":'
    count = sum(1 for _ in source.open(encoding="utf-8"))
    for copy in range(copies):
        with source.open(encoding="utf-8") as file:
            next(file)
            for line in file:
                head, found, rest = line.partition(mark)
                if not found:
                    yield line
                elif kind == "narrow":
                    number, comma, rest = rest.partition(",")
                    yield f"{head}{found}{int(number) + copy * count}{comma}{rest}"
                else:
                    yield f'{head}{found}"{copy}{rest[2:]}'


def write(path: Path, lines: Iterable[str]) -> Path:
    """Write lines to a file unless it exists."""
    if not path.exists():
        part = path.with_suffix(".part")
        with part.open("w", encoding="utf-8") as file:
            file.writelines(lines)
        part.rename(path)
    return path
