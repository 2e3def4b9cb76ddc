"""What an installed nled consists of: an editable install, as the tests run on, would hide what is left out."""

import re
import runpy
from contextlib import chdir
from fnmatch import fnmatch
from importlib import import_module
from pathlib import Path
from unittest.mock import patch

from twisted.trial.unittest import SkipTest, TestCase

ROOT = Path(__file__).parent.parent


class PackagingTests(TestCase):
    def setUp(self):
        try:
            setuptools = import_module("setuptools")
        except ImportError:
            raise SkipTest("setuptools is not installed here; pip brings its own when it builds") from None
        with chdir(ROOT), patch.object(setuptools, "setup") as setup:  # there, as pip does
            runpy.run_path(str(ROOT / "setup.py"))
        self.arguments = setup.call_args.kwargs

    def test_every_package(self):
        folders = {path.parent for path in (ROOT / "nled").rglob("*.py")}
        packages = {".".join(folder.relative_to(ROOT).parts) for folder in folders}
        self.assertEqual(set(self.arguments["packages"]), packages | {"twisted.plugins"})

    def test_every_file_that_is_no_module(self):
        patterns = [
            f"{package.replace('.', '/')}/{pattern}"
            for package, found in self.arguments["package_data"].items()
            for pattern in found
        ]
        names = [path.relative_to(ROOT).as_posix() for path in (ROOT / "nled").rglob("*") if path.is_file()]
        others = [name for name in names if not name.endswith((".py", ".pyc"))]
        self.assertIn("nled/py.typed", others)
        for name in others:
            self.assertTrue(
                any(fnmatch(name, pattern) for pattern in patterns), f"{name} would not be installed"
            )

    def test_nothing_is_promised_of_an_index(self):
        """nled is on none: what it says to install has to be a checkout."""
        places = ("nled", "docs", "etc", "systemd")
        files = [*ROOT.glob("*.md"), *(path for place in places for path in (ROOT / place).rglob("*"))]
        promise = re.compile(r"pip3? install (-\S+ )*[\"']?nled\b")
        for file in files:
            if file.suffix in (".md", ".py", ".yaml", ".service", ".1"):
                self.assertIsNone(promise.search(file.read_text()), file)

    def test_twisted_stays_twisteds_own(self):
        """An `__init__` in either folder would hide the real Twisted, or all plugins but ours."""
        self.assertEqual([path.name for path in (ROOT / "twisted").rglob("*.py")], ["nled_plugin.py"])

    def test_commands_exist(self):
        for line in self.arguments["entry_points"]["console_scripts"]:
            module, _, name = line.partition("=")[2].strip().partition(":")
            self.assertTrue(callable(getattr(import_module(module), name)), line)
