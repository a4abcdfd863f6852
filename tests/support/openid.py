"""An OpenID Connect provider on this machine: real HTTP, signed tokens, PKCE."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

from joserfc import jwk, jwt

CLIENT, SECRET = "scout", "canary-of-the-client"


class Provider(ThreadingHTTPServer):
    """Signs in the person that ``claims`` describes; ``changes`` lets it misbehave."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.issuer = f"http://127.0.0.1:{self.server_port}"
        self.key = jwk.generate_key("RSA", 2048, {"kid": "one"})
        self.claims: dict[str, Any] = {"sub": "subject-of-ann"}
        self.changes: dict[str, Any] = {}
        self.codes: dict[str, dict[str, str]] = {}
        self.requests: list[str] = []

    @property
    def environment(self) -> dict[str, str]:
        """The settings of an installation that it signs people in to."""
        names = {"ISSUER": self.issuer, "CLIENT_ID": CLIENT, "CLIENT_SECRET": SECRET}
        return {f"SCOUT_OIDC_{name}": value for name, value in names.items()}

    def token(self, **claims: Any) -> str:
        """Return a signed token."""
        now = int(time.time())
        usual = {"iss": self.issuer, "aud": CLIENT, "iat": now, "exp": now + 300}
        return jwt.encode(
            {"alg": "RS256", "kid": self.key.kid}, usual | self.claims | claims, self.key
        )

    def authorize(self, url: str) -> str:
        """Consent as a person does; return where the browser is sent."""
        asked = dict(parse_qsl(urlsplit(url).query))
        code = secrets.token_urlsafe()
        self.codes[code] = asked
        answer = {"code": code, "state": asked["state"]} | self.changes.get("redirect", {})
        return f"{asked['redirect_uri']}?{urlencode(answer)}"


class _Handler(BaseHTTPRequestHandler):
    server: Provider

    def do_GET(self) -> None:
        provider, path = self.server, urlsplit(self.path).path
        provider.requests.append(path)
        if path == "/.well-known/openid-configuration":
            found = {
                "issuer": provider.issuer,
                "authorization_endpoint": f"{provider.issuer}/authorize",
                "token_endpoint": f"{provider.issuer}/token",
                "jwks_uri": f"{provider.issuer}/keys",
            }
            self._send(200, found | provider.changes.get("metadata", {}))
        elif path == "/keys":
            self._send(200, {"keys": [provider.key.as_dict(private=False)]})
        else:
            self._send(404, {})

    def do_POST(self) -> None:
        provider = self.server
        provider.requests.append(self.path)
        length = int(self.headers["Content-Length"])
        sent = {key: each[0] for key, each in parse_qs(self.rfile.read(length).decode()).items()}
        asked = provider.codes.pop(sent.get("code", ""), None)
        basic = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        if asked is None or self.headers.get("Authorization") != f"Basic {basic}":
            self._send(400, {"error": "invalid_grant"})
            return
        hashed = hashlib.sha256(sent["code_verifier"].encode()).digest()
        challenge = base64.urlsafe_b64encode(hashed).decode().rstrip("=")
        if challenge != asked["code_challenge"] or sent["redirect_uri"] != asked["redirect_uri"]:
            self._send(400, {"error": "invalid_grant"})
            return
        claims = {"nonce": asked["nonce"]} | provider.changes.get("id_token", {})
        token = {"access_token": "opaque", "token_type": "Bearer"}
        self._send(200, token | {"id_token": provider.token(**claims)})

    def log_message(self, *_: Any) -> None:
        """Print nothing."""

    def _send(self, status: int, document: dict[str, Any]) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def provider():
    """Run a provider."""
    server = Provider()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
