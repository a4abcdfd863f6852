"""Load Singer messages from stdin with dlt, as in its documentation; runs in dlt's environment."""

from __future__ import annotations

import json
import sys

import dlt

url, schema, home = sys.argv[1:]


def records():
    for line in sys.stdin:
        message = json.loads(line)
        if message["type"] == "RECORD":
            yield message["record"]


head = json.loads(sys.stdin.readline())
columns = {
    name: {"data_type": "json"}
    for name, part in head["schema"]["properties"].items()
    if "object" in part["type"]
}
pipeline = dlt.pipeline(
    "measured",
    destination=dlt.destinations.postgres(url),
    dataset_name=schema,
    pipelines_dir=home,
)
resource = dlt.resource(
    records(),
    name=head["stream"],
    primary_key=head["key_properties"][0],
    write_disposition="merge",
    columns=columns,
)
pipeline.run(resource)
