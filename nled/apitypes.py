"""JSON schemas in words, for the page on the HTTP API."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any, Final, TypeAlias

Schema: TypeAlias = dict[str, Any]

_UNITS: Final = ("°C", "°F", "minutes", "seconds", "percent", "Seconds; 0 ends it.")
# Lines of a file that nledctl writes and reads; docs/store.md is about them.
_RECORD: Final = "Record"
# So many fields can be said again.
_FEW: Final = 3


class Types:
    """Writes what values look like, and remembers the Structs that it only named.

    Args:
        document: of OpenAPI.
    """

    def __init__(self, document: Schema) -> None:
        self._schemas: Mapping[str, Schema] = document["components"]["schemas"]
        self._count = Counter(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(document)))
        self._named: set[str] = set()

    def whole(self, reference: Schema, *, given: bool) -> Iterator[str]:
        """Write what a Struct is; only its name where it has many fields and comes up more than once."""
        name = reference["$ref"].rpartition("/")[2]
        schema = self._schemas[name]
        if self._count[name] > 1 and len(schema["properties"]) > _FEW:
            yield f"{self.kind(reference)}\n"
        else:
            yield from self.struct(schema, given=given)

    def of(self, reference: Schema) -> Schema:
        """Return the schema of a Struct that is referred to."""
        found: Schema = self._schemas[reference["$ref"].rpartition("/")[2]]
        return found

    def named(self) -> Iterator[tuple[str, str]]:
        """Write all Structs that were named, and those that these name; by name."""
        written: dict[str, str] = {}
        while more := self._named - written.keys():
            written |= {name: "".join(self.struct(self._schemas[name], given=True)) for name in more}
        yield from sorted(written.items())

    def struct(self, schema: Schema, *, given: bool) -> Iterator[str]:
        """Write what a Struct is, and its fields; those of the same kind that follow each other in one line.

        Args:
            schema: of the Struct.
            given: whether clients send it, to whom it says what may be left out.
        """
        if about := schema.get("description"):
            yield f"{about}\n\n"
        needed = schema.get("required", ())
        fields = schema.get("properties", {}).items()
        for told, alike in groupby(fields, lambda each: self.field(each[1], each[0] in needed, given=given)):
            yield f"- {', '.join(f'`{name}`' for name, _ in alike)}: {told}\n"

    def field(self, schema: Schema, needed: bool, *, given: bool) -> str:  # noqa: FBT001 - said by the schema
        """Write what a field is, and what it means."""
        told = self.kind(schema)
        if not needed and given:
            default = schema.get("default")
            plain = default in (None, "", [], {})
            told += ", may be left out" if plain else f"; {json.dumps(default)} where it is left out"
        elif not needed and "default" not in schema:
            told += ", only where it applies"
        about = schema.get("description", "")
        if about in ("", *_UNITS):
            return told
        return f"{told}. {about}{'' if about.endswith('.') else '.'}"

    def kind(self, schema: Schema) -> str:
        """Write what a value is."""
        if "$ref" in schema:
            name = schema["$ref"].rpartition("/")[2]
            if name.endswith(_RECORD):
                return f"`{name}`"
            self._named.add(name)
            return f"[{name}](#{name.lower()})"
        if "enum" in schema or "const" in schema:
            values = schema.get("enum", [schema.get("const")])
            return ", ".join(f"`{json.dumps(each, ensure_ascii=False)}`" for each in values)
        if "anyOf" in schema and "type" not in schema:
            return " or ".join(dict.fromkeys(self.kind(each) for each in schema["anyOf"]))
        return self._plain(schema)

    def _plain(self, schema: Schema) -> str:
        kind = schema.get("type")
        if kind == "array":
            if parts := schema.get("prefixItems"):
                return f"[{', '.join(map(self.kind, parts))}]"
            return f"list of {self.kind(schema['items'])}"
        if kind == "object":
            values = schema.get("additionalProperties")
            return f"object of {self.kind(values)}" if isinstance(values, dict) and values else "object"
        if kind in ("number", "integer"):
            whole = kind == "integer" or schema.get("multipleOf") == 1
            return f"{'whole number' if whole else 'number'}{_bounds(schema)}"
        words = {"boolean": "true or false", "null": "null", "string": schema.get("format", "text")}
        return str(words.get(str(kind), "anything"))


def _bounds(schema: Schema) -> str:
    unit = schema.get("description")
    told = f" of {unit}" if unit in _UNITS and "." not in unit else ""
    low, high = schema.get("minimum"), schema.get("maximum")
    if high is None and "exclusiveMaximum" in schema:
        high = schema["exclusiveMaximum"] - 1
    if high is None:
        return told
    return f"{told} from {low:.12g} to {high:.12g}"
