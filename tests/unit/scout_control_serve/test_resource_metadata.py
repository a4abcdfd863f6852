"""What a client of agents without a token is told: where it gets one (RFC 9728, RFC 6750)."""

from __future__ import annotations

import pytest
from scout_control.installation.openid_settings import OpenIDSettings
from scout_control.serve.hosting import Hosting
from support.asgi import application, ask

ROOT = "/.well-known/oauth-protected-resource"
ISSUER = "https://id.example.org/realms/x"
PROVIDER = OpenIDSettings(issuer=ISSUER, client_id="scout", audience="scout")


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    return application(tmp_path_factory.mktemp("app"), openid=PROVIDER)


@pytest.mark.parametrize(
    ("path", "resource"),
    [("", ""), ("/", ""), ("/mcp", "/mcp"), ("/mcp/", "/mcp")],
)
def test_each_resource_is_described_at_the_address_of_rfc_9728(app, path, resource):
    answer = ask(app, ROOT + path)

    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json() == {
        "resource": f"http://127.0.0.1:8765{resource}",
        "authorization_servers": [ISSUER],
        "bearer_methods_supported": ["header"],
        "resource_name": "Scout",
        "resource_documentation": "http://127.0.0.1:8765/api/docs",
    }


def test_without_a_provider_no_server_is_named_that_would_not_give_tokens(tmp_path):
    found = ask(application(tmp_path), ROOT + "/mcp").json()

    assert "authorization_servers" not in found
    assert found["resource"] == "http://127.0.0.1:8765/mcp"


@pytest.mark.parametrize("path", ["/api", "/mcp/x", "/mcp%2F..", "/../mcp", "//evil.example.org"])
def test_of_other_resources_nothing_is_said(app, path):
    assert ask(app, ROOT + path).status == 404


def test_the_address_is_the_one_that_people_use(tmp_path):
    app = application(tmp_path, Hosting(public_url="https://scout.example.org"), openid=PROVIDER)

    for host in ("127.0.0.1:8765", "scout.example.org"):
        assert ask(app, ROOT + "/mcp", host=host).json()["resource"] == (
            "https://scout.example.org/mcp"
        )
    assert ask(app, ROOT + "/mcp", host="evil.example.org").status == 400


@pytest.mark.parametrize("path", ["/mcp", "/mcp/"])
def test_a_request_without_a_token_is_told_where_to_look(app, path):
    answer = ask(app, path, "POST", b"{}", content_type="application/json")

    challenge = f'Bearer resource_metadata="http://127.0.0.1:8765{ROOT}/mcp"'
    assert (answer.status, answer.headers["www-authenticate"]) == (401, challenge)
    address = challenge.partition('"')[2].removesuffix('"')
    assert (
        ask(app, address.removeprefix("http://127.0.0.1:8765")).json()["resource"].endswith("/mcp")
    )
