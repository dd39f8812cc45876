"""Checks what operators do to a deployed backend: updating it, going back, opening the page, removing all of it."""

import json
from pathlib import Path

from checks import User, equal, received
from page import ORIGIN
from tool import open_page, run_tool

STACK_POLICY = Path(__file__).resolve().parents[2] / "stack-policy.json"


def run(backend, stack, update):
    """Runs every check; `update` deploys again with other parameters."""
    checks = [check_guards, check_updates, check_opening, check_another_origin, check_removing]
    for check in checks:
        check(backend, stack, update)
        print("ok  ", check.__name__.removeprefix("check_").replace("_", " "))
    return len(checks)


def check_guards(backend, stack, update):
    """The commands of docs/deploy.md, with which the updates and the removal below have to do."""
    cloudformation = backend.aws.client("cloudformation")
    cloudformation.update_termination_protection(StackName=stack, EnableTerminationProtection=True)
    policy = STACK_POLICY.read_text(encoding="utf-8")
    cloudformation.set_stack_policy(StackName=stack, StackPolicyBody=policy)
    equal(json.loads(cloudformation.get_stack_policy(StackName=stack)["StackPolicyBody"]), json.loads(policy))
    # A flood of upgrades takes nothing of the frames'.
    apis = backend.aws.client("apigatewayv2")
    stage = apis.get_stage(ApiId=backend.host("WebSocketUrl").split(".")[0], StageName="live")
    limits = [stage["DefaultRouteSettings"], stage["RouteSettings"]["$connect"]]
    equal([one["ThrottlingRateLimit"] for one in limits], [10, 2])


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
    done, found = open_page(backend, stack, ORIGIN, "a@x.org", "b@x.org")
    equal(done.returncode, 0)
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
    again, _ = open_page(backend, stack, ORIGIN, "a@x.org", "b@x.org")
    equal(("a@x.org is there already" in again.stdout, again.returncode), (True, 0))


def check_another_origin(backend, stack, update):
    done = run_tool(backend, "open", "--no-browser", "--stack", stack, "--origin", "https://chat.example.com")
    allowed = backend.outputs["AllowedOrigins"]
    equal(f"AllowedOrigins={allowed},https://chat.example.com" in done.stderr, True)
    equal(done.returncode, 1)
    done = run_tool(backend, "open", "--no-browser", "--stack", "another")
    equal((done.returncode, "does not exist" in done.stderr), (1, True))


def check_removing(backend, stack, update):
    pool = backend.outputs["UserPoolId"]
    done = run_tool(backend, "remove", "--stack", stack, "--yes")
    equal((done.returncode, done.stderr), (0, ""))
    pools = backend.aws.client("cognito-idp").list_user_pools(MaxResults=60)["UserPools"]
    equal(pool in [one["Id"] for one in pools], False)
    equal(run_tool(backend, "remove", "--stack", stack, "--yes").returncode, 1)
