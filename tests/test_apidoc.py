"""docs/api.md says what the endpoints say, and can be read."""

import re
import shutil
import subprocess
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from nled.apidoc import EXAMPLES, SERIAL, document, page
from nled.apitypes import Types
from nled.domain.lock import pin_hash

PAGE = Path(__file__).parents[1] / "docs" / "api.md"


class PageTests(SynchronousTestCase):
    def test_it_is_not_stale(self):
        self.assertEqual(
            page(document()),
            PAGE.read_text(),
            "write it again: .venv/bin/python -m nled.apidoc > docs/api.md",
        )

    def test_every_endpoint_and_example_is_there(self):
        text = PAGE.read_text()
        identifiers = set()
        for path, operations in document()["paths"].items():
            for method, operation in operations.items():
                identifiers.add(operation["operationId"])
                self.assertIn(f"\n### {method.upper()} {path}\n", text)
        self.assertLessEqual(set(EXAMPLES), identifiers)
        self.assertEqual(text.count("\ncurl "), len(EXAMPLES))

    def test_the_lock_of_the_example_is_opened_by_its_pin(self):
        """The hash that the hosted service's own page shows is another one (protocol d.6)."""
        hashed = pin_hash("0000", SERIAL)
        _, body = EXAMPLES["post_api_v1_thermostat_device_id_lock"]
        self.assertEqual((SERIAL, hashed), ("02AA01AB01234567", "kFRc/skLylZUKACup2bPzjQDUII="))
        self.assertEqual(body["pin_hash"], hashed)
        text = PAGE.read_text()
        self.assertNotIn("/PiS0Kl52c8oNptmsL4Z7cxd9mg=", text)
        self.assertIn(f"/api/v1/thermostat/{SERIAL}/lock", text)
        [line] = set(re.findall(r"`(printf [^`]*)`", text))
        if shutil.which("openssl"):
            made = subprocess.run(line, shell=True, check=True, capture_output=True, text=True).stdout
            self.assertEqual(made.strip(), hashed)

    def test_every_link_leads_somewhere(self):
        text = PAGE.read_text()
        headings = {
            heading.lower().replace(" ", "-") for heading in re.findall("^#+ (.*)$", text, re.MULTILINE)
        }
        self.assertLessEqual(set(re.findall(r"\]\(#([^)]*)\)", text)), headings)
        for file in re.findall(r"\]\(([a-z]+\.md)\)", text):
            self.assertTrue((PAGE.parent / file).exists(), file)


class WordTests(SynchronousTestCase):
    def setUp(self):
        self.types = Types(document())

    def test_kinds(self):
        for schema, told in (
            ({"type": "string"}, "text"),
            ({"type": "string", "format": "date-time"}, "date-time"),
            ({"enum": ["a", "b"]}, '`"a"`, `"b"`'),
            ({"const": True, "type": "boolean"}, "`true`"),
            ({"type": "integer", "minimum": 1, "maximum": 9}, "whole number from 1 to 9"),
            ({"type": "integer", "minimum": 0, "exclusiveMaximum": 60}, "whole number from 0 to 59"),
            ({"type": "number", "multipleOf": 1}, "whole number"),
            (
                {"type": "number", "minimum": 4.5, "maximum": 32, "description": "°C"},
                "number of °C from 4.5 to 32",
            ),
            ({"type": "array", "items": {"type": "null"}}, "list of null"),
            ({"type": "array", "prefixItems": [{"type": "integer"}, {}]}, "[whole number, anything]"),
            ({"type": "object"}, "object"),
            ({"type": "object", "additionalProperties": {"type": "string"}}, "object of text"),
            ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "text or null"),
            ({"$ref": "#/components/schemas/Status"}, "[Status](#status)"),
            ({"$ref": "#/components/schemas/KeyRecord"}, "`KeyRecord`"),
        ):
            with self.subTest(schema=schema):
                self.assertEqual(self.types.kind(schema), told)

    def test_fields(self):
        number = {"type": "number", "description": "How much."}
        for schema, needed, given, told in (
            (number, True, True, "number. How much."),
            (number, False, True, "number, may be left out. How much."),
            (number, False, False, "number, only where it applies. How much."),
            ({**number, "default": 5}, False, True, "number; 5 where it is left out. How much."),
            ({**number, "default": 5}, False, False, "number. How much."),
            ({"type": "number", "description": "°C"}, True, True, "number of °C"),
        ):
            with self.subTest(schema=schema, needed=needed, given=given):
                self.assertEqual(self.types.field(schema, needed, given=given), told)

    def test_fields_that_are_alike_share_a_line(self):
        flag = {"type": "boolean"}
        schema = {"properties": {"a": flag, "b": flag, "c": {"type": "null"}}, "required": ["a", "b"]}
        lines = list(self.types.struct(schema, given=True))
        self.assertEqual(lines, ["- `a`, `b`: true or false\n", "- `c`: null, may be left out\n"])

    def test_what_is_named_is_told_and_what_that_names_too(self):
        self.types.kind({"$ref": "#/components/schemas/ControlListing"})
        names = [name for name, _ in self.types.named()]
        self.assertEqual(names, sorted(names))
        self.assertLess({"ControlListing", "Status", "PendingWrite"}, set(names))
