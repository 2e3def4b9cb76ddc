"""Finding the daemon, and every way in which it does not answer: one sentence, and the right exit status."""

import socket
import threading
from pathlib import Path
from unittest.mock import patch

from nled.ctl.client import Client, check_url
from nled.ctl.errors import Refused, Unreachable
from tests.ctl.support import SERIAL, CtlTestCase, Handler, Said, TcpServer, thermostat

KEY = "nle_" + "0a" * 32


class PlaceTests(CtlTestCase):
    def setUp(self):
        super().setUp()
        self.daemon.answers["GET", "/status"] = thermostat()
        server = TcpServer(("127.0.0.1", 0), Handler)
        self.serve(server)
        self.url = f"http://127.0.0.1:{server.server_address[1]}"

    def test_socket(self):
        """The option comes before the environment, wherever it stands; a socket needs no key."""
        environ = {"NLED_SOCKET": "/nowhere/1", "NLED_KEY": KEY}
        for arguments in (
            ("--socket", self.socket, "status", SERIAL),
            ("status", "--socket", self.socket, SERIAL),
        ):
            self.good(*arguments, environ=environ)
            self.assertNotIn("Authorization", self.asked().headers)
        self.assertEqual(self.run_ctl("status", SERIAL, environ=environ).status, 3)

    def test_usual_sockets(self):
        with patch("nled.ctl.command._SYSTEM", self.folder / "none"):
            self.good("status", SERIAL, environ={"NLED_SOCKET": "", "NLED_STATE_DIR": str(self.folder)})
            ran = self.run_ctl("status", SERIAL, environ={"NLED_SOCKET": ""})
        self.assertEqual(ran.status, 3)
        self.assertEqual(
            ran.err,
            f"nledctl: nled is not running here: there is no socket at {self.folder}/none/control.sock or "
            "var/control.sock. Start it, or name another place with --socket or --url.\n",
        )

    def test_url_and_key(self):
        file = self.folder / "key"
        file.write_text(f"{KEY}\n")
        for arguments, environ in [
            (("--key", KEY), {}),
            ((), {"NLED_KEY": KEY}),
            (("--key-file", str(file)), {"NLED_KEY": "other"}),
        ]:
            ran = self.good("status", SERIAL, "--url", self.url, *arguments, environ=environ)
            self.assertEqual(self.asked().headers["Authorization"], f"Bearer {KEY}")
            self.assertNotIn(KEY, ran.out + ran.err)

    def test_a_key_with_more_than_a_key_has(self):
        ran = self.good("status", SERIAL, "--url", self.url, environ={"NLED_KEY": f"{KEY}\r"})
        self.assertEqual(self.asked().headers["Authorization"], f"Bearer {KEY}")
        for key in (f"{KEY}\n{KEY}", f"{KEY}\u20ac", "nle_\x00"):
            ran = self.run_ctl("--key", key, "status", SERIAL, "--url", self.url)
            self.assertEqual(ran.status, 1, ran)
            self.assertIn("The API key has characters that none has", ran.err)
            self.assertNotIn(KEY, ran.err)

    def test_path_of_url(self):
        self.daemon.answers["GET", "/home/nled/status"] = thermostat()
        self.good("--url", f"{self.url}/home/nled/", "status", SERIAL)

    def test_wrong_urls(self):
        for text in (
            "nas:8082",
            "ftp://nas",
            "http://",
            "http://nas:x",
            "http://me:secret@nas",
            "http://nas?x=1",
        ):
            with self.subTest(url=text):
                self.assertRaises(ValueError, check_url, text)
                ran = self.run_ctl("--url", text, "devices")
                self.assertEqual(ran.status, 2)
                self.assertNotIn("secret", ran.err)


class TroubleTests(CtlTestCase):
    def unreached(self, client, part):
        error = self.assertRaises(Unreachable, client.get, "/status", patience=0.2)
        self.assertIn(part, error.message)
        self.assertEqual(error.exit_code, 3)

    def listener(self, talk=None):
        server = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(server.close)

        def serve():
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                talk(connection)

        if talk is not None:
            threading.Thread(target=serve, daemon=True).start()
        return Client(url=f"http://127.0.0.1:{server.getsockname()[1]}")

    def test_not_there(self):
        self.unreached(Client(socket=str(self.folder / "none")), "There is no socket at")
        left = self.folder / "left"
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(left))
        self.unreached(Client(socket=str(left)), "Nobody listens at")
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        self.unreached(Client(url=f"http://127.0.0.1:{port}"), "Nobody listens at")
        self.unreached(Client(socket="/x" * 100), "Cannot reach")

    def test_no_answer(self):
        self.unreached(self.listener(), "No answer from")

    def test_other_protocols(self):
        for said, part in [
            (b"220 mail ESMTP\r\n", "does not speak HTTP"),
            (b"", "does not speak HTTP"),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>", "answered 200 without JSON"),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 3000\r\n\r\n" + b"[" * 3000, "answered 200 without JSON"),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 60\r\n\r\n{", "broke off"),
        ]:
            with self.subTest(said=said):
                self.unreached(self.listener(lambda connection, said=said: connection.sendall(said)), part)

    def test_refusals(self):
        client = Client(socket=self.socket)
        for said, sentence in [
            (Said({"success": False, "message": "No.", "error": "x"}, 400), "No."),
            (Said({"error": "Device not found"}, 404), "Device not found"),
            (
                Said({"error": "Unauthorized"}, 401),
                "Unauthorized Give an API key in NLED_KEY or with --key-file.",
            ),
            (Said({"error": "Too fast.", "retryAfter": "12:00"}, 429), "Too fast. Try again after 12:00."),
            (Said([], 500), "The daemon answered 500."),
            ({"success": False, "message": "Not that."}, "Not that."),
        ]:
            with self.subTest(sentence=sentence):
                self.daemon.answers["GET", "/status"] = said
                error = self.assertRaises(Refused, client.get, "/status")
                self.assertEqual((error.message, error.exit_code), (sentence, 1))

    def test_when_to_try_again(self):
        client = Client(socket=self.socket)
        for said, seconds in (("60", 60), ("9" * 20, 3600), ("soon", 0), ("-1", 0)):
            header = ("Retry-After", said)
            self.daemon.answers["GET", "/status"] = Said({"error": "No."}, 429, headers=(header,))
            self.assertEqual(self.assertRaises(Refused, client.get, "/status").again, seconds)

    def test_escapes_of_a_sentence(self):
        self.daemon.answers["GET", "/status"] = Said({"error": "\x1b[2Jgone"}, 404)
        self.assertNotIn("\x1b", self.run_ctl("status", SERIAL).err)

    def test_unreadable_key(self):
        ran = self.run_ctl("--url", "http://127.0.0.1:1", "--key-file", str(self.folder), "devices")
        self.assertEqual(ran.status, 1)
        self.assertEqual(ran.err, f"nledctl: Cannot read {Path(self.folder)}: Is a directory.\n")
