"""The unit is one that systemd accepts, and a tight one."""

import re
import shutil
from pathlib import Path

from twisted.internet.utils import getProcessOutputAndValue
from twisted.trial.unittest import SkipTest, TestCase

UNIT = Path(__file__).parent.parent / "systemd" / "nled.service"
MAX_EXPOSURE = 2.0


class UnitTests(TestCase):
    def setUp(self):
        self.analyze = shutil.which("systemd-analyze")
        if self.analyze is None:
            raise SkipTest("systemd-analyze is not installed; on Debian: apt install systemd")

    async def output_of(self, *arguments):
        out, err, status = await getProcessOutputAndValue(
            self.analyze, [*arguments], env={"PATH": "/usr/bin:/bin", "SYSTEMD_COLORS": "0"}
        )
        return out.decode() + err.decode(), status

    async def test_verify(self):
        self.assertEqual(await self.output_of("verify", "--man=no", self.copy_with_a_program()), ("", 0))

    async def test_security(self):
        output, _ = await self.output_of("security", "--no-pager", "--offline=yes", str(UNIT.absolute()))
        found = re.search(r"Overall exposure level for nled\.service: ([0-9.]+)", output)
        self.assertTrue(found, output)
        self.assertLessEqual(float(found[1]), MAX_EXPOSURE, output)

    def test_it_starts_what_the_package_installs(self):
        self.assertIn("/bin/twistd -n --pidfile= nled\n", UNIT.read_text())

    def test_it_has_a_place_for_the_socket_that_only_the_chosen_reach(self):
        lines = UNIT.read_text().splitlines()
        self.assertIn("RuntimeDirectory=nled", lines)
        self.assertIn("RuntimeDirectoryMode=0750", lines)

    def copy_with_a_program(self):
        """The unit with an ExecStart that exists, as systemd demands: nled is seldom installed where tests run."""
        text, count = re.subn(r"^ExecStart=\S+", "ExecStart=/bin/true", UNIT.read_text(), flags=re.MULTILINE)
        self.assertEqual(count, 1)
        copy = Path(self.mktemp()).absolute() / UNIT.name
        copy.parent.mkdir()
        copy.write_text(text)
        return str(copy)
