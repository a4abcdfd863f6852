"""Load Singer messages from stdin with sling, as JSON lines.

sling accepts no column types for JSON, so it flattens objects into columns.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

program, url, schema, home = sys.argv[1:]
head = json.loads(sys.stdin.buffer.readline())
stream = head["stream"]
before = len(f'{{"type":"RECORD","stream":"{stream}","record":')
command = [program, "run", "--tgt-conn", "MEASURED", "--tgt-object", f"{schema}.{stream}"]
command += ["--mode", "incremental", "--primary-key", ",".join(head["key_properties"])]
command += ["--src-options", json.dumps({"format": "jsonlines", "flatten": True})]
environment = os.environ | {"MEASURED": url, "SLING_HOME_DIR": home, "HOME": home}
with subprocess.Popen(command, stdin=subprocess.PIPE, env=environment) as process:
    assert process.stdin is not None
    for line in sys.stdin.buffer:
        if line.startswith(b'{"type":"RECORD"'):
            process.stdin.write(line[before:-2] + b"\n")
    process.stdin.close()
sys.exit(process.returncode)
