"""`twistd nled`: its options here, its exit and its words in a real process."""

import sys
from pathlib import Path
from unittest.mock import patch

from twisted.application.service import IServiceMaker
from twisted.internet.utils import getProcessOutputAndValue
from twisted.plugin import getPlugins
from twisted.python.usage import UsageError
from twisted.trial.unittest import TestCase

from nled import __version__
from nled.config import Config
from nled.tap import Options


class OptionsTests(TestCase):
    def setUp(self):
        environ = patch.dict("os.environ", clear=True)
        environ.start()
        self.addCleanup(environ.stop)
        self.path = Path(self.mktemp())
        self.options = Options()
        self.options.default_file = str(self.path)

    def test_without_any_file(self):
        self.options.parseOptions([])
        self.assertEqual(self.options.config, Config())

    def test_default_file(self):
        self.path.write_text("device: {port: 1}")
        self.options.parseOptions([])
        self.assertEqual(self.options.config.device.port, 1)

    def test_given_file_wins_over_the_default_one(self):
        self.path.write_text("device: {port: 1}")
        given = Path(self.mktemp())
        given.write_text("device: {port: 2}")
        for option in ("-c", "--config"):
            self.options.parseOptions([option, str(given)])
            self.assertEqual(self.options.config.device.port, 2)

    def test_environment(self):
        with patch.dict("os.environ", SERVER_PORT="3"):
            self.options.parseOptions([])
        self.assertEqual(self.options.config.device.port, 3)

    def test_default_file_that_cannot_be_read_is_not_passed_over(self):
        self.path.symlink_to(self.path.name)  # a loop, which root cannot read either
        self.assertIn("cannot be read", self.refusal([]))

    def test_given_file_must_exist(self):
        self.assertEqual(
            self.refusal(["-c", "/nonexistent"]), "/nonexistent cannot be read: No such file or directory."
        )

    def test_stray_words(self):
        self.assertRaises(UsageError, self.options.parseOptions, ["start"])

    def refusal(self, arguments):
        return self.assertRaises(SystemExit, self.options.parseOptions, arguments).code


class TwistdTests(TestCase):
    async def twistd(self, *arguments):
        """Run twistd as in a shell; gives what it wrote to stdout and stderr, and its exit status."""
        twistd = "import sys; from twisted.scripts.twistd import run; sys.exit(run())"
        out, err, status = await getProcessOutputAndValue(
            sys.executable, ["-c", twistd, "-n", "--pidfile=", *arguments], env={"PATH": "/usr/bin:/bin"}
        )
        return out.decode(), err.decode(), status

    def test_plugin_is_found(self):
        [maker] = [maker for maker in getPlugins(IServiceMaker) if maker.tapname == "nled"]
        self.assertEqual(maker.module, "nled.tap")

    async def test_refused_settings_are_one_sentence_and_exit_1(self):
        bad = self.file("device:\n  prot: 8000\n")
        out, err, status = await self.twistd("nled", "--config", bad)
        sentence = f"{bad} line 2: device.prot is not a setting; did you mean device.port?"
        self.assertEqual((out, err, status), ("", f"{sentence}\n", 1))

    async def test_every_problem_is_a_line(self):
        bad = self.file("device:\n  prot: 8000\n  port: 70000\n")
        _, err, status = await self.twistd("nled", "--config", bad)
        self.assertEqual((err.count(f"{bad} line "), err.count("\n"), status), (2, 2, 1))

    async def test_version(self):
        self.assertEqual(await self.twistd("nled", "--version"), (f"nled {__version__}\n", "", 0))

    def file(self, text):
        path = Path(self.mktemp()).absolute()
        path.write_text(text)
        return str(path)
