"""What ``scout --help`` says of each command, so that it imports none of them.

A test compares this with the commands themselves. A hidden command has an empty summary.
"""

from __future__ import annotations

SUMMARIES = {
    "quickstart": "Set up a source and load it: answer five questions, get tables.",
    "init": "Initialise or upgrade the installation.",
    "apply": (
        "Make connections, sources, projects, links and credentials as YAML files describe them."
    ),
    "export": "Print what there is as a YAML file that scout apply accepts.",
    "project": "Manage the project folder: meltano.yml and models that you add.",
    "connections": "Manage the databases that hold dataset schemas.",
    "projects": "Manage projects, the groups of people that share data.",
    "sources": "Manage sources: what is read, and where it is.",
    "links": "Manage links: which projects use which sources, and how.",
    "credentials": "Manage credentials of projects and users at sources.",
    "people": "Manage the people who sign in.",
    "members": "Manage members: which people belong to which projects.",
    "tokens": "Manage tokens, with which programs act for a person.",
    "sessions": "Manage the browsers in which people are signed in.",
    "serve": "Serve the page and the REST interface, until SIGTERM or SIGINT.",
    "mcp": "Serve agents (MCP) on standard input and output, until the input ends.",
    "datasets": "Manage datasets.",
    "models": "Manage the dbt models generated for datasets.",
    "describe": "Describe the tables of DATASET.",
    "docs": "Write the models' documentation as one page.",
    "run": "Load and transform DATASET now.",
    "runs": "List, show and cancel runs, and read their logs.",
    "status": "Show synced data, the worst first, and credentials that need a person.",
    "query": "Run an SQL STATEMENT on DATASET, read-only.",
    "touch": "Mark DATASET as used so it does not expire.",
    "search-path": "Print the search_path of a project, or of a user in it.",
    "doctor": "Check the installation; each problem comes with its remedy.",
    "keys": "Manage the keys that encrypt stored secrets.",
    "audit": "Show the audit trail, latest first.",
    "purge": "Remove everything that belongs to a user or project.",
    "worker": "Execute queued runs and background jobs.",
    "tick": "Run the background jobs once, for cron.",
    "pipelines": "List pipelines, the jobs of meltano.yml that load datasets.",
    "completion": "Print the completion script for SHELL.",
    "demo": "Load a local CommCare sandbox into Postgres.",
    "url": "Print the URL with which a BI tool or notebook reads DATASET.",
    "psql": "Open DATASET in psql, read-only.",
}
