"""What schemathesis cannot know from openapi.yaml: texts of the project's formats, and which answers are right though a
check says otherwise, each with its reason."""

import schemathesis
from hypothesis import strategies as st

# JSON Schema counts characters, the API bytes of UTF-8, of which a character has up to four.
CHARACTERS = st.one_of(
    st.characters(min_codepoint=0x21, max_codepoint=0x7E), st.characters(exclude_categories=["Cc", "Cs"])
)

USERS = ["alice", "bob", "-"]


def texts(shortest, longest):
    return st.text(CHARACTERS, min_size=shortest, max_size=longest // 4)


schemathesis.openapi.format("user-key", st.one_of(st.sampled_from(USERS), texts(1, 128)))
schemathesis.openapi.format("client-id", texts(1, 64))
schemathesis.openapi.format("call-id", texts(8, 64))

# The messages that a repeated send was answered with: it may have been deleted since.
replayed = set()

# Failures that are none: the check's failure, a condition, and the reason.
EXCEPTIONS = [
    (
        "UnsupportedMethodResponse",
        lambda case, response: response.status_code == 404 and body(response) == {"message": "Not Found"},
        "a route of an HTTP API is a method and a path: another method is no route, which is 404 and not 405",
    ),
    (
        "RejectedPositiveData",
        lambda case, response: "before" in case.query and "after" in case.query and code(response) == "invalid_request",
        "before and after exclude each other, for which OpenAPI has no word",
    ),
    (
        "RejectedPositiveData",
        lambda case, response: "with" in case.query and "user" not in case.query and code(response) == "invalid_request",
        "in open mode with needs user, for which OpenAPI has no word",
    ),
    (
        "RejectedPositiveData",
        lambda case, response: code(response) == "too_large" and "metadata may have" in body(response)["error"],
        "JSON Schema has no measure for the bytes of an object",
    ),
    (
        "RejectedPositiveData",
        lambda case, response: code(response) == "resync",
        "whether a position is in the log is no matter of form",
    ),
    (
        "RejectedPositiveData",
        lambda case, response: code(response) == "key_reused",
        "whether a client_id was used before is no matter of form",
    ),
    (
        "EnsureResourceAvailability",
        lambda case, response: case.path_parameters.get("id") in replayed,
        "a repeated send gets its first answer again though its message was deleted since",
    ),
    (
        "AcceptedNegativeData",
        lambda case, response: "Idempotency-Key" in case.headers and "client_id" in (case.body or {}),
        "the header is not read where the body has a client_id",
    ),
    (
        "AcceptedNegativeData",
        lambda case, response: "peer" in case.query and case.path_parameters.get("peer") != "-",
        "the query's peer is not read unless the path has - in its place",
    ),
]


@schemathesis.hook
def after_call(context, case, response):
    if "idempotent-replayed" in response.headers:
        replayed.add(body(response)["data"]["id"])


@schemathesis.hook
def filter_query(context, query):
    """Most requests should do something: cursors that exclude each other are left to the check of coverage."""
    return not ("before" in (query or {}) and "after" in query)


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """Whether it is a failure."""
    kind = type(failure).__name__
    return not any(kind == name and holds(case, response) for name, holds, _ in EXCEPTIONS)


def body(response):
    try:
        return response.json()
    except ValueError:
        return None


def code(response):
    answer = body(response)
    return answer.get("code") if isinstance(answer, dict) else None
