"""Connect's application structures, and photos of visits."""

from __future__ import annotations

import pytest


def structure(client, opportunity=1, **params):
    return client.get(f"/export/opportunity/{opportunity}/app_structure/", params=params)


def leaves(form, path="/data"):
    """Yield the paths of a visit's answers."""
    for name, value in form.items():
        if name[0] in "@#" or name in ("case", "meta", "deliver_group"):
            continue
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, dict):
                yield from leaves(each, f"{path}/{name}")
            else:
                yield f"{path}/{name}"


def test_the_application_asks_what_the_visits_answer(client):
    app = structure(client, app_type="deliver").json()["deliver_app"]
    forms = {form["xmlns"]: form for module in app["modules"] for form in module["forms"]}
    visits = client.rows("user_visits", 1)

    assert visits
    for visit in visits:
        form = visit["form_json"]["form"]
        asked = {question["value"]: question for question in forms[form["@xmlns"]]["questions"]}
        assert set(leaves(form)) <= asked.keys()
        chosen = {option["value"] for option in asked["/data/child/symptoms"]["options"]}
        assert set(form["child"]["symptoms"].split()) <= chosen
    assert app.keys() >= {"id", "name", "version", "modules", "versions"}


def test_each_application_comes_alone_or_both(client):
    learn, deliver = (structure(client, app_type=each).json() for each in ("learn", "deliver"))
    both = structure(client).json()

    assert (learn["deliver_app"], deliver["learn_app"]) == (None, None)
    assert both == {"learn_app": learn["learn_app"], "deliver_app": deliver["deliver_app"]}
    assert structure(client, app_type="x").status_code == 400


@pytest.mark.parametrize(
    ("switches", "status"), [({"connect_no_hq_key": "1,2"}, 404), ({"connect_hq_down": True}, 502)]
)
def test_without_hq_there_is_no_application(sandbox, client, switches, status):
    healthy = sandbox.status()["switches"]
    sandbox.set(**switches)
    answers = [structure(client, opportunity).status_code for opportunity in (1, 3)]
    sandbox.set(**healthy)

    assert answers == [status, 200 if status == 404 else 502]
    assert structure(client).status_code == 200
