"""The pages of datasets and runs: what is shown to whom, and what a row may contain."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from html import unescape

import pytest
from fastapi.routing import iter_route_contexts
from scout_control.api.scout import Scout
from scout_control.serve.page import pages
from sqlalchemy import event
from sqlalchemy.engine import Engine
from support.past_runs import add_past_runs
from support.web import served_here

HOSTILE = "</td><script>alert(1)</script><img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def dataset(shared_installation):
    """A dataset whose rows and log contain what must not run."""
    made = shared_installation
    path = made.dataset("river")
    made.act(rows=3, name=HOSTILE, words=f"tap says: {HOSTILE}")
    assert made.scout.run(path).status == "completed"
    return made.scout.datasets.show(path)


@pytest.fixture(scope="module")
def people(shared_installation, dataset):
    """Browsers of an admin, of an operator, and of someone without a project."""
    scout = shared_installation.scout
    scout.people.add("ann")
    scout.members.add("river", "ann", role="admin")
    scout.people.add("olga", roles=["operator"])
    scout.people.add("nora")
    with served_here(scout) as page:
        found = {name: page.another() for name in ("ann", "olga", "nora")}
        for name, browser in found.items():
            assert browser.sign_in(scout.tokens.create(name).token).status_code == 303
        yield found


@contextmanager
def statements():
    """Yield the list of statements that SQLAlchemy sends meanwhile."""
    found = []

    def add(_connection, _cursor, statement, *_):
        found.append(statement)

    event.listen(Engine, "before_cursor_execute", add)
    try:
        yield found
    finally:
        event.remove(Engine, "before_cursor_execute", add)


def token_of(browser):
    return browser.form("/")["csrf_token"]


def assert_harmless(answer):
    assert "<script>alert" not in answer.text
    assert "<img" not in answer.text


def test_the_rows_of_a_table_are_shown_as_text(people, dataset):
    answer = people["ann"].get(f"/datasets/{dataset.id}/tables/", params={"table": "things"})

    assert answer.status_code == 200
    assert HOSTILE in unescape(answer.text)
    assert_harmless(answer)


def test_a_query_shows_its_rows_or_why_it_has_none(people, dataset):
    ann, path = people["ann"], f"/datasets/{dataset.id}/query/"
    token = token_of(ann)

    rows = ann.post(path, csrf_token=token, sql="SELECT id * 100 AS x, name FROM things")
    assert ">200</td>" in rows.text
    assert_harmless(rows)
    for sql, words in (
        ("SELECT 1/0", "division by zero"),
        ("DROP TABLE things", "syntax error"),
        ('SELECT "</textarea><script>alert(1)</script>"', "does not exist"),
    ):
        answer = ann.post(path, csrf_token=token, sql=sql)
        assert (answer.status_code, words in answer.text) == (422, True)
        assert sql in unescape(answer.text)
        assert_harmless(answer)


def test_a_run_shows_its_log_as_text(shared_installation, people, dataset):
    [run] = shared_installation.scout.runs.list(dataset=dataset.path)

    answer = people["ann"].get(f"/runs/{run.run_id}/")

    assert answer.status_code == 200
    assert "tap says: " in answer.text
    assert_harmless(answer)


def test_who_may_not_read_rows_sees_how_it_fares_and_who_may_not_see_it_nothing(people, dataset):
    olga, nora, path = people["olga"], people["nora"], f"/datasets/{dataset.id}/"

    shown = olga.get(path)
    assert (shown.status_code, "are for the members of the project" in shown.text) == (200, True)
    assert "<textarea" not in olga.get(f"{path}query/").text
    for part in ("tables/", "tables/?table=things", "lineage/"):
        assert olga.get(f"{path}{part}").status_code == 403
    sent = olga.post(f"{path}query/", csrf_token=token_of(olga), sql="SELECT 1")
    assert sent.status_code == 403
    parts = ("", "tables/", "tables/?table=things", "query/", "lineage/")
    for address in (f"{path}{part}" for part in parts):
        assert nora.get(address).status_code == 404
    token = token_of(nora)
    for address in (f"{path}query/", f"{path}sync/"):
        assert nora.post(address, csrf_token=token, sql="SELECT 1").status_code == 404
    assert nora.post("/projects/river/join/", csrf_token=token).status_code == 404
    assert "You are in no project yet" in nora.get("/").text
    assert dataset.path not in nora.get("/").text


def test_an_operator_becomes_an_admin_by_a_button_which_is_recorded(shared_installation, people):
    olga, scout = people["olga"], shared_installation.scout
    assert "Become an admin of river" in olga.get("/").text

    answer = olga.post("/projects/river/join/", csrf_token=token_of(olga))

    assert answer.status_code == 303
    assert scout.members.show("river", "olga").role == "admin"
    assert "olga" in {each.as_dict()["actor"] for each in scout.audit.list(limit=3)}
    scout.members.remove("river", "olga")


def test_a_run_is_queued_and_cancelled_by_buttons_and_a_part_of_the_page_follows(
    shared_installation, people, dataset
):
    ann, scout = people["ann"], shared_installation.scout
    part = {"HX-Request": "true"}
    sent = ann.post(f"/datasets/{dataset.id}/sync/", csrf_token=token_of(ann), next="//evil.org")
    assert (sent.status_code, sent.headers["Location"]) == (303, "/")

    shown = ann.get("/synced/", headers=part)

    assert shown.text.startswith("<section")
    assert "Waiting for a worker" in shown.text
    assert 'hx-trigger="every 1s"' in shown.text
    run = scout.datasets.show(dataset.id).run["run_id"]
    ann.post(f"/runs/{run}/cancel/", csrf_token=token_of(ann))
    assert scout.runs.show(run).status == "cancelled"
    assert "Sync now" in ann.get("/synced/", headers=part).text


def test_an_error_of_a_part_is_a_notice_and_an_ended_session_leads_to_the_sign_in(people, dataset):
    ann, part = people["ann"], {"HX-Request": "true"}

    missing = ann.get("/datasets/none/", headers=part)
    ended = ann.another().get("/synced/", headers=part)

    assert missing.headers["HX-Retarget"] == "#notice"
    assert "No dataset" in missing.text
    assert (ended.status_code, ended.headers["HX-Redirect"]) == (401, "/sign-in/")


def test_a_password_is_tested_and_not_shown_again(shared_installation, people, dataset):
    ann, scout = people["ann"], shared_installation.scout
    source = scout.datasets.show(dataset.id).source

    shown = ann.get("/connect/", params={"source": source, "project": "river"})
    sent = ann.post(
        "/connect/",
        csrf_token=token_of(ann),
        source=source,
        project="river",
        kind="api_key",
        **{"api_key.username": "ann", "api_key.api_key": "canary-of-the-key"},
    )

    assert shown.status_code == 200
    assert sent.status_code == 422
    assert "does not accept" in sent.text
    assert "canary" not in sent.text


def test_accounts_are_disconnected_with_a_form(shared_installation, people):
    ann, scout = people["ann"], shared_installation.scout
    path = shared_installation.dataset("river")
    source = scout.datasets.show(path).source

    sent = ann.post(
        "/accounts/disconnect/", csrf_token=token_of(ann), source=source, project="river", user=""
    )

    assert sent.status_code == 303
    assert source not in [each.source for each in scout.credentials.list(project="river")]
    assert "not connected" in ann.get("/").text


def test_a_project_is_shown_to_its_members_with_the_trail_for_admins(people, dataset):
    shown = people["ann"].get("/projects/river/")

    assert shown.status_code == 200
    for part in ("project-level, ready, last sync", dataset.path, "Audit trail", "Add a member"):
        assert part in shown.text
    assert "river" in people["ann"].get("/projects/").text
    assert people["nora"].get("/projects/river/").status_code == 404
    assert "river" not in people["nora"].get("/projects/").text


def test_members_are_added_and_removed_by_who_may(shared_installation, people):
    ann, nora, scout = people["ann"], people["nora"], shared_installation.scout
    scout.people.add("mia")
    path, form = "/projects/river/members/", {"person": "mia", "role": "member"}

    assert nora.post(path, csrf_token=token_of(nora), **form).status_code == 404
    assert ann.post(path, csrf_token=token_of(ann), **form).status_code == 303
    assert scout.members.show("river", "mia").role == "member"
    assert ann.post(path, csrf_token=token_of(ann), **form).status_code == 409
    ann.post(f"{path}remove/", csrf_token=token_of(ann), person="mia")
    assert [each.person for each in scout.members.list("river")] == ["ann"]


def test_the_page_of_operators_is_for_them_alone(people, dataset):
    shown = people["olga"].get("/operator/")

    assert shown.status_code == 200
    for part in ("Queue", "Workers", "Needs attention", "Due", "Expires in the next round"):
        assert part in shown.text
    assert 'href="/operator/"' not in people["ann"].get("/").text
    for person in ("ann", "nora"):
        assert people[person].get("/operator/").status_code in {403, 404}


def test_a_path_without_its_last_slash_is_answered_too(people):
    for router in pages.ROUTERS:
        for route in iter_route_contexts(router.routes):
            if "GET" in route.methods and "{" not in route.path and len(route.path) > 1:
                with_slash = people["ann"].get(route.path).status_code
                assert people["ann"].get(route.path.rstrip("/")).status_code == with_slash


def test_a_dataset_shows_its_history_in_pictures_with_the_missing_runs(
    shared_installation, people, dataset
):
    scout = shared_installation.scout
    add_past_runs(scout, dataset.id, [200, 176, 80, 56, 32], streams=["things"], failed=[3])

    shown = unescape(people["ann"].get(f"/datasets/{dataset.id}/").text)

    for part in (
        "Where the time of the last run went",
        "How long runs took",
        "How old the data was",
        "Rows in each table after each run",
        "3 runs missing: nothing completed for 4 days",
        "1 run missing: nothing completed for 2 days",
    ):
        assert part in shown
    assert shown.count('<svg class="chart"') == 3


def test_the_schedule_is_paused_and_resumed(shared_installation, people, dataset):
    scout, path = shared_installation.scout, f"/datasets/{dataset.id}/pause/"

    assert "the schedule is paused" in people["ann"].send(path, paused="1").text
    assert scout.datasets.show(dataset.id).is_paused
    assert people["nora"].send(path, paused="").status_code == 404
    people["ann"].send(path, paused="")
    assert not scout.datasets.show(dataset.id).is_paused


def test_lineage_and_tables_name_what_was_loaded(people, dataset):
    ann = people["ann"]

    for part in ("tables/", "lineage/"):
        assert "?table=things" in ann.get(f"/datasets/{dataset.id}/{part}").text
    missing = ann.get(f"/datasets/{dataset.id}/tables/", params={"table": 'none"x'})
    assert missing.status_code == 422


def test_the_history_tells_who_asked_and_keeps_the_text_only_if_it_is_set(
    shared_installation, people, dataset
):
    made, path = shared_installation, f"/datasets/{dataset.id}/query/"
    people["ann"].send(path, sql="SELECT 'a' AS secret")

    shown = people["ann"].get(path)
    assert ">ann<" in shown.text
    assert "20 characters" in shown.text
    assert "AS secret" not in shown.text
    assert "The text of queries is not kept" in shown.text
    with (
        Scout(replace(made.settings, query_text=True)) as scout,
        served_here(scout) as other,
    ):
        other.open_link(scout.sessions.link("ann").path)
        other.send(path, sql="SELECT '<s>' AS kept")
        listed = other.get(path)
        assert "SELECT '<s>' AS kept" in unescape(listed.text)
        assert "<s>" not in listed.text
        again = listed.text.partition('href="?again=')[2].partition('"')[0]
        assert "AS kept</textarea>" in other.get(path, params={"again": again}).text


def test_a_page_asks_the_store_as_often_for_ten_datasets_as_for_one(
    shared_installation, people, dataset
):
    counts = {}
    for number in (1, 10):
        while len(shared_installation.scout.datasets.list()) < number:
            shared_installation.dataset("river")
        for path in ("/", "/projects/river/", "/operator/", f"/datasets/{dataset.id}/"):
            people["olga"].get(path)  # which may be the first in a while that records its use
            with statements() as found:
                assert people["olga"].get(path).status_code == 200
            counts.setdefault(path, []).append(len(found))

    assert {path: few == many for path, (few, many) in counts.items()} == dict.fromkeys(
        counts, True
    ), counts
    assert max(many for _, many in counts.values()) < 60
