#!/bin/sh
# Calls scout mcp with a second client, the inspector of the protocol, which npx downloads.
#
#     tools/mcp_inspector.sh PERSON DATASET              through standard input and output
#     tools/mcp_inspector.sh TOKEN DATASET ADDRESS       over HTTP, such as http://127.0.0.1:8765
#
# It prints what the inspector prints, and ends with the first call that fails. The inspector takes
# the token as an argument: use one that only reads, and revoke it afterwards.
set -eu
who=$1 dataset=$2 address=${3:-}
inspector="npx --yes @modelcontextprotocol/inspector@2 --cli"

call() {
    echo "+ $*" >&2
    if [ -n "$address" ]; then
        $inspector "$address/mcp" --transport http --header "Authorization: Bearer $who" --method "$@"
    else
        $inspector ${SCOUT_HOME:+-e "SCOUT_HOME=$SCOUT_HOME"} \
            ${SCOUT_PROJECT_ROOT:+-e "SCOUT_PROJECT_ROOT=$SCOUT_PROJECT_ROOT"} \
            ${SCOUT_DATABASE_URL:+-e "SCOUT_DATABASE_URL=$SCOUT_DATABASE_URL"} \
            "${SCOUT:-scout}" mcp --person "$who" --method "$@"
    fi
}

call tools/list
call resources/list
call prompts/get --prompt-name explain_data --prompt-args "dataset=$dataset"
call tools/call --tool-name list_datasets
call tools/call --tool-name list_tables --tool-arg "dataset=$dataset"
call tools/call --tool-name query --tool-arg "dataset=$dataset" --tool-arg "sql=SELECT 1 AS one"
