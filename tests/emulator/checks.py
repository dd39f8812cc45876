"""Checks that a client finds what it needs at a deployed backend: users, tokens, messages, tickets, WebSockets, pushes."""

import base64
import json

from page import ORIGIN

TIMEOUT = 30

# AWS passes the 401 of `$connect` on; ministack answers 403 in place of every status that is no success.
REFUSED = 403


def run(backend):
    """Runs every check, each on the state that those before it left, and returns how many there were."""
    state = Checks(backend)
    checks = [check for name, check in vars(Checks).items() if name.startswith("test_")]
    for check in checks:
        check(state)
        print("ok  ", check.__name__.removeprefix("test_").replace("_", " "))
    return len(checks)


class Checks:
    def __init__(self, backend):
        self.backend = backend
        self.alice, self.bob, self.eve = (User(backend, name) for name in ("alice", "bob", "eve"))

    def test_no_request_without_a_token(self):
        for route in ("GET /messages", "POST /messages", "POST /tickets", "DELETE /messages/x"):
            method, path = route.split()
            status, _, body = self.backend.request(method, path, body={} if method == "POST" else None)
            equal((status, body), (401, {"message": "Unauthorized"}))

    def test_no_request_with_a_forged_token(self):
        head, claims, signature = self.alice.token.split(".")
        claims = json.loads(base64.urlsafe_b64decode(claims + "=="))
        claims["sub"] = self.bob.key
        claims = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
        status, _, _ = self.backend.request("GET", "/messages", f"{head}.{claims}.{signature}")
        equal(status, 401)

    def test_access_and_id_tokens_name_the_same_user(self):
        for token in (self.alice.token, self.alice.id_token):
            equal(self.backend.request("GET", "/messages", token)[0], 200)

    def test_a_page_may_ask_from_its_origin(self):
        asked = {"Origin": ORIGIN, "Access-Control-Request-Method": "PUT"}
        status, headers, _ = self.backend.request("OPTIONS", "/messages/x", headers=asked)
        equal(status in (200, 204), True)
        equal(headers["Access-Control-Allow-Origin"], ORIGIN)

    def test_no_websocket_without_a_ticket(self):
        equal(self.backend.open(), REFUSED)
        equal(self.backend.open("made-up"), REFUSED)

    def test_a_ticket_opens_one_websocket(self):
        status, _, body = self.alice.post("/tickets")
        equal((status, body["expires_in"]), (201, 30))
        with self.backend.open(body["ticket"]) as socket:
            socket.send('{"type":"ping"}')
            equal(received(socket), {"type": "pong"})
        equal(self.backend.open(body["ticket"]), REFUSED)

    def test_users_register_as_themselves(self):
        for user in (self.alice, self.bob):
            user.connect()
            user.say(type="register")
            registered = received(user.socket)
            equal((registered["type"], registered["userKey"]), ("registered", user.key))

    def test_nobody_registers_as_another(self):
        self.eve.connect()
        self.eve.say(type="register", userKey=self.bob.key)
        refused = received(self.eve.socket)
        equal((refused["type"], refused["code"]), ("error", "forbidden"))
        self.eve.say(type="register")
        equal(received(self.eve.socket)["userKey"], self.eve.key)

    def test_a_message_is_stored_and_pushed_to_its_participants(self):
        status, _, body = self.alice.post("/messages", {"receiver_id": self.bob.key, "content": "hello 👋"})
        equal((status, body["message"]), (201, "Message created"))
        self.message = body["data"]
        equal((self.message["sender_id"], self.message["content"]), (self.alice.key, "hello 👋"))
        for user in (self.alice, self.bob):
            frame = received(user.socket)
            equal((frame["type"], frame["data"]), ("new_message", self.message))

    def test_a_message_is_read_by_its_participants_only(self):
        path = f"/messages/{self.message['id']}"
        for user in (self.alice, self.bob):
            equal(user.get(path)[::2], (200, self.message))
            equal(user.get("/messages")[::2], (200, [self.message]))
        equal(self.eve.get(path)[0], 404)
        equal(self.eve.get("/messages")[2], [])

    def test_nobody_writes_as_another(self):
        forged = {"sender_id": self.bob.key, "receiver_id": self.eve.key, "content": "x"}
        equal(self.alice.post("/messages", forged)[0], 403)

    def test_a_message_is_edited_by_its_sender_only(self):
        path = f"/messages/{self.message['id']}"
        equal(self.bob.request("PUT", path, {"content": "mine"})[0], 403)
        status, _, body = self.alice.request("PUT", path, {"content": "hello again"})
        equal((status, body["data"]["content"]), (200, "hello again"))
        for user in (self.alice, self.bob):
            frame = received(user.socket)
            equal((frame["type"], frame["data"]), ("update_message", body["data"]))

    def test_a_deleted_message_is_gone(self):
        path = f"/messages/{self.message['id']}"
        equal(self.alice.request("DELETE", path)[::2], (200, {"message": "Message deleted"}))
        for user in (self.alice, self.bob):
            frame = received(user.socket)
            equal((frame["type"], frame["data"]), ("delete_message", {"id": self.message["id"]}))
        equal(self.bob.get(path)[0], 404)

    def test_bad_input_is_refused_with_a_sentence(self):
        status, _, body = self.alice.post("/messages", {"content": 7})
        equal((status, bool(body["error"]), bool(body["code"])), (400, True, True))
        self.alice.say(type="nonsense", ref="r1")
        frame = received(self.alice.socket)
        equal((frame["type"], frame["code"], frame["ref"]), ("error", "unknown_type", "r1"))

    def test_hints_are_swallowed(self):
        self.alice.say(type="new_message")
        self.alice.say(type="ping")
        equal(received(self.alice.socket), {"type": "pong"})

    def test_a_call_is_signaled(self):
        self.alice.say(type="offer", target=self.bob.key, data={"sdp": "o"}, anything=["else"])
        offer = received(self.bob.socket)
        equal((offer["type"], offer["sender"]), ("offer", self.alice.key))
        equal((offer["data"], offer["anything"]), ({"sdp": "o"}, ["else"]))
        self.bob.say(type="answer", target=self.alice.key, data={"sdp": "a"})
        answer = received(self.alice.socket)
        equal((answer["type"], answer["sender"], answer["data"]), ("answer", self.bob.key, {"sdp": "a"}))
        self.alice.say(type="candidate", target=self.bob.key, data={"candidate": "c"})
        equal(received(self.bob.socket)["data"], {"candidate": "c"})
        self.alice.say(type="end_call", target=self.bob.key)
        equal(received(self.bob.socket)["type"], "end_call")

    def test_a_closed_websocket_is_forgotten(self):
        self.bob.socket.close()
        status, _, _ = self.alice.post("/messages", {"receiver_id": self.bob.key, "content": "are you there?"})
        equal(status, 201)
        equal(received(self.alice.socket)["type"], "new_message")


class User:
    """A new user, or with a password one that is there already."""

    def __init__(self, backend, name, password=None):
        tokens = backend.sign_in(name, password) if password else backend.sign_up(name)
        self.backend, self.socket = backend, None
        self.token, self.id_token = tokens["AccessToken"], tokens["IdToken"]
        self.key = backend.claims(self.token)["sub"]

    def request(self, method, path, body=None):
        return self.backend.request(method, path, self.token, body)

    def get(self, path):
        return self.request("GET", path)

    def post(self, path, body=None):
        return self.request("POST", path, body or {})

    def connect(self):
        self.socket = self.backend.open(self.post("/tickets")[2]["ticket"])

    def say(self, **frame):
        self.socket.send(json.dumps(frame))


def received(socket):
    return json.loads(socket.recv(timeout=TIMEOUT))


def equal(found, expected):
    if found != expected:
        raise AssertionError(f"found {found!r} instead of {expected!r}")
