"""The files of an embedded server: where they are, who owns them, what is refused."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scout_control.errors import ServerError
from scout_control.installation.embedded_postgres import cluster, programs
from scout_control.installation.embedded_postgres.cluster import Cluster

LONGEST = cluster.LONGEST_SOCKET_PATH_BYTES - len(cluster.SOCKET_NAME)


@pytest.fixture
def made(tmp_path) -> Cluster:
    return Cluster.at(tmp_path.resolve() / "postgres")


@pytest.mark.parametrize(
    ("data", "is_beside"),
    [
        ("/home/ann/.scout/postgres", True),
        ("/" + "a" * (LONGEST - 2), True),
        ("/" + "a" * (LONGEST - 1), False),
        ("/home/é/postgres", False),
        ("/home/ann smith/postgres", False),
        ("/home/ann,bob/postgres", False),
        ("/home/o'hara/postgres", False),
        ("/home/ann\n/postgres", False),
        ("/home/an+n@=x-1.2_3/postgres", True),
    ],
    ids=[
        "plain",
        "longest",
        "too long",
        "another script",
        "space",
        "comma",
        "quote",
        "line end",
        "others",
    ],
)
def test_the_socket_is_in_the_data_directory_unless_its_path_could_not_be_used(data, is_beside):
    sockets = Cluster(Path(data)).sockets

    assert (sockets == Path(data)) is is_beside
    assert len(os.fsencode(sockets / cluster.SOCKET_NAME)) <= cluster.LONGEST_SOCKET_PATH_BYTES
    assert cluster.PLAIN_PATH.fullmatch(str(sockets))


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1))
def test_any_data_directory_has_a_usable_socket_of_its_own(name):
    one, other = Cluster(Path("/x") / name.strip("/")), Cluster(Path("/y") / name.strip("/"))

    assert one.sockets != other.sockets
    assert one.sockets == Cluster(one.data).sockets
    assert len(os.fsencode(one.sockets / cluster.SOCKET_NAME)) <= 100


def test_the_files_beside_the_data_are_not_below_it(made):
    beside = {made.log, made.passfile, made.beside("hba")}

    assert {path.parent for path in beside} == {made.data.parent}
    assert all(made.data not in path.parents for path in beside)


def test_a_relative_data_directory_is_made_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    assert Cluster.at(Path("postgres")).data == Path.cwd() / "postgres"


def test_a_login_is_written_privately_and_read_again(made):
    assert made.login is None
    for password in ("first", "second"):
        made.write_login("scout", password)
        assert made.login == ("scout", password)
        assert stat.S_IMODE(made.passfile.stat().st_mode) == 0o600
    assert made.passfile.read_text() == "*:*:*:scout:second\n"
    assert [path.name for path in made.data.parent.iterdir()] == [made.passfile.name]


@pytest.mark.parametrize("content", ["", "\n", "scout", ":"])
def test_a_password_file_that_was_cut_short_holds_no_login(made, content):
    made.passfile.write_text(content)

    assert made.login in {None, ("", "")}


def test_an_interrupted_write_leaves_the_former_login(made):
    made.write_login("scout", "first")
    made.passfile.with_name(f"{made.passfile.name}.new").write_text("*:*:")  # of a killed process

    assert made.login == ("scout", "first")
    made.write_login("scout", "second")
    assert made.login == ("scout", "second")


def test_a_data_directory_is_refused_unless_it_is_empty_or_complete(made):
    made.check()  # nothing there yet
    made.data.mkdir()
    made.check()
    assert not made.exists
    (made.data / "notes.txt").touch()
    with pytest.raises(ServerError, match="no complete Postgres data directory"):
        made.check()
    (made.data / "PG_VERSION").write_text("18")
    made.check()
    assert made.exists


def a_link(path):
    path.with_name("elsewhere").mkdir()
    path.symlink_to("elsewhere")


@pytest.mark.parametrize("make", [a_link, Path.touch], ids=["a link", "a file"])
def test_what_is_no_directory_is_refused_as_one(made, make):
    make(made.data)

    with pytest.raises(ServerError, match="belongs to another account"):
        made.check()
    with pytest.raises(ServerError, match="belongs to another account"):
        cluster.make_private(made.data)


def test_a_draft_is_private_and_begins_empty(made):
    (made.create_draft() / "left by a killed process").touch()
    draft = made.create_draft()

    assert list(draft.iterdir()) == []
    assert stat.S_IMODE(draft.stat().st_mode) == 0o700
    assert draft.stat().st_uid == programs.server_uid()


def test_passwords_are_required_of_every_role(made):
    made.data.mkdir()
    (made.data / "pg_hba.conf").write_text("local all all trust\n")
    made.write_hba()

    assert (made.data / "pg_hba.conf").read_text() == "local all all scram-sha-256\n"
    assert not made.beside("hba").exists()


@pytest.mark.parametrize(
    ("mode", "is_usable"),
    [
        (0o755, True),
        (0o644, True),
        (0o555, True),
        (0o700, False),
        (0o600, False),
        (0o750, False),
        (0o754, False),
        (0o744, False),
        (0o111, True),
    ],
)
def test_a_program_serves_another_account_if_that_may_do_what_its_owner_may(mode, is_usable):
    assert programs._is_usable(stat.S_IFREG | mode) is is_usable


def test_a_name_of_a_path_is_short_and_the_same_in_every_process():
    assert programs.digest(Path("/home/ann/.scout")) == "b4cee4dc2f1b29b5"
    assert programs.digest(Path("/a")) != programs.digest(Path("/b"))
    assert len(programs.digest(Path("/é\udcff"))) == 16


def test_a_port_names_the_socket_and_opens_the_server_to_all_but_the_owner_of_everything(made):
    assert (made.port, made.number, made.socket.name) == (None, 5432, ".s.PGSQL.5432")
    made.data.mkdir()
    (made.data / "PG_VERSION").write_text("18\n")

    made.set_port(5439)
    assert (made.port, made.number, made.socket.name) == (5439, 5439, ".s.PGSQL.5439")
    assert stat.S_IMODE(made.beside("port").stat().st_mode) == 0o600
    rules = (made.data / "pg_hba.conf").read_text().splitlines()
    # The first rule that fits decides.
    assert rules == [
        "local all all scram-sha-256",
        "host all scout all reject",
        "host all all 127.0.0.1/32 scram-sha-256",
    ]

    made.set_port(None)
    assert (made.port, made.number) == (None, 5432)
    assert (made.data / "pg_hba.conf").read_text() == "local all all scram-sha-256\n"


def test_a_file_that_holds_no_port_counts_as_none(made):
    made.beside("port").write_text("x\n")

    assert (made.port, made.number) == (None, 5432)
