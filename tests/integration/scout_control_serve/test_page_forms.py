"""What people change through the page: projects, their own account, and the installation."""

from __future__ import annotations

import re
from html import unescape

import pytest
from scout_control.access import checkups
from scout_control.serve.page import project_page
from support.past_runs import add_past_runs
from support.rest import Client
from support.web import served_here

PROJECT = "/projects/river/"


@pytest.fixture(scope="module")
def dataset(shared_installation):
    made = shared_installation
    path = made.dataset("river")
    dataset = made.scout.datasets.show(path)
    add_past_runs(made.scout, dataset.id, [30], streams=["things"])
    return dataset


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


def source_of(scout, project="river"):
    return scout.links.list(project)[0]


def test_an_admin_changes_the_settings_of_a_source(shared_installation, people, dataset):
    scout, ann = shared_installation.scout, people["ann"]
    path, source = f"{PROJECT}sources/settings/", dataset.source

    saved = ann.send(path, source=source, mode="project", hours="6", streams="things")
    kept = ann.send(path, source=source, hash="things: name")

    assert "The settings are saved" in saved.text
    assert "keep their values" in kept.text
    link = source_of(scout)
    assert (link.refresh_interval_hours, link.sync_config["datasets"]) == (6, ["things"])
    assert link.sync_config["hash_columns"] == {"things": ["name"]}
    assert "things: name" in ann.get(PROJECT).text
    ann.send(path, source=source, mode="project", hours="24", streams="", hash="")
    assert source_of(scout).sync_config == {}


def test_settings_that_cannot_be_are_shown_again_with_the_reason(people, dataset):
    ann, path = people["ann"], f"{PROJECT}sources/settings/"

    for field, words in (
        ({"hours": "<b>soon"}, "The interval is not a number"),
        ({"exclude": "things"}, "line 1 is not readable"),
        ({"mode": "other"}, "Unknown mode"),
    ):
        sent = ann.send(path, source=dataset.source, **field)
        assert (sent.status_code, words in sent.text) == (422, True)
        assert "<b>soon" not in sent.text
        assert '<details class="confirm" open>' in sent.text
    assert ann.send(path, source="none").status_code == 404


def test_a_source_is_linked_and_no_longer_used(shared_installation, people):
    scout, ann = shared_installation.scout, people["ann"]
    scout.sources.add("more", "tap-toy", config={"act": "x"})

    linked = ann.send(f"{PROJECT}sources/", source="more", mode="user")
    again = ann.send(f"{PROJECT}sources/", source="more", mode="user")

    assert "The source is linked" in linked.text
    assert "user-level, 0 of 2 connected" in linked.text
    assert again.status_code == 409
    removed = ann.send(f"{PROJECT}sources/remove/", source="more")
    assert "no longer used here" in removed.text
    assert "more" not in {each.source for each in scout.links.list("river")}


def test_members_get_another_role_and_a_mistyped_person_is_told(shared_installation, people):
    scout, ann = shared_installation.scout, people["ann"]

    ann.send(f"{PROJECT}members/role/", person="mia", role="admin")
    assert scout.members.show("river", "mia").role == "admin"
    ann.send(f"{PROJECT}members/role/", person="mia", role="member")
    unknown = ann.send(f"{PROJECT}members/", person="mai", role="member")

    assert (unknown.status_code, "mai" in unknown.text) == (404, True)
    assert "scout people" not in unknown.text
    assert "Leave" in people["mia"].get(PROJECT).text


def test_the_database_of_a_project_is_changed_as_long_as_it_has_no_data(
    shared_installation, people
):
    scout, ann = shared_installation.scout, people["ann"]

    shown = ann.send(f"{PROJECT}connection/", connection="none")
    assert shown.status_code == 404
    assert ann.send(f"{PROJECT}connection/", connection="default").status_code == 200
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

    member = people["mia"].send(PROJECT + path, source=dataset.source, **form)
    other = people["nora"].send(PROJECT + path, source=dataset.source, **form)

    assert member.status_code in {403, 404}  # what is changed may itself be hidden from them
    assert other.status_code == 404
    assert (scout.links.list("river"), scout.members.list("river")) == before
    assert f'action="{PROJECT}{path}"' not in people["mia"].get(PROJECT).text


def test_a_member_who_is_an_admin_elsewhere_gets_the_forms_of_a_member(shared_installation, people):
    scout = shared_installation.scout
    scout.projects.create("brook")
    scout.members.add("brook", "mia", role="admin")
    parts = {"host": "127.0.0.1", "port": 9, "user": "ann", "password": "canary"}
    scout.connections.add("away", parts=parts, test=False)

    assert "Choose another database" in people["ann"].get(PROJECT).text
    assert "Choose another database" not in people["mia"].get(PROJECT).text
    assert "Choose another database" in people["mia"].get("/projects/brook/").text


FORM = re.compile(r'<form[^>]* action="([^"]+)"')


@pytest.mark.parametrize("person", ["ann", "mia", "olga"])
def test_who_signed_in_to_read_only_gets_no_form_that_changes_anything(
    shared_installation, page, dataset, person
):
    browser, tokens = page.another(), shared_installation.scout.tokens
    token = tokens.create(person, scope="read")
    browser.sign_in(token.token)
    row = f"/datasets/{dataset.id}/"

    for place in ("/", "/projects/", PROJECT, "/account/", row, "/operator/", "/operator/setup/"):
        shown = browser.get(place)
        if shown.status_code == 200:
            assert set(FORM.findall(shown.text)) == {"/sign-out/"}, place
    assert browser.get(f"/connect/?source={dataset.source}").status_code == 403
    tokens.revoke(token.id)


def test_no_secret_is_asked_for_a_project_whose_account_one_may_not_connect(people, dataset):
    source = f"/connect/?source={dataset.source}"

    assert people["ann"].get(f"{source}&project=river").status_code == 200
    assert people["mia"].get(source).status_code == 200
    for person, project, status in (
        ("mia", "river", 403),
        ("nora", "river", 404),
        ("ann", "none", 404),
        ("olga", "river", 403),
    ):
        shown = people[person].get(f"{source}&project={project}")
        assert (shown.status_code, 'type="password"' in shown.text) == (status, False)


def test_who_only_manages_connections_is_told_where_that_is_done(shared_installation, page):
    scout = shared_installation.scout
    scout.people.add("con", roles=["manage_database_connections"])
    browser = page.another()
    browser.open_link(scout.sessions.link("con").path)

    shown = browser.get("/").text

    assert "/api/datasources/connections/" in shown
    assert 'href="/api/docs/"' in shown
    assert browser.get("/api/docs/").status_code == 200


def test_events_are_told_by_names_and_continue_on_older_pages(monkeypatch, people, dataset):
    monkeypatch.setattr(project_page, "MOST_EVENTS", 5)
    shown = people["ann"].get(PROJECT)

    assert "Latest events" not in shown.text
    place = shown.text.partition('href="?before=')[2].partition("#")[0]
    older = people["ann"].get(f"{PROJECT}?before={place}")
    assert "Latest events" in older.text
    monkeypatch.undo()
    assert f"connected credential of {dataset.source}" in people["ann"].get(PROJECT).text


def test_a_token_is_shown_once_works_and_is_revoked(page, people):
    ann = people["ann"]
    made = ann.send("/account/tokens/", name="<i>note", scope="read", expires="30d")
    token = made.text.partition('class="secret" tabindex="0">')[2].partition("<")[0]

    assert Client(page.address, token)("GET", "datasets/").status_code == 200
    shown = ann.get("/account/")
    assert token not in shown.text
    assert "<i>note" in unescape(shown.text)
    assert "<i>" not in shown.text
    assert "reads only" in shown.text
    key = shown.text.partition('name="token" value="')[2].partition('"')[0]
    assert "You have no token" in ann.send("/account/tokens/revoke/", token=key).text
    assert Client(page.address, token)("GET", "datasets/").status_code == 401


def test_a_token_that_cannot_be_is_told_and_one_of_others_is_not_found(shared_installation, people):
    other = shared_installation.scout.tokens.create("nora")

    assert people["ann"].send("/account/tokens/", scope="all", expires="9d").status_code == 422
    assert people["ann"].send("/account/tokens/", scope="read", expires="x").status_code == 422
    assert people["ann"].send("/account/tokens/revoke/", token=other.id).status_code == 404


def test_who_signed_in_with_a_token_makes_no_others(shared_installation, page):
    browser = page.another()
    browser.sign_in(shared_installation.scout.tokens.create("mia", scope="write").token)

    shown = browser.get("/account/")

    assert "which cannot make others" in shown.text
    assert "with a token" in shown.text
    assert browser.send("/account/tokens/", scope="read", expires="9d").status_code == 403


def test_other_browsers_are_signed_out_and_this_one_stays(shared_installation, page, people):
    other, scout = page.another(), shared_installation.scout
    other.open_link(scout.sessions.link("mia").path)
    assert "Another browser" in people["mia"].get("/account/").text

    shown = people["mia"].send("/account/sessions/end/")

    assert "You are signed in nowhere else" in shown.text
    assert other.get("/account/").status_code == 303
    assert people["ann"].get("/account/").status_code == 200


def test_an_operator_adds_projects_sources_and_people(shared_installation, people):
    olga, scout = people["olga"], shared_installation.scout

    olga.send("/operator/projects/", id="lake", name="Lake")
    olga.send("/operator/sources/",
        name="space", type="tap-toy", settings="act = x", client_secret="canary",
    )  # fmt: skip
    saved = olga.send("/operator/people/", id="pat", name="Pat", operator="1")

    assert "The person is added" in saved.text
    for name in ("Lake", "space", "Pat"):
        assert name in saved.text
    assert "canary" not in saved.text
    assert scout.people.show("pat").roles == ["operator"]
    assert "no access" in olga.send("/operator/people/access/", person="pat", active="").text
    assert not scout.people.show("pat").is_active
    olga.send("/operator/people/access/", person="pat", active="1")
    assert scout.people.show("pat").is_active


def test_what_an_operator_wrote_is_kept_with_the_reason_but_no_secret(people):
    olga = people["olga"]

    sent = olga.send("/operator/sources/",
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
        assert people["ann"].send(f"/operator/{address}", **form).status_code in {403, 404}


def test_a_check_of_an_account_tells_that_it_works(people, dataset):
    shown = people["ann"].send("/accounts/check/", source=dataset.source, project="river")

    assert f"The account of <strong>{dataset.source}</strong> works." in shown.text
    assert "works." not in people["ann"].get("/?checked=another").text
