"""The JSON schemas of the types that requests and answers have."""

import re
from collections.abc import Iterable, Mapping
from inspect import cleandoc
from types import UnionType
from typing import Any, Final, get_args

import msgspec

_REFERENCE: Final = "#/components/schemas/{name}"
_ATTRIBUTES: Final = "Attributes:"
_SOURCE: Final = re.compile(r" \(protocol [^)]*\)")
_ATTRIBUTE: Final = re.compile(r"    (\w+(?:, \w+)*): (.*)")


class Schemas:
    """The JSON schemas of some types, made together so that no two share a name.

    Attributes:
        components: schemas of Structs, by name.
    """

    def __init__(self, kinds: Iterable[Any]) -> None:
        parts = [part for kind in kinds for part in _parts(kind)]
        found, components = msgspec.json.schema_components(parts, ref_template=_REFERENCE)
        short = {name: _short(name) for name in components if "." in name}
        self.components = {
            short.get(name, name): _described(_renamed(each, short)) for name, each in components.items()
        }
        self._of = {id(part): _renamed(schema, short) for part, schema in zip(parts, found, strict=True)}

    def of(self, kind: Any) -> dict[str, Any]:
        """Return the schema of a type, most often a reference."""
        schemas = [self._of[id(part)] for part in _parts(kind)]
        return schemas[0] if len(schemas) == 1 else {"anyOf": schemas}

    def fields(self, kind: Any) -> dict[str, Any]:
        """Return the schema of a Struct itself."""
        found: dict[str, Any] = self.components[self.of(kind)["$ref"].rpartition("/")[2]]
        return found


def _parts(kind: Any) -> tuple[Any, ...]:
    """Take apart what msgspec cannot: what is only ever written may be Structs without a tag."""
    if not isinstance(kind, UnionType):
        return (kind,)
    parts = get_args(kind)
    return (kind,) if all(part.__struct_config__.tag for part in parts) else parts


def _short(name: str) -> str:
    """Name one of several types of the same name after its module: `nled.web.v1.Deleted` is `V1Deleted`."""
    module, _, kind = name.rpartition(".")
    return module.rpartition(".")[2].title().replace("_", "") + kind


def _renamed(schema: Any, names: Mapping[str, str]) -> Any:
    """Copy a schema with its references led to new names."""
    if isinstance(schema, list):
        return [_renamed(each, names) for each in schema]
    if not isinstance(schema, dict):
        return schema
    copy = {key: _renamed(each, names) for key, each in schema.items()}
    if isinstance(reference := copy.get("$ref"), str):
        name = reference.rpartition("/")[2]
        copy["$ref"] = _REFERENCE.format(name=names.get(name, name))
    elif isinstance(mapping := copy.get("mapping"), dict) and "propertyName" in copy:
        for tag, reference in mapping.items():
            name = reference.rpartition("/")[2]
            mapping[tag] = _REFERENCE.format(name=names.get(name, name))
    return copy


def _described(schema: dict[str, Any]) -> dict[str, Any]:
    """Give the fields of a Struct what its docstring says of them."""
    if "description" not in schema:
        return schema
    text, _, attributes = _SOURCE.sub("", cleandoc(schema["description"])).partition(_ATTRIBUTES)
    properties = dict(schema["properties"])
    names: list[str] = []
    for line in attributes.splitlines():
        if begun := _ATTRIBUTE.fullmatch(line):
            names = begun[1].split(", ")
            for name in names:
                properties[name] = {**properties[name], "description": begun[2][:1].upper() + begun[2][1:]}
        elif line.strip():
            for name in names:
                properties[name]["description"] += f" {line.strip()}"
    return {**schema, "description": text.strip(), "properties": properties}
