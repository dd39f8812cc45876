"""`admin/stack` at the emulator's deployment."""

import os
import re
import subprocess
import sys
from pathlib import Path

TOOL = Path(__file__).resolve().parents[2] / "admin" / "stack"


def run_tool(backend, *arguments):
    settings = {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{backend.aws.port}", "AWS_DEFAULT_REGION": "us-east-1"}
    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    command = [sys.executable, TOOL, *arguments]
    environment = {**os.environ, **settings, **keys}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)


def open_page(backend, stack, origin, *users):
    """What `stack open` did, and for each of the two users that it made their address, password, and the page's."""
    arguments = ["--no-browser", "--stack", stack, "--origin", origin, "--users", ",".join(users)]
    done = run_tool(backend, "open", *arguments)
    return done, re.findall(r"(\S+)  password (\S+)\n  (\S+)\n", done.stdout)
