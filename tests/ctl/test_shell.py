"""nledctl as a shell has it: help, manual, completion, interruptions, and what is imported."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import click
import plotext

from nled import __version__
from nled.ctl import nledctl
from nled.ctl.command import Command, Group
from tests.ctl.support import SERIAL, CtlTestCase, Said, thermostat

ROOT = Path(__file__).parent.parent.parent
COMMAND = [sys.executable, "-c", "from nled.ctl import main; main()"]


def commands(group, path=("nledctl",)):
    """Every command with its path."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command.hidden:
            continue
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))


class HelpTests(CtlTestCase):
    def test_every_command_has_an_example_that_can_be(self):
        """Examples are parsed as they stand: a renamed option must not live on in the help."""
        found = list(commands(nledctl))
        self.assertGreater(len(found), 40)
        for path, command in found:
            with self.subTest(command=path):
                self.assertIsInstance(command, Command | Group)
                self.assertTrue(command.examples)
                self.assertTrue(command.help)
                for example in command.examples:
                    words = re.split(" [|>] ", example)[0].split()
                    self.assertEqual(words[0], "nledctl")
                    self.parse(words[1:])

    def parse(self, words):
        context = nledctl.make_context("nledctl", list(words))
        command, rest = nledctl, context._protected_args + context.args
        while isinstance(command, click.Group) and rest:
            _, command, rest = command.resolve_command(context, rest)
            try:
                # Some name files, which are not there.
                context = command.make_context(command.name, rest, parent=context)
            except click.BadParameter as error:
                self.assertRegex(error.message, "No such file|does not exist")
                return
            rest = context._protected_args + context.args

    def test_help_of_all(self):
        for path, command in commands(nledctl):
            arguments = [*path[1:2], *([SERIAL] if path[1] in ("set", "schedule") else []), *path[2:]]
            with self.subTest(command=path):
                ran = self.good(*arguments, "--help")
                self.assertIn("Examples:", ran.out)
                self.assertIn(command.examples[0], ran.out)

    def test_statuses_are_documented(self):
        self.assertIn("3 nled was not reached;", " ".join(self.good("--help").out.split()))

    def test_version(self):
        self.assertEqual(self.good("version").out, f"nled {__version__}\n")
        self.assertEqual(self.good("version", "--json").json, {"version": __version__})

    def test_wrong_command_line(self):
        for arguments in ((), ("sing",), ("status",), ("status", SERIAL, "--loud"), ("set", SERIAL)):
            ran = self.run_ctl(*arguments)
            self.assertEqual((ran.status, ran.out), (2, ""))
            self.assertIn("Usage: nledctl", ran.err)


class ManualTests(CtlTestCase):
    def test_the_page_names_everything(self):
        """Not compared letter by letter: how click words defaults differs from version to version."""
        page = (ROOT / "docs" / "nledctl.1").read_text().replace("\\-", "-")
        for path, command in commands(nledctl):
            with self.subTest(command=path):
                self.assertRegex(page, rf"(?m)^\.SS {'( SERIAL)? '.join(path)}( |$)")
                for example in command.examples:
                    self.assertIn(example.replace("\\", "\\e"), page)
                for parameter in command.params:
                    if isinstance(parameter, click.Option):
                        self.assertIn(parameter.opts[0], page)

    def test_it_is_installed(self):
        self.assertIn('"docs/nledctl.1"', (ROOT / "setup.py").read_text())


class CompletionTests(CtlTestCase):
    def test_scripts(self):
        for shell in ("bash", "zsh", "fish"):
            self.assertIn("_NLEDCTL_COMPLETE", self.good("completion", shell).out)

    def test_words(self):
        asked = {"_NLEDCTL_COMPLETE": "bash_complete", "COMP_WORDS": "nledctl de", "COMP_CWORD": "1"}
        environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **asked}
        ran = subprocess.run(COMMAND, env=environ, capture_output=True, text=True, check=False)
        self.assertEqual((ran.stdout, ran.stderr), ("plain,devices\n", ""))


class ProcessTests(CtlTestCase):
    def setUp(self):
        super().setUp()
        self.environ = {"PATH": os.environ["PATH"], "NLED_SOCKET": self.socket, "PYTHONPATH": str(ROOT)}

    def test_twisted_stays_out(self):
        """It would double the time to start; the same goes for what only one command needs."""
        self.daemon.answers["GET", "/status"] = thermostat()
        for arguments in (["version"], ["status", SERIAL], ["--help"]):
            code = f"""if True:
                import sys
                from nled.ctl import main
                try:
                    main({arguments!r})
                except SystemExit as ended:
                    assert ended.code == 0, ended
                heavy = {{"twisted", "klein", "yaml", "plotext", "zoneinfo", "sqlite3", "nled.domain.commands"}} & set(sys.modules)
                sys.exit(f"imported: {{heavy}}" if heavy else 0)
            """
            ran = subprocess.run(
                [sys.executable, "-c", code], env=self.environ, capture_output=True, text=True, check=False
            )
            self.assertEqual((ran.returncode, ran.stderr), (0, ""))
        # The names above are those of modules that could be imported.
        self.assertEqual(plotext.__name__, "plotext")

    def test_reader_goes_away(self):
        self.daemon.answers["GET", "/api/devices"] = {"devices": [thermostat()] * 5000, "total": 5000}
        with subprocess.Popen(
            [*COMMAND, "devices"], env=self.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            process.stdout.read(100)
            process.stdout.close()
            self.assertEqual(process.stderr.read(), b"")
        self.assertEqual(process.returncode, 1)

    def test_nowhere_to_write_to(self):
        self.daemon.answers["GET", "/status"] = thermostat()
        with Path("/dev/full").open("wb") as full:
            ran = subprocess.run(
                [*COMMAND, "status", SERIAL],
                check=False,
                env=self.environ,
                stdout=full,
                stderr=subprocess.PIPE,
            )
        self.assertEqual(ran.returncode, 1)
        self.assertEqual(ran.stderr, b"nledctl: Cannot write all of it: No space left on device.\n")
        ran = subprocess.run(
            ["/bin/sh", "-c", '"$@" >&-', "sh", *COMMAND, "version"],
            check=False,
            env=self.environ,
            stderr=subprocess.PIPE,
        )
        self.assertEqual(ran.returncode, 1)
        self.assertEqual(ran.stderr.count(b"\n"), 1, ran.stderr)

    def test_interrupted(self):
        def hang(_asked):
            process.send_signal(signal.SIGINT)
            process.wait(20)
            return Said({}, 500)

        self.daemon.answers["GET", "/status"] = hang
        with subprocess.Popen(
            # A child of who ignores it, as a background job of a shell does, would ignore it, too.
            ["env", "--default-signal=INT", *COMMAND, "status", SERIAL],
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            out, err = process.communicate(timeout=30)
        self.assertEqual((process.returncode, out, err.strip()), (130, b"", b""))
