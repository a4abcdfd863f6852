"""All routers; each noun has one in its own module."""

from __future__ import annotations

from scout_control.serve import (
    administration,
    connections,
    credentials,
    dataset_rows,
    datasets,
    people,
    probes,
    project_sources,
    projects,
    sources,
    sync_jobs,
)

ROUTERS = tuple(
    each.router
    for each in (
        connections,
        sources,
        project_sources,
        credentials,
        datasets,
        dataset_rows,
        sync_jobs,
        projects,
        people,
        administration,
        probes,
    )
)
