"""A secret comes from where its reference says, and no message contains one."""

from __future__ import annotations

import pytest
from scout_control.api.desired_state.references import MAX_BYTES, Secrets, UnreadableError
from scout_control.api.desired_state.schema import SecretReference


def read(folder, environment=None, **reference):
    return Secrets(environment or {}).read(SecretReference(**reference), folder)


@pytest.mark.parametrize(
    ("content", "secret"),
    [
        (b"s3", "s3"),
        (b"s3\n", "s3"),
        (b"s3\r\n", "s3"),
        (b" s3 \n\n", " s3 \n"),
        ("ü".encode(), "ü"),
    ],
)
def test_a_file_is_read_without_the_line_end_after_it(tmp_path, content, secret):
    (tmp_path / "key").write_bytes(content)

    assert read(tmp_path, file="key") == secret
    assert read(tmp_path / "elsewhere", file=str(tmp_path / "key")) == secret


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"canary\0", "NUL"),
        (b"canary\xff", "UTF-8"),
        (b"canary" * MAX_BYTES, "longer than"),
    ],
)
def test_a_file_that_holds_no_secret_is_refused_without_quoting_it(tmp_path, content, said):
    (tmp_path / "key").write_bytes(content)
    with pytest.raises(UnreadableError, match=said) as caught:
        read(tmp_path, file="key")

    assert "canary" not in str(caught.value)
    assert str(tmp_path / "key") in str(caught.value)


@pytest.mark.parametrize("name", ["missing", ".", "/dev/zero"])
def test_what_is_not_a_readable_file_is_refused(tmp_path, name):
    with pytest.raises(UnreadableError, match="needs /"):
        read(tmp_path, file=name)


def test_a_variable_is_read_and_named_when_it_is_missing_or_empty(tmp_path):
    assert read(tmp_path, {"KEY": "s3"}, env="KEY") == "s3"
    with pytest.raises(UnreadableError, match="variable KEY, which is not set"):
        read(tmp_path, env="KEY")
    with pytest.raises(UnreadableError, match="variable KEY, which is empty"):
        read(tmp_path, {"KEY": ""}, env="KEY")


def test_a_secret_that_many_refer_to_is_read_once_and_so_is_a_failure(tmp_path):
    secrets, reference = Secrets({}), SecretReference(file="key")
    (tmp_path / "key").write_text("first")
    assert secrets.read(reference, tmp_path) == "first"
    (tmp_path / "key").unlink()
    assert secrets.read(reference, tmp_path) == "first"

    missing = SecretReference(file="other")
    for _ in range(2):
        with pytest.raises(UnreadableError):
            secrets.read(missing, tmp_path)
        (tmp_path / "other").write_text("too late")
