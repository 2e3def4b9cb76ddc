"""The description says what the definitions say, and every name it refers to is in it."""

from typing import Annotated

from msgspec import Meta, Struct, defstruct
from twisted.trial.unittest import SynchronousTestCase

from nled.domain.access import Need
from nled.domain.commands import COMMANDS
from nled.web import control
from nled.web.about import Description
from nled.web.endpoint import Call, Endpoint
from tests.web.edge import STRANGER, Edge


class Order(Struct):
    """What is to be done."""

    serial: str
    wait: Annotated[int, Meta(ge=0, le=30)] = 0


class Optional(Struct):
    name: str = ""


class Waiting(Struct):
    wait: Annotated[float, Meta(ge=0, le=30)]
    fields: str = ""


class Done(Struct):
    """What was done (protocol c.2).

    Attributes:
        serial: to which
            device (protocol a.2).
    """

    serial: str


class Whole(Struct, tag_field="kind", tag="whole"):
    """All of it."""


class Part(Struct, tag_field="kind", tag="part"):
    """Some of it."""

    size: int


class Refusal(Struct):
    why: str


# Of the same name as the one above, and with that one in it.
Another = defstruct("Done", [("count", int), ("more", list[Done])], module="nled.web.some_more")


async def act(_call: Call, **_variables: str) -> None:
    """Do what is asked.

    How is nobody's business.
    """


ENDPOINTS = (
    Endpoint(
        "POST",
        "/it",
        act,
        Need.WRITE,
        "Do it",
        body=Order,
        query=Waiting,
        answer=Done | Refusal,
        statuses=(409,),
    ),
    Endpoint("PUT", "/it", act, Need.WRITE, "Do it perhaps", body=Optional, answer=Another),
    Endpoint("GET", "/open", lambda _call: {}, Need.OPEN, "Look", answer=list[Done]),
    Endpoint("GET", "/stream", act, Need.READ, "Follow", answer=Done, media="text/event-stream"),
    Endpoint(
        "POST",
        "/command",
        act,
        Need.WRITE,
        "Command",
        body=control.Command,
        described=control.command_of_any_kind(),
        answer=Whole | Part,
    ),
    Endpoint("GET", "/keys", act, Need.ADMIN, "Look at keys", answer=Done),
    Endpoint("POST", "/transfer", act, Need.TRANSFER, "Give", body=Order, answer=Done),
    Endpoint("GET", "/api/v1/of/<device_id>/<user>", act, Need.READ, "Read", answer=Done, tag="v1"),
)


class DescriptionTests(SynchronousTestCase):
    def setUp(self):
        self.edge = Edge(*ENDPOINTS)
        self.description = Description(self.edge.api)
        self.edge.api.add(self.description.endpoint())
        self.document = self.edge.ask("GET", "/openapi.json", peer=STRANGER).json
        self.paths = self.document["paths"]

    def test_everybody_may_read_it_and_it_is_made_once(self):
        self.assertEqual(self.document["openapi"], "3.1.0")
        first, second = (self.description.openapi(None) for _ in range(2))
        self.assertIs(first, second)

    def test_every_endpoint_is_there(self):
        described = {(method, path) for path, each in self.paths.items() for method in each}
        self.assertEqual(
            described,
            {
                ("get", "/openapi.json"),
                ("post", "/it"),
                ("put", "/it"),
                ("get", "/open"),
                ("get", "/stream"),
                ("post", "/command"),
                ("get", "/keys"),
                ("post", "/transfer"),
                ("get", "/api/v1/of/{device_id}/{user}"),
            },
        )
        identifiers = [each["operationId"] for path in self.paths.values() for each in path.values()]
        self.assertEqual(len(set(identifiers)), len(described))

    def test_every_reference_leads_somewhere(self):
        count = 0

        def follow(node):
            nonlocal count
            if isinstance(node, dict):
                if "$ref" in node:
                    count += 1
                    place = self.document
                    for name in node["$ref"].removeprefix("#/").split("/"):
                        place = place[name]
                for each in node.values():
                    follow(each)
            elif isinstance(node, list):
                for each in node:
                    follow(each)

        follow(self.document)
        self.assertGreater(count, 20)

    def schema(self, node):
        content = node["content"]["application/json"]["schema"]
        return self.document["components"]["schemas"][content["$ref"].rpartition("/")[2]]

    def test_bodies(self):
        body = self.paths["/it"]["post"]["requestBody"]
        self.assertTrue(body["required"])
        schema = self.schema(body)
        self.assertEqual(schema["required"], ["serial"])
        self.assertEqual(schema["description"], "What is to be done.")
        self.assertEqual(schema["properties"]["wait"]["maximum"], 30)
        self.assertFalse(self.paths["/it"]["put"]["requestBody"]["required"])
        self.assertNotIn("requestBody", self.paths["/open"]["get"])

    def test_parameters(self):
        wait, fields = self.paths["/it"]["post"]["parameters"]
        self.assertEqual((wait["in"], wait["name"], wait["required"]), ("query", "wait", True))
        self.assertEqual(wait["schema"]["maximum"], 30)
        self.assertEqual((fields["name"], fields["required"]), ("fields", False))
        for each in self.paths["/api/v1/of/{device_id}/{user}"]["get"]["parameters"]:
            self.assertEqual((each["in"], each["required"]), ("path", True))

    def test_what_is_read_as_any_json_is_described_as_what_it_must_be(self):
        body = self.paths["/command"]["post"]["requestBody"]
        self.assertTrue(body["required"])
        schema = body["content"]["application/json"]["schema"]
        self.assertEqual(schema["discriminator"]["propertyName"], "command")
        self.assertEqual(set(schema["discriminator"]["mapping"]), set(COMMANDS))
        self.assertEqual(len(schema["anyOf"]), len(COMMANDS))

    def test_types_with_a_tag_are_told_apart_by_it(self):
        schema = self.paths["/command"]["post"]["responses"]["200"]["content"]["application/json"]["schema"]
        self.assertEqual(
            schema["discriminator"]["mapping"],
            {"whole": "#/components/schemas/Whole", "part": "#/components/schemas/Part"},
        )

    def test_docstrings_describe_fields(self):
        schema = self.document["components"]["schemas"]["TestOpenapiDone"]
        self.assertEqual(schema["description"], "What was done.")
        self.assertEqual(schema["properties"]["serial"]["description"], "To which device.")

    def test_variables_of_paths(self):
        device, user = self.paths["/api/v1/of/{device_id}/{user}"]["get"]["parameters"]
        self.assertRegex("02AA01AB12345678", device["schema"]["pattern"])
        self.assertRegex("ann", user["schema"]["pattern"])
        self.assertIn("serial", device["description"])
        self.assertNotIn("description", device["schema"])

    def test_streams(self):
        stream = self.paths["/stream"]["get"]
        [last] = stream["parameters"]
        self.assertEqual((last["name"], last["in"], last["required"]), ("Last-Event-ID", "header", False))

    def test_answers(self):
        answers = self.paths["/it"]["post"]["responses"]["200"]
        self.assertEqual(len(answers["content"]["application/json"]["schema"]["anyOf"]), 2)
        self.assertIn("count", self.schema(self.paths["/it"]["put"]["responses"]["200"])["properties"])
        opened = self.paths["/open"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        self.assertEqual(opened["type"], "array")
        stream = self.paths["/stream"]["get"]["responses"]["200"]["content"]["text/event-stream"]["schema"]
        self.assertEqual(
            stream["properties"]["data"]["contentSchema"], {"$ref": "#/components/schemas/TestOpenapiDone"}
        )

    def test_types_of_the_same_name_are_told_apart_by_their_modules(self):
        schemas = self.document["components"]["schemas"]
        self.assertEqual(
            [name for name in schemas if name.endswith("Done")], ["TestOpenapiDone", "SomeMoreDone"]
        )
        self.assertNotIn(".", "".join(schemas))
        more = schemas["SomeMoreDone"]["properties"]["more"]
        self.assertEqual(more["items"]["$ref"], "#/components/schemas/TestOpenapiDone")

    def test_statuses(self):
        def statuses(method, path):
            return " ".join(sorted(self.paths[path][method]["responses"]))

        self.assertEqual(statuses("post", "/it"), "200 400 401 403 409 413 415 429 503")
        self.assertEqual(statuses("get", "/open"), "200 400 403")
        self.assertEqual(statuses("get", "/api/v1/of/{device_id}/{user}"), "200 400 401 403 404 429 503")

    def test_errors_of_each_tag(self):
        responses = self.document["components"]["responses"]
        self.assertEqual(
            list(self.schema(responses["control-400"])["properties"]), ["success", "message", "error"]
        )
        self.assertEqual(list(self.schema(responses["v1-400"])["properties"]), ["error", "retryAfter"])
        self.assertEqual(list(responses["control-429"]["headers"]), ["Retry-After"])
        self.assertEqual(list(responses["control-401"]["headers"]), ["WWW-Authenticate"])
        self.assertNotIn("headers", responses["control-400"])
        self.assertLess({"X-RateLimit-Reset", "Retry-After"}, set(responses["v1-429"]["headers"]))
        answer = self.paths["/api/v1/of/{device_id}/{user}"]["get"]["responses"]
        self.assertEqual(answer["404"], {"$ref": "#/components/responses/v1-404"})
        self.assertIn("X-RateLimit-Limit", answer["200"]["headers"])

    def test_who_needs_a_key(self):
        for method, path, security in (
            ("post", "/it", [{}, {"bearer": ["write"]}]),
            ("get", "/stream", [{}, {"bearer": ["read"]}]),
            ("get", "/keys", [{"bearer": ["admin"]}]),
            ("post", "/transfer", [{"bearer": ["write"]}]),
            ("get", "/api/v1/of/{device_id}/{user}", [{"bearer": ["read"]}]),
        ):
            self.assertEqual(self.paths[path][method]["security"], security, path)
        self.assertNotIn("security", self.paths["/open"]["get"])

    def test_words(self):
        post = self.paths["/it"]["post"]
        self.assertEqual((post["summary"], post["description"]), ("Do it", "Do what is asked."))
