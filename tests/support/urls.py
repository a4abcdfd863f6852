"""Database URLs whose passwords contain delimiters, and a detector of leaks."""

from __future__ import annotations

# Text that occurs in no message, so that any three characters of it are a leak.
A, B, C = "Zqx", "Jvk", "Xwz"
SECRET = set(A + B + C + "987654")
SERVER = "127.0.0.1:1/db"  # no server listens there

PASSWORDS = [
    f"{A}/{B}", f"{A}#{B}", f"{A}?{B}", f"{A}@{B}", f"{A}:{B}", f"{A}%{B}", f"{A}&{B}",
    f"{A}/{B}#{C}?{A}", f"{A}@{B}/{C}", f"{A}@{B}:{C}", f"{A}@{B}?{C}=1", f"{A}?{B}={C}",
    f"{A}?host={B}", f"{A}?host={B}&port={C}", f"{A}#{B}@{C}", f"/{A}", f"#{A}", f"?{A}", f"@{A}",
    f"%{A}", f"{A}%2F{B}", f"{A}%zz{B}", f"{A}%00{B}", f"{A} {B}", f"{A}\\{B}", f"{A}'{B}",
    f"{A}\"{B}", f"{A}\n{B}", f"{A}\x1b[31m{B}", f"{A}[{B}]", f"[{A}]", f"{A},{B}", f"987/{A}",
    f"987@654:{A}", f"987@654/{A}", f"{A}é/{B}", f"{A}\u2028{B}/{C}", f"{A}\ud800{B}",
    f"{A}//{B}", f"{A}://{B}",
]  # fmt: skip

OTHERS = [
    (f"{A}/{B}", "postgresql:///db?host=127.0.0.1&port=1&password={}"),
    (f"{A}{B}", "postgresql://127.0.0.1:1/db?user=u&password={}"),
    (f"{A}{B}", "host=127.0.0.1 port=1 user=u password={} dbname=db"),
    (f"{A} {B}", "host=127.0.0.1 port=1 user=u password='{}' dbname=db"),
    (f"{A}={B}", "host=127.0.0.1 port=1 password={} wrong=1"),
    (f"{A}{B}", "host=127.0.0.1 port={} dbname=db"),
    (f"{A}{B}", "service={}"),
    (f"{A}{B}", "postgresql://u:{}"),
    (f"{A}{B}", "postgresql://u:{}/db"),
    (f"{A}{B}", "postgresql://u:x@127.0.0.1:1,{}:2/db"),
    (f"{A}/{B}", "postgresql://u:{}@127.0.0.1:1,127.0.0.1:2/db"),
    (f"{A}/{B}", "postgresql+psycopg2://u:{}@127.0.0.1:1/db"),
    (f"{A}/{B}", "postgres://u:{}@127.0.0.1:1/db?sslmode=disable"),
    (f"{A}/{B}", "http://u:{}@127.0.0.1:1/db"),
    (f"{A}/{B}", "u:{}@127.0.0.1:1/db"),
    (f"{A}{B}", "{}"),
]


def nasty() -> list[tuple[str, str]]:
    """Return pairs of a password and a URL with it."""
    plain = [(word, f"postgresql://u:{word}@{SERVER}") for word in PASSWORDS]
    return plain + [(word, pattern.format(word)) for word, pattern in OTHERS]


def leaks(password: str, text: str) -> set[str]:
    """Return the parts of a password in a text: any three consecutive characters."""
    parts = {password[at : at + 3] for at in range(len(password) - 2)}
    return {part for part in parts if part in text and set(part) & SECRET}
