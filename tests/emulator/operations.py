"""Checks what operators do to a deployed backend: updating it, going back, opening the page, removing all of it."""

import os
import re
import subprocess
import sys
from pathlib import Path

from checks import User, equal, received
from page import ORIGIN

TOOL = Path(__file__).resolve().parents[2] / "admin" / "stack"


def run(backend, stack, update):
    """Runs every check; `update` deploys again with other parameters."""
    checks = [check_updates, check_opening, check_another_origin, check_removing]
    for check in checks:
        check(backend, stack, update)
        print("ok  ", check.__name__.removeprefix("check_").replace("_", " "))
    return len(checks)


def check_updates(backend, stack, update):
    """What was stored is served by the version before and the one after, over a WebSocket that stays open."""
    alice, bob = (User(backend, name) for name in ("old-alice", "old-bob"))
    bob.connect()
    bob.say(type="register")
    received(bob.socket)
    sent = []

    def chat(text):
        status, _, body = alice.post("/messages", {"receiver_id": bob.key, "content": text})
        equal(status, 201)
        sent.append(body["data"])
        equal(received(bob.socket)["data"], body["data"])
        equal(alice.get("/messages")[2], sent)

    chat("by the version before")
    # The new version is told by what its parameter does: one message a second, four at once.
    update({"MessagesPerSecond": "1"}, "new")
    chat("by the version after")
    answers = [alice.post("/messages", {"receiver_id": alice.key, "content": "x"})[0] for _ in range(8)]
    equal(429 in answers, True)
    update({"MessagesPerSecond": "0"}, "old")
    own = [one for one in alice.get("/messages")[2] if one["receiver_id"] == alice.key]
    for message in own:
        equal(alice.request("DELETE", f"/messages/{message['id']}")[0], 200)
    chat("by the version before, again")
    bob.socket.close()


def check_opening(backend, stack, update):
    done = tool(backend, "open", "--no-browser", "--stack", stack, "--origin", ORIGIN, "--users", "a@x.org,b@x.org")
    equal(done.returncode, 0)
    found = re.findall(r"(\S+)  password (\S+)\n  (\S+)\n", done.stdout)
    equal([email for email, _, _ in found], ["a@x.org", "b@x.org"])
    outputs = backend.outputs
    address = f"{ORIGIN}/?api={outputs['HttpUrl']}&live={outputs['WebSocketUrl']}&pool=us-east-1:{outputs['UserPoolClientId']}"
    keys = []
    for email, password, opened in found:
        user = User(backend, email, password)
        keys.append(user.key)
        equal(opened.startswith(f"{address}&with="), True)
        equal(user.get("/messages")[0], 200)
    equal([opened.rsplit("=", 1)[1] for _, _, opened in found], keys[::-1])
    again = tool(backend, "open", "--no-browser", "--stack", stack, "--origin", ORIGIN, "--users", "a@x.org,b@x.org")
    equal(("a@x.org is there already" in again.stdout, again.returncode), (True, 0))


def check_another_origin(backend, stack, update):
    done = tool(backend, "open", "--no-browser", "--stack", stack, "--origin", "https://chat.example.com")
    allowed = backend.outputs["AllowedOrigins"]
    equal(f"AllowedOrigins={allowed},https://chat.example.com" in done.stderr, True)
    equal(done.returncode, 1)
    done = tool(backend, "open", "--no-browser", "--stack", "another")
    equal((done.returncode, "does not exist" in done.stderr), (1, True))


def check_removing(backend, stack, update):
    pool = backend.outputs["UserPoolId"]
    done = tool(backend, "remove", "--stack", stack, "--yes")
    equal((done.returncode, done.stderr), (0, ""))
    pools = backend.aws.client("cognito-idp").list_user_pools(MaxResults=60)["UserPools"]
    equal(pool in [one["Id"] for one in pools], False)
    equal(tool(backend, "remove", "--stack", stack, "--yes").returncode, 1)


def tool(backend, *arguments):
    settings = {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{backend.aws.port}", "AWS_DEFAULT_REGION": "us-east-1"}
    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    command = [sys.executable, TOOL, *arguments]
    environment = {**os.environ, **settings, **keys}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
