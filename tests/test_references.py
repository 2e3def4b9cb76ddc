"""What code, tests and docs cite of the protocol stands in docs/protocol.md."""

import re
from collections.abc import Iterator
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

ROOT = Path(__file__).parent.parent
PROTOCOL = ROOT / "docs" / "protocol.md"
SOURCES = (
    "nled",
    "tests",
    "bench",
    "faults",
    "docs",
    "etc",
    "systemd",
    "twisted",
    "README.md",
    "CONTRIBUTING.md",
)
KINDS = {".py", ".lua", ".md", ".yaml", ".service"}

SECTION = r"[a-z](?:\.\d+)*(?: no\. \d+)?"
# One section, or several: `protocol c.2, d.3`, `protocol n.1 to n.3`, `protocol b.3 and b.4`.
CITED = re.compile(rf"\b[Pp]rotocol ({SECTION}(?:(?:, | to | and |-){SECTION})*)(?![\w-])")
HEADING = re.compile(r"#+ \(?([a-z](?:\.\d+)*)\)? ")
ITEM = re.compile(r"(\d+)\. ")


def sections(text: str) -> Iterator[str]:
    """The numbers of all sections of the page, and of the numbered items in them."""
    section = ""
    for line in text.splitlines():
        if heading := HEADING.match(line):
            section = heading[1]
            yield section
        elif item := ITEM.match(line):
            yield f"{section} no. {item[1]}"
            # What existing clients need is itself a list: n.1 is its first item.
            if "." not in section:
                yield f"{section}.{item[1]}"


def cited(text: str) -> Iterator[str]:
    """The sections that a text cites; a comment may break the line within."""
    for found in CITED.finditer(re.sub(r"\n\s*(?:#|--)?\s*", " ", text)):
        yield from re.findall(rf"\b{SECTION}\b", found[1])


def files() -> Iterator[Path]:
    for source in SOURCES:
        place = ROOT / source
        for path in sorted(place.rglob("*")) if place.is_dir() else [place]:
            if path.suffix in KINDS and path != Path(__file__):
                yield path


class ReferenceTests(SynchronousTestCase):
    def test_each_leads_somewhere(self):
        known = set(sections(PROTOCOL.read_text()))
        found = {(section, path) for path in files() for section in cited(path.read_text())}
        self.assertGreater(len(found), 100)
        lost = [
            f"{path.relative_to(ROOT)} cites protocol {each}" for each, path in found if each not in known
        ]
        self.assertEqual(sorted(lost), [])

    def test_nothing_is_cited_that_is_not_here(self):
        """The sources of this knowledge are not part of the repository: a reader could not look there."""
        absent = re.compile(r"\b(?:PROTOCOL|DESIGN|TRAPS|REVIEW)\.md\b|\bspec/[\w-]+\.txt\b|\b[jk]-\d+\b")
        for path in files():
            with self.subTest(path=path):
                self.assertIsNone(absent.search(path.read_text()))

    def test_the_forms_of_a_reference(self):
        text = "(protocol a.7.2 no. 4). See protocol c.2,\n    # d.3 and n.1 to n.3; the protocol is old, (protocol m)"
        self.assertEqual(list(cited(text)), ["a.7.2 no. 4", "c.2", "d.3", "n.1", "n.3", "m"])
