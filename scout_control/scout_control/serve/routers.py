"""All routers; each noun has one in its own module."""

from __future__ import annotations

from scout_control.serve import (
    administration,
    connections,
    credentials,
    dataset_rows,
    datasets,
    oauth,
    people,
    probes,
    project_sources,
    projects,
    resource_metadata,
    session,
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
        oauth,
        session,
        datasets,
        dataset_rows,
        sync_jobs,
        projects,
        people,
        administration,
        probes,
        resource_metadata,
    )
)
