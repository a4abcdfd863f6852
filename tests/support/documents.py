"""The fenced blocks of all documents, and which test runs each of them.

``BLOCKS`` names every block that a reader would paste, by its document and its beginning. A test
takes its blocks from here (``run_by``), so that what is assigned to it is what it runs. A block
that no test runs has a ``Reason``, which says what stands for it.
"""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PASTED = frozenset({"sh", "bash", "console", "shell", "python", "yaml", "sql", "ini"})
FENCE = re.compile(r"^ *```(?P<language>[\w{}-]*)\n(?P<text>.*?)^ *```$", re.MULTILINE | re.DOTALL)
GENERATED = ("docs/reference/", "docs/_build/")
"""Written from the code, which has its own tests."""


@dataclass(frozen=True)
class Block:
    """A fenced block."""

    document: str
    language: str
    text: str

    @property
    def beginning(self) -> str:
        return self.text.splitlines()[0] if self.text else ""


class Reason(str):
    """Why no test runs a block as it is, and what is run instead."""

    __slots__ = ()


PIPES, OPERATIONS, SQL = "pipes", "operations", "sql"
ADD_A_SOURCE, SANDBOX_PYTHON, ENVIRONMENT = "add a source", "python of the sandbox", "demo"
WEB, REST = "web application", "REST"
OWN_TEST = "the test of the guide"
CHECKOUT = Reason("makes a checkout: continuous integration does, then make test runs this")
RELEASE = Reason("needs a release on an index: test_distributions.py installs the built wheels")
ROOTS = Reason("needs root and systemd; the commands of scout in it are run by other guides")
SERVER = Reason("serves until it is stopped, on a fixed port: tests start it on a free one")
DEMO = Reason("test_demo.py runs scout demo with these options, which is what make demo starts")
BROWSER = Reason("needs a person in a browser: test_oauth_listener.py connects with a real one")
BLOCKS: dict[str, dict[str, str]] = {
    "README.md": {
        "git clone": CHECKOUT,
        "pipx install scout-sync": RELEASE,
        "commcare-sandbox serve": SERVER,
        "set -o pipefail": PIPES,
        "make setup": OPERATIONS,
    },
    "scout-sync/README.md": {
        "pipx install scout-sync": RELEASE,
        "scout init --project clinic": Reason("test_distributions.py runs it from the wheels"),
    },
    "tap-commcare/README.md": {
        "pip install ./tap-common": Reason("test_distributions.py installs these folders"),
        "tap-commcare --config config.json --test": PIPES,
        "set -o pipefail": PIPES,
        "class FixturesStream": OWN_TEST,
    },
    "tap-commcare-connect/README.md": {"tap-commcare-connect --config": PIPES},
    "tap-common/README.md": {
        "pip install ./tap-common": Reason("test_distributions.py installs these folders"),
    },
    "target-scout-postgres/README.md": {
        "pip install ./target": Reason("test_distributions.py installs this folder"),
        "cat > messages.jsonl": PIPES,
    },
    "commcare-sandbox/README.md": {
        "pip install ./commcare-sandbox": Reason("test_distributions.py installs it as a wheel"),
        "commcare-sandbox serve": SERVER,
        "field() {": PIPES,
        "commcare-export --commcare-hq": Reason("another program; make bench runs it"),
        "commcare-sandbox edit-case": PIPES,
        "import pytest": SANDBOX_PYTHON,
    },
    "commcare-sandbox/commcare_sandbox/connect/README.md": {
        "commcare-sandbox serve": SERVER,
        "with Sandbox(": SANDBOX_PYTHON,
    },
    "docs/quickstart.md": {
        "make demo                                     # in a checkout": DEMO,
        "make demo                                     # run it again": DEMO,
        ".venv/bin/scout status": ENVIRONMENT,
        "make setup": CHECKOUT,
        "pipx install": RELEASE,
        "scout quickstart --yes": Reason("test_quickstart.py runs it, for a sandbox"),
        "scout quickstart": Reason("test_quickstart.py answers its questions on a terminal"),
        "scout init": Reason("test_distributions.py runs it, installed from the wheels"),
        "scout describe river/hq": OPERATIONS,
        "scout worker": Reason("works until it is stopped: test_documents.py, --until-idle"),
    },
    "docs/guides/accounts.md": {"scout sources update connect": BROWSER},
    "docs/guides/add-a-source.md": {
        "plugins:": ADD_A_SOURCE,
        "python3 -m venv /opt/taps": ADD_A_SOURCE,
        "settings_group_validation:": ADD_A_SOURCE,
        "annotations:": ADD_A_SOURCE,
        "jobs:": ADD_A_SOURCE,
    },
    "docs/guides/embed.md": {
        "from scout_control import Scout": OWN_TEST,
        "request = scout.credentials": WEB,
    },
    "docs/guides/install.md": {
        "pipx install": RELEASE,
        "python3 -m venv /opt/scout/venv": RELEASE,
        "make wheels": Reason("test_distributions.py builds and installs them with uv"),
        "sudo ": ROOTS,
        "SCOUT_PROJECT_ROOT=": ROOTS,
        "[Unit]": ROOTS,
        "scout purge --project": ROOTS,
    },
    "docs/guides/operate.md": {
        "make setup": OPERATIONS,
        "scout datasets ensure": OPERATIONS,
        "scout links update": OPERATIONS,
        "scout sources update hq --client-id": BROWSER,
        "scout keys generate --out scout.keys": OPERATIONS,
        "scout init --keep": OPERATIONS,
        "GRANT pg_signal_backend": SQL,
        "REVOKE CONNECT": SQL,
        "scout runs list": OPERATIONS,
        "scout datasets share": OPERATIONS,
        "scout keys generate --out new.keys": OPERATIONS,
        "scout audit --user ann": OPERATIONS,
    },
    "docs/security.md": {
        "CREATE ROLE scout": SQL,
        "scout audit": OPERATIONS,
        "scout purge --user ann": Reason("test_purge.py and the operations guide purge"),
    },
    "docs/guides/analyse.md": {
        "scout init --listen": Reason("test_embedded_postgres.py listens on a free port"),
        "": OWN_TEST,
    },
    "docs/guides/forty-projects.md": {"": OWN_TEST},
    "docs/guides/lost-keys.md": {"": OWN_TEST},
    "docs/guides/people.md": {"": OWN_TEST},
    "docs/guides/isolation.md": {"": OWN_TEST},
    "docs/guides/agents.md": {
        "pip install": RELEASE,
        "scout mcp --person": Reason("serves until its input ends: test_agents.py starts it"),
        "claude mcp add": Reason("needs Claude Code: test_agents.py starts what it would"),
        "TOKEN=": Reason("needs Claude Code: test_agents.py makes a token, and sends it"),
        "npx": Reason("needs npm: tools/mcp_inspector.sh runs it with an installation"),
    },
    "docs/guides/rest.md": {"scout serve": SERVER, "": REST},
}


def documents() -> list[str]:
    """Return the documents with blocks for readers, as paths from the root."""
    found = (str(path.relative_to(ROOT)) for path in ROOT.rglob("*.md"))
    return sorted(
        path
        for path in found
        if not path.startswith((*GENERATED, "CHANGELOG", "build/", "dist/"))
        and not any(part.startswith(".") for part in Path(path).parts)
    )


def blocks(document: str) -> list[Block]:
    """Return the blocks of a document that a reader would paste."""
    text = (ROOT / document).read_text(encoding="utf-8")
    return [
        Block(document, found["language"], textwrap.dedent(found["text"]))
        for found in FENCE.finditer(text)
        if found["language"] in PASTED
    ]


def runner(block: Block) -> str | None:
    """Return the test that runs a block, or the reason for none; None if it has neither."""
    known = BLOCKS.get(block.document, {})
    fitting = [name for name in known if block.beginning.startswith(name)]
    return known[max(fitting, key=len)] if fitting else None


def run_by(name: str, document: str) -> list[str]:
    """Return the text of the blocks of a document that a test runs, in their order."""
    found = [each.text for each in blocks(document) if runner(each) == name]
    assert found, f"{document} has no block for {name}"
    return found
