"""What the doctor sees, and what it advises; and check-config."""

import os
import socket
from unittest.mock import patch

from nled.config import Config, Device
from nled.ctl import machine, reach
from nled.ctl.client import Client
from nled.web.about import Health, Settings, Stats, TroubleList
from tests.ctl.support import CtlTestCase, Handler, Said, TcpServer, wire


class Polled(Handler):
    """A device port that answers a poll with a head, and then as its server says."""

    def answer(self):
        if self.command == "GET":
            super().answer()
            return
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked.append(self.headers)
        self.server.poll(self)

    do_GET = do_POST = answer


def head(handler):
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()


class DoctorTestCase(CtlTestCase):
    """A daemon in good health, whose device port is on TCP."""

    def setUp(self):
        super().setUp()
        self.device = TcpServer(("127.0.0.1", 0), Polled)
        self.serve(self.device)
        self.port = self.device.server_address[1]
        # A thermostat cannot be sent to loopback, but no other address is sure to be here.
        # To a socket this is 127.0.0.1, and to who looks at it a name.
        self.origin = f"http://127.1:{self.port}"
        stats = wire(
            Stats,
            devices={"total": 3, "available": 2, "serials": []},
            subscriptions={"total_subscriptions": 2, "devices_with_subscriptions": 2},
            availability={},
        )
        about = wire(
            Settings,
            api_origin=self.origin,
            cloudregisterurl=f"{self.origin}/entry",
            require_device_pairing=False,
            entry_key_ttl_seconds=3600,
        )
        self.daemon.answers |= {
            ("GET", "/health"): wire(Health, status="ok"),
            ("GET", "/api/stats"): stats,
            ("GET", "/api/config"): about,
            ("GET", "/api/troubles"): wire(TroubleList, troubles=[]),
            ("GET", "/info"): {"server": "nolongerevil"},
            ("DELETE", "/api/device"): {"success": True},
        }
        self.about = about


class DoctorTests(DoctorTestCase):
    def doctor(self, *arguments, **environ):
        """Findings by what was looked at, as lists of (level, seen, fix), and the exit status."""
        state = {"NLED_STATE_DIR": str(self.folder), "SERVER_HOST": "127.0.0.1"}
        ran = self.run_ctl("doctor", "--json", *arguments, environ={**state, **environ})
        found = {}
        for each in ran.json:
            found.setdefault(each["check"], []).append((each["level"], each["seen"], each["fix"]))
        return found, ran.status

    def test_healthy(self):
        found, status = self.doctor(SERVER_PORT=str(self.port), API_ORIGIN=f"http://nled:{self.port}")
        self.assertEqual(status, 0, found)
        self.assertEqual(found["store"], [("ok", "It knows 3 thermostats, of which 2 are online.", "")])
        self.assertEqual(found["advertised URL"][-1], ("ok", f"{self.origin} leads to nled.", ""))
        self.assertEqual(found["proxy"], [("ok", "Nothing stands between thermostats and nled.", "")])

    def test_for_people(self):
        ran = self.run_ctl("doctor", environ={"NLED_STATE_DIR": str(self.folder)})
        self.assertIn(f"ok    daemon: nled answers at {self.socket}.\n", ran.out)
        self.assertRegex(ran.out, r"look  proxy: .*\n      -> What stands in between must pass on")

    def test_down(self):
        """Without a daemon, it looks whether one could start."""
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            found, status = self.doctor(NLED_SOCKET=str(self.folder / "none"), SERVER_PORT=str(port))
        self.assertEqual(status, 1)
        self.assertEqual([level for level, _, _ in found["daemon"]], ["bad"])
        level, seen, fix = found["ports"][0]
        self.assertEqual(
            (level, seen), ("bad", f"nled could not listen on 127.0.0.1 port {port}: Address already in use.")
        )
        self.assertIn(f"sport = :{port}", fix)
        self.assertEqual([level for level, _, _ in found["store"]], ["ok"])
        self.assertNotIn("advertised URL", found)

    def test_a_file_that_was_mended(self):
        """Told until somebody has removed the piece, whether nled runs or not."""
        folder = self.folder / "store" / "cut-off"
        folder.mkdir(parents=True, mode=0o700)
        name = "20261125T220711Z-20261125T220752Z-4096.appendonly.aof.1.incr.aof"
        (folder / name).touch()
        (folder / "new").touch()
        for socket_path in (str(self.socket), str(self.folder / "none")):
            found, _ = self.doctor(NLED_SOCKET=socket_path)
            [(seen, fix)] = [(seen, fix) for level, seen, fix in found["store"] if level == "warning"]
            self.assertIn("4096 bytes, written between 2026-11-25 22:07:11 and 2026-11-25 22:07:52 UTC", seen)
            self.assertIn(f"rm {folder / name}", fix)
        (folder / name).unlink()
        found, _ = self.doctor()
        self.assertEqual([level for level, _, _ in found["store"]], ["ok"])

    def test_where_it_may_not_look(self):
        """Nor the ports of a daemon that may be there: they are not taken by a stranger."""
        # What leads to a name that is too long cannot be looked at even by root.
        place = self.folder / "state"
        place.symlink_to("x" * 300)
        found, status = self.doctor(NLED_STATE_DIR=str(place), NLED_SOCKET="")
        self.assertEqual((status, found["daemon"][0][0]), (1, "bad"))
        self.assertNotIn("ports", found)
        self.assertEqual(found["disk"][0][0], "ok")

    def test_what_the_daemon_finds_wrong(self):
        trouble = {"what": "store", "since": 0, "seen": "The disk is full.", "fix": "Free some space."}
        self.daemon.answers["GET", "/api/troubles"] = wire(TroubleList, troubles=[trouble])
        found, status = self.doctor()
        self.assertEqual(status, 1)
        self.assertIn(("bad", "The disk is full.", "Free some space."), found["store"])

    def test_store_away(self):
        sentence = "The store does not answer."
        self.daemon.answers["GET", "/api/stats"] = Said({"error": sentence}, 503)
        found, status = self.doctor()
        self.assertEqual((status, found["store"][0][:2]), (1, ("bad", sentence)))
        self.assertIn("lines with `store:`", found["store"][0][2])
        found, _ = self.doctor(REDIS_URL="redis://redis.example")
        self.assertIn("redis.url", found["store"][0][2])

    def test_settings(self):
        file = self.folder / "nled.yaml"
        file.write_text("device:\n  prot: 8000\n")
        found, status = self.doctor("--config", str(file))
        self.assertEqual(status, 1)
        self.assertIn("device.port", found["settings"][0][1])
        # The rest is looked at nevertheless.
        self.assertIn("store", found)

    def test_advertised(self):
        for origin, part in [
            ("http://127.0.0.1:8000", "which is themselves"),
            ("http://localhost:8000", "which is themselves"),
            ("http://[::1]:8000", "which is themselves"),
            (self.origin.replace("127.1", "no-such-host.invalid"), "does not lead to nled"),
            (self.origin, "is not nled"),
        ]:
            with self.subTest(origin=origin):
                self.daemon.answers["GET", "/info"] = {"server": "other"}
                self.about["api_origin"] = origin
                found, status = self.doctor()
                self.assertEqual(status, 1)
                self.assertIn(part, found["advertised URL"][-1][1])

    def test_no_port(self):
        found, _ = self.doctor(API_ORIGIN="http://localhost", SERVER_PORT=str(self.port))
        self.assertIn("has no port, so thermostats are given", found["advertised URL"][0][1])

    def test_proxy(self):
        info = Said({"server": "nolongerevil"}, headers=(("Via", "1.1 gate"),))
        self.daemon.answers["GET", "/info"] = info
        found, status = self.doctor(SERVER_PORT=str(self.port))
        self.assertEqual(status, 0)
        level, seen, fix = found["proxy"][0]
        self.assertEqual((level, seen), ("warning", "1.1 gate stands between thermostats and nled."))
        self.assertIn("nledctl doctor --hold 300", fix)

    def test_elsewhere(self):
        server = TcpServer(("127.0.0.1", 0), Handler)
        self.serve(server)
        found, status = self.doctor("--url", f"http://127.0.0.1:{server.server_address[1]}")
        self.assertEqual(set(found), {"daemon", "store", "advertised URL", "clock", "not looked at"})
        self.assertEqual((status, found["clock"]), (0, [("ok", "Its clock and this one agree.", "")]))

    def test_what_it_cannot_see_from_elsewhere(self):
        """It says so, also when nothing answers; and here, where it looks at all, it does not."""
        for url in ("http://127.0.0.1:1", self.origin):
            [(level, seen, fix)] = self.doctor("--url", url)[0]["not looked at"]
            self.assertEqual(level, "warning")
            for part in ("settings", "permissions", "disk", "clock", "store", "log"):
                self.assertIn(part, seen)
            self.assertIn("without --url", fix)
        self.assertNotIn("not looked at", self.doctor()[0])


class HoldTests(DoctorTestCase):
    def held(self, poll, seconds=0.2):
        self.device.poll = poll
        finding = reach.held(self.origin, seconds, Client(socket=self.socket))
        return finding.level, finding.seen

    def test_held(self):
        def silent(handler):
            head(handler)
            handler.rfile.read(1)

        self.assertEqual(self.held(silent), ("ok", "A poll was held for 0.2 s."))
        self.assertEqual(self.asked().body, {"serial": "00NLEDDOCTOR"})

    def test_ended(self):
        def ended(handler):
            head(handler)
            handler.wfile.write(b"0\r\n\r\n")

        self.assertEqual(self.held(ended, 20), ("ok", "A poll was held for 0 s, until nled ended it."))

    def test_cut(self):
        def cut(handler):
            head(handler)
            handler.close_connection = True

        self.assertEqual(self.held(cut, 20), ("bad", "A poll was cut off after 0 s."))

    def test_buffered(self):
        with patch("nled.ctl.reach._PATIENCE", 0.2):
            found = self.held(lambda handler: handler.rfile.read(1))
        self.assertEqual(found, ("bad", "No answer to a poll began within 0.2 s."))

    def test_refused(self):
        self.assertEqual(
            self.held(lambda handler: handler.send_error(401)), ("bad", "A poll was answered 401.")
        )


class MachineTests(CtlTestCase):
    def test_permissions(self):
        state = self.folder / "state"
        (state / "store").mkdir(parents=True)
        (state / "control.sock").touch()
        certificates = self.folder / "tls"
        certificates.mkdir()
        (certificates / "privkey.pem").touch()
        secrets = (state / "store", state / "control.sock", certificates / "privkey.pem")
        config = Config(state_dir=state, device=Device(cert_dir=certificates))
        for mode, bad in ((0o770, []), (0o777, sorted(map(str, secrets)))):
            for path in secrets:
                path.chmod(mode)
            fixes = [each.fix.removeprefix("chmod o= ") for each in machine.permissions(config, None)]
            self.assertEqual(sorted(fixes), bad)

    def test_disk(self):
        config = Config(state_dir=self.folder / "not" / "yet")
        for free, level in ((2**20, "bad"), (100 * 2**20, "warning"), (2**40, "ok")):
            with patch("shutil.disk_usage") as usage:
                usage.return_value.free = free
                finding = machine.disk(config)
            self.assertEqual(finding.level, level)
            self.assertIn(str(self.folder), finding.seen)

    def test_clock(self):
        self.assertEqual(machine.clock(1e9).level, "bad")
        for said, level in (("no", "warning"), ("yes", "ok")):
            program = self.folder / "timedatectl"
            program.write_text(f"#!/bin/sh\necho {said}\n")
            program.chmod(0o755)
            with patch.dict(os.environ, {"PATH": str(self.folder)}):
                self.assertEqual(machine.clock(1.8e9).level, level)
        with patch.dict(os.environ, {"PATH": "/nowhere"}):
            self.assertEqual(machine.clock(1.8e9).level, "ok")


class CheckConfigTests(CtlTestCase):
    def test_good(self):
        file = self.folder / "nled.yaml"
        file.write_text("device:\n  port: 8001\n")
        self.assertEqual(self.good("check-config", str(file)).out, f"The settings of {file} are good.\n")
        # Nothing was started or made.
        self.assertEqual({each.name for each in self.folder.iterdir()}, {"control.sock", "nled.yaml"})

    def test_bad(self):
        file = self.folder / "nled.yaml"
        file.write_text("device:\n  prot: 8001\n  host: 7\n")
        ran = self.run_ctl("check-config", str(file))
        self.assertEqual((ran.status, ran.out, len(ran.err.splitlines())), (1, "", 2))
        self.assertIn("device.port", ran.err)
        self.assertEqual(
            self.run_ctl("check-config", str(file), "--json").json["problems"], ran.err.splitlines()
        )

    def test_environment(self):
        self.assertEqual(self.run_ctl("check-config", environ={"SERVER_PORT": "x"}).status, 1)
        self.assertEqual(self.run_ctl("check-config", str(self.folder / "none")).status, 1)
