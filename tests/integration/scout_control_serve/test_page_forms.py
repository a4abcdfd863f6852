"""What people change through the page: projects, their own account, and the installation."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from html import unescape

import pytest
from scout_control.access import checkups
from scout_control.api.scout import Scout
from scout_control.serve.page import project_page
from sqlalchemy import event
from sqlalchemy.engine import Engine
from support.past_runs import add_past_runs
from support.rest import Client
from support.web import served_here

PROJECT = "/projects/river/"


@pytest.fixture(scope="module")
def dataset(shared_installation):
    made = shared_installation
    path = made.dataset("river")
    assert made.scout.run(path).status == "completed"
    return made.scout.datasets.show(path)


@pytest.fixture(scope="module")
def page(shared_installation, dataset):
    """A server, and people who are signed in there with a link: as far as they may."""
    scout = shared_installation.scout
    for person, roles in (("ann", ()), ("mia", ()), ("olga", ["operator"]), ("nora", ())):
        scout.people.add(person, roles=roles)
    scout.members.add("river", "ann", role="admin")
    scout.members.add("river", "mia")
    with served_here(scout) as served:
        yield served


@pytest.fixture(scope="module")
def people(shared_installation, page):
    found = {name: page.another() for name in ("ann", "mia", "olga", "nora")}
    for name, browser in found.items():
        browser.open_link(shared_installation.scout.sessions.link(name).path)
    return found


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


def send(browser, path, **fields):
    """Send a form, and return the page that the browser then shows."""
    token = browser.form("/account/")["csrf_token"]
    answer = browser.post(path, csrf_token=token, **fields)
    if answer.status_code == 303:
        return browser.get(answer.headers["Location"])
    return answer


def source_of(scout, project="river"):
    return scout.links.list(project)[0]


def test_an_admin_changes_the_settings_of_a_source(shared_installation, people, dataset):
    scout, ann = shared_installation.scout, people["ann"]
    path, source = f"{PROJECT}sources/settings/", dataset.source

    saved = send(ann, path, source=source, mode="project", hours="6", streams="things")
    kept = send(ann, path, source=source, hash="things: name")

    assert "The settings are saved" in saved.text
    assert "keep their values" in kept.text
    link = source_of(scout)
    assert (link.refresh_interval_hours, link.sync_config["datasets"]) == (6, ["things"])
    assert link.sync_config["hash_columns"] == {"things": ["name"]}
    assert "things: name" in ann.get(PROJECT).text
    send(ann, path, source=source, mode="project", hours="24", streams="", hash="")
    assert source_of(scout).sync_config == {}


def test_settings_that_cannot_be_are_shown_again_with_the_reason(people, dataset):
    ann, path = people["ann"], f"{PROJECT}sources/settings/"

    for field, words in (
        ({"hours": "<b>soon"}, "The interval is not a number"),
        ({"streams": "nothing"}, "nothing"),
        ({"exclude": "things"}, "line 1 is not readable"),
        ({"mode": "other"}, "Unknown mode"),
    ):
        sent = send(ann, path, source=dataset.source, **field)
        assert (sent.status_code, words in sent.text) == (422, True)
        assert "<b>soon" not in sent.text
        assert '<details class="confirm" open>' in sent.text
    assert send(ann, path, source="none").status_code == 404


def test_a_source_is_linked_and_no_longer_used(shared_installation, people):
    scout, ann = shared_installation.scout, people["ann"]
    scout.sources.add("more", "tap-toy", config={"act": "x"})

    linked = send(ann, f"{PROJECT}sources/", source="more", mode="user")
    again = send(ann, f"{PROJECT}sources/", source="more", mode="user")

    assert "The source is linked" in linked.text
    assert "user-level, 0 of 2 connected" in linked.text
    assert again.status_code == 409
    removed = send(ann, f"{PROJECT}sources/remove/", source="more")
    assert "no longer used here" in removed.text
    assert "more" not in {each.source for each in scout.links.list("river")}


def test_members_get_another_role_and_a_mistyped_person_is_told(shared_installation, people):
    scout, ann = shared_installation.scout, people["ann"]

    send(ann, f"{PROJECT}members/role/", person="mia", role="admin")
    assert scout.members.show("river", "mia").role == "admin"
    send(ann, f"{PROJECT}members/role/", person="mia", role="member")
    unknown = send(ann, f"{PROJECT}members/", person="mai", role="member")

    assert (unknown.status_code, "mai" in unknown.text) == (404, True)
    assert "scout people" not in unknown.text
    assert "Leave" in people["mia"].get(PROJECT).text


def test_the_database_of_a_project_is_changed_as_long_as_it_has_no_data(
    shared_installation, people
):
    scout, ann = shared_installation.scout, people["ann"]

    shown = send(ann, f"{PROJECT}connection/", connection="none")
    assert shown.status_code == 404
    assert send(ann, f"{PROJECT}connection/", connection="default").status_code == 200
    assert scout.projects.show("river").connection == "default"


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("sources/settings/", {"hours": "1"}),
        ("sources/", {"mode": "user"}),
        ("sources/remove/", {}),
        ("members/", {"person": "nora", "role": "member"}),
        ("members/role/", {"person": "ann", "role": "member"}),
        ("connection/", {"connection": "default"}),
    ],
)
def test_a_project_is_changed_by_its_admins_alone(shared_installation, people, dataset, path, form):
    scout = shared_installation.scout
    before = (scout.links.list("river"), scout.members.list("river"))

    member = send(people["mia"], PROJECT + path, source=dataset.source, **form)
    other = send(people["nora"], PROJECT + path, source=dataset.source, **form)

    assert member.status_code in {403, 404}  # what is changed may itself be hidden from them
    assert other.status_code == 404
    assert (scout.links.list("river"), scout.members.list("river")) == before
    assert f'action="{PROJECT}{path}"' not in people["mia"].get(PROJECT).text


def test_events_are_told_by_names_and_continue_on_older_pages(monkeypatch, people, dataset):
    monkeypatch.setattr(project_page, "MOST_EVENTS", 5)
    shown = people["ann"].get(PROJECT)

    assert "Latest events" not in shown.text
    place = shown.text.partition('href="?before=')[2].partition("#")[0]
    older = people["ann"].get(f"{PROJECT}?before={place}")
    assert "Latest events" in older.text
    monkeypatch.undo()
    assert f"completed run of {dataset.source}" in older.text + people["ann"].get(PROJECT).text


def test_a_token_is_shown_once_works_and_is_revoked(page, people):
    ann = people["ann"]
    made = send(ann, "/account/tokens/", name="<i>note", scope="read", expires="30d")
    token = made.text.partition('class="secret" readonly value="')[2].partition('"')[0]

    assert Client(page.address, token)("GET", "datasets/").status_code == 200
    shown = ann.get("/account/")
    assert token not in shown.text
    assert "<i>note" in unescape(shown.text)
    assert "<i>" not in shown.text
    assert "reads only" in shown.text
    key = shown.text.partition('name="token" value="')[2].partition('"')[0]
    assert "You have no token" in send(ann, "/account/tokens/revoke/", token=key).text
    assert Client(page.address, token)("GET", "datasets/").status_code == 401


def test_a_token_that_cannot_be_is_told_and_one_of_others_is_not_found(shared_installation, people):
    other = shared_installation.scout.tokens.create("nora")

    assert send(people["ann"], "/account/tokens/", scope="all", expires="9d").status_code == 422
    assert send(people["ann"], "/account/tokens/", scope="read", expires="x").status_code == 422
    assert send(people["ann"], "/account/tokens/revoke/", token=other.id).status_code == 404


def test_who_signed_in_with_a_token_makes_no_others(shared_installation, page):
    browser = page.another()
    browser.sign_in(shared_installation.scout.tokens.create("mia", scope="write").token)

    shown = browser.get("/account/")

    assert "which cannot make others" in shown.text
    assert "with a token" in shown.text
    assert send(browser, "/account/tokens/", scope="read", expires="9d").status_code == 403


def test_other_browsers_are_signed_out_and_this_one_stays(shared_installation, page, people):
    other, scout = page.another(), shared_installation.scout
    other.open_link(scout.sessions.link("mia").path)
    assert "Another browser" in people["mia"].get("/account/").text

    shown = send(people["mia"], "/account/sessions/end/")

    assert "You are signed in nowhere else" in shown.text
    assert other.get("/account/").status_code == 303
    assert people["ann"].get("/account/").status_code == 200


def test_an_operator_adds_projects_sources_and_people(shared_installation, people):
    olga, scout = people["olga"], shared_installation.scout

    send(olga, "/operator/projects/", id="lake", name="Lake")
    send(
        olga, "/operator/sources/",
        name="space", type="tap-toy", settings="act = x", client_secret="canary",
    )  # fmt: skip
    saved = send(olga, "/operator/people/", id="pat", name="Pat", operator="1")

    assert "The person is added" in saved.text
    for name in ("Lake", "space", "Pat"):
        assert name in saved.text
    assert "canary" not in saved.text
    assert scout.people.show("pat").roles == ["operator"]
    assert "no access" in send(olga, "/operator/people/access/", person="pat", active="").text
    assert not scout.people.show("pat").is_active
    send(olga, "/operator/people/access/", person="pat", active="1")
    assert scout.people.show("pat").is_active


def test_what_an_operator_wrote_is_kept_with_the_reason_but_no_secret(people):
    olga = people["olga"]

    sent = send(
        olga, "/operator/sources/",
        name="<u>new", type="tap-toy", settings="canary", client_secret="hidden-canary",
    )  # fmt: skip

    assert sent.status_code == 422
    assert "Line 1 of the settings is not readable" in sent.text
    assert "<u>new" in unescape(sent.text)
    assert "<u>" not in sent.text
    assert "hidden-canary" not in sent.text


def test_the_checks_are_shown_as_a_page_and_as_a_part(monkeypatch, people):
    monkeypatch.setattr(checkups, "MOST_SECONDS", 0)
    olga = people["olga"]

    whole = olga.get("/operator/checks/")
    part = olga.get("/operator/checks/", headers={"HX-Request": "true"})

    assert "<title>Checks" in whole.text
    assert part.text.lstrip().startswith("<section")
    assert "No worker is running" in olga.get("/operator/").text


def test_the_pages_of_operators_are_for_them_alone(people):
    for address in ("/operator/checks/", "/operator/setup/"):
        for person in ("ann", "nora"):
            assert people[person].get(address).status_code in {403, 404}
    for address, form in (
        ("projects/", {"id": "mine"}),
        ("sources/", {"name": "mine", "type": "tap-toy"}),
        ("people/", {"id": "mine"}),
        ("people/access/", {"person": "olga", "active": ""}),
    ):
        assert send(people["ann"], f"/operator/{address}", **form).status_code in {403, 404}


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

    assert "the schedule is paused" in send(people["ann"], path, paused="1").text
    assert scout.datasets.show(dataset.id).is_paused
    assert send(people["nora"], path, paused="").status_code == 404
    send(people["ann"], path, paused="")
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
    send(people["mia"], path, sql="SELECT 'a' AS secret")

    shown = people["ann"].get(path)
    assert ">mia<" in shown.text
    assert "20 characters" in shown.text
    assert "AS secret" not in shown.text
    assert "The text of queries is not kept" in shown.text
    with (
        Scout(replace(made.settings, query_text=True)) as scout,
        served_here(scout) as other,
    ):
        other.open_link(scout.sessions.link("ann").path)
        send(other, path, sql="SELECT '<s>' AS kept")
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
        for path in ("/", PROJECT, "/operator/", f"/datasets/{dataset.id}/"):
            people["olga"].get(path)  # which may be the first in a while that records its use
            with statements() as found:
                assert people["olga"].get(path).status_code == 200
            counts.setdefault(path, []).append(len(found))

    assert {path: few == many for path, (few, many) in counts.items()} == dict.fromkeys(
        counts, True
    ), counts
    assert max(many for _, many in counts.values()) < 60
