"""What each command asks of the daemon, and what people and programs are told."""

import json
from typing import ClassVar

from nled.web.api_keys import Keys, MadeKey
from nled.web.control import Deleted, Listing, Message, Schedule
from nled.web.lan import Configured, Found, KeyWanted
from nled.web.people import Ensured, Everybody, Forgotten
from nled.web.registration import Outcome
from nled.web.shares import AcceptedInvite, MadeInvite, Shares
from nled.web.strangers import ArrivalList, ForgottenDevices, StrangerInfo, UnownedList
from tests.ctl.support import SERIAL, CtlTestCase, Said, thermostat, wire, written

WEEK = {
    "ver": 2,
    "name": "Current Schedule",
    "schedule_mode": "HEAT",
    "days": {
        "0": {"0": {"type": "HEAT", "time": 23_400, "temp": 20.5, "entry_type": "setpoint"}},
        "6": {"0": {"type": "RANGE", "time": 0, "temp-min": 18, "temp-max": 24, "entry_type": "setpoint"}},
    },
}


class DeviceTests(CtlTestCase):
    def test_table(self):
        escape = thermostat(name="\x1b[2Jbad", current_temperature=0)
        self.daemon.answers["GET", "/api/devices"] = wire(Listing, devices=[thermostat(), escape], total=2)
        ran = self.good("devices")
        head, first, second = ran.out.splitlines()
        self.assertEqual(
            head.split(), ["SERIAL", "NAME", "STATE", "NOW", "SET", "TO", "MODE", "SEEN", "WAITING"]
        )
        self.assertEqual(first.split()[:8], [SERIAL, "Hall", "online", "20.5", "°C", "21.0", "°C", "heat"])
        self.assertIn("\N{REPLACEMENT CHARACTER}[2Jbad", second)
        self.assertIn(" 0.0 °C", second)
        self.assertNotIn("\x1b", ran.out)

    def test_json(self):
        self.daemon.answers["GET", "/api/devices"] = wire(
            Listing, devices=[thermostat(name="\x9b1m°")], total=1
        )
        for arguments in (("devices", "--json"), ("--json", "devices")):
            ran = self.good(*arguments)
            self.assertEqual(ran.json["devices"][0]["name"], "\x9b1m°")
            self.assertTrue(ran.out.isascii())

    def test_a_name_without_end(self):
        self.daemon.answers["GET", "/api/devices"] = wire(
            Listing, devices=[thermostat(name="x" * 5000)], total=1
        )
        self.assertLess(len(self.good("devices").out.splitlines()[1]), 200)

    def test_nobody(self):
        self.daemon.answers["GET", "/api/devices"] = wire(Listing, devices=[], total=0)
        ran = self.good("devices")
        self.assertEqual((ran.out, ran.err[:22]), ("", "No thermostat has come"))

    def test_forget(self):
        self.daemon.answers["DELETE", "/api/device"] = wire(
            Deleted, success=True, serial=SERIAL, objects_deleted=7
        )
        for answer in ("n\n", ""):
            ran = self.run_ctl("devices", "forget", SERIAL, stdin=answer)
            self.assertEqual(ran.status, 130)
            self.assertIn("nledctl: Nothing was done. With --yes", ran.err)
        self.assertEqual(self.daemon.asked, [])
        for arguments, stdin in (((), "y\n"), (("--yes",), "")):
            ran = self.good("devices", "forget", SERIAL, *arguments, stdin=stdin)
            self.assertIn(f"{SERIAL} is forgotten.\n", ran.out)
            self.assertEqual(self.asked().body, {"serial": SERIAL})

    def test_forget_those_that_nobody_owns(self):
        path = "/api/unowned-devices"
        some = [StrangerInfo(SERIAL, "10.0.0.66", 5)] * 3
        self.daemon.answers["GET", path] = wire(UnownedList, devices=some)
        self.daemon.answers["DELETE", path] = wire(ForgottenDevices, forgotten=3)
        ran = self.run_ctl("devices", "forget", "--unowned", stdin="n\n")
        self.assertEqual((ran.status, self.asked().method), (130, "GET"))
        self.assertIn("Forget 3 thermostats that nobody owns or has ever set", ran.err)
        for arguments, stdin in (((), "y\n"), (("--yes",), "")):
            ran = self.good("devices", "forget", "--unowned", *arguments, stdin=stdin)
            self.assertEqual((ran.out, self.asked().method), ("3 thermostats forgotten.\n", "DELETE"))
        for wrong in ((), (SERIAL, "--unowned")):
            ran = self.run_ctl("devices", "forget", *wrong)
            self.assertEqual(ran.status, 2)

    def test_arrivals(self):
        some = [StrangerInfo(SERIAL, "10.0.0.66", 5), StrangerInfo("02AA01AC33140F62", "", 6)]
        self.daemon.answers["GET", "/api/arrivals"] = wire(ArrivalList, arrivals=some)
        head, first, second = self.good("devices", "--arrivals").out.splitlines()
        self.assertEqual(head.split(), ["SERIAL", "ADDRESS", "SEEN"])
        self.assertEqual(first.split()[:2], ["02AA01AC33140F62", "-"])
        self.assertEqual(second.split()[:2], [SERIAL, "10.0.0.66"])

    def test_status(self):
        pending = [
            {
                "key": f"shared.{SERIAL}",
                "fields": ["target_temperature"],
                "revision": 4,
                "timestamp": 1_795_000_000_000,
                "delivery": "pushed",
            }
        ]
        self.daemon.answers["GET", "/status"] = {**thermostat(), "pending": pending}
        ran = self.good("status", SERIAL)
        self.assertEqual(self.asked().query, {"serial": SERIAL})
        self.assertRegex(ran.out, r"(?m)^owner +alice$")
        self.assertRegex(ran.out, r"(?m)^set to +21.0 °C$")
        self.assertRegex(ran.out, rf"(?m)^pushed since .*: target_temperature of shared.{SERIAL}$")

    def test_target(self):
        for fields, shown in [
            (
                {
                    "target_temperature_type": "range",
                    "target_temperature_low": 18,
                    "target_temperature_high": 24,
                },
                "18.0 to 24.0 °C",
            ),
            ({"target_temperature_type": "off"}, "-"),
            ({"target_temperature": 0}, "0.0 °C"),
        ]:
            with self.subTest(fields=fields):
                self.daemon.answers["GET", "/status"] = thermostat(**fields)
                self.assertRegex(self.good("status", SERIAL).out, rf"(?m)^set to +{shown}$")


class SetTests(CtlTestCase):
    def setUp(self):
        super().setUp()
        self.done = written(f"shared.{SERIAL}", {"target_temperature": 21.5})
        self.daemon.answers["POST", "/command"] = self.done

    def test_values(self):
        for arguments, command, value in [
            (("temperature", "21.5"), "set_temperature", 21.5),
            (("temperature", "70F"), "set_temperature", 21.111),
            (("temperature", "21 °C"), "set_temperature", 21.0),
            (("range", "19", "23"), "set_temperature", {"low": 19.0, "high": 23.0}),
            (("mode", "HEAT"), "set_mode", "heat"),
            (("away", "on"), "set_away", True),
            (("away", "off"), "set_away", False),
            (("fan", "15m"), "set_fan", 900),
            (("fan", "90"), "set_fan", 90),
            (("fan", "0.4"), "set_fan", 1),
            (("fan", "on"), "set_fan", "on"),
            (("fan", "auto"), "set_fan", "auto"),
            (("eco", "15", "28"), "set_eco_temperatures", {"low": 15.0, "high": 28.0}),
            (("humidity", "40%"), "set_humidity", {"target": 40, "enabled": True}),
            (("humidity", "off"), "set_humidity", {"enabled": False}),
            (("hot-water", "1h"), "set_hot_water", 3600),
            (("hot-water", "off"), "set_hot_water", "off"),
            (("schedule-mode", "heat"), "set_schedule_mode", "HEAT"),
            (
                (
                    "setting",
                    "temperature_scale=F",
                    "leaf_away_low=16.5",
                    "learning_mode=true",
                    "postal_code=a=b",
                ),
                "set_device_setting",
                {
                    "temperature_scale": "F",
                    "leaf_away_low": 16.5,
                    "learning_mode": True,
                    "postal_code": "a=b",
                },
            ),
        ]:
            with self.subTest(arguments=arguments):
                self.good("set", SERIAL, *arguments)
                self.assertEqual(self.asked().body, {"serial": SERIAL, "command": command, "value": value})
                self.assertEqual(self.asked().query, {})

    def test_wrong(self):
        for arguments, sentence in [
            (("temperature", "warm"), "'warm' is no temperature; write 21.5 (°C) or 70F."),
            (("temperature", "nan"), "'nan' is no temperature"),
            (("fan", "soon"), "'soon' is no length of time; write 90s, 15m, 2h or 7d."),
            (("humidity", "4.5"), "'4.5' is neither a whole percentage nor off."),
            (("setting", "learning_mode"), "'learning_mode' is not NAME=VALUE."),
            (("away", "maybe"), "'maybe' is not one of 'on', 'off'"),
            (("temperature", "20", "--wait", "31"), "must be more than 0 and at most 30 s."),
        ]:
            with self.subTest(arguments=arguments):
                ran = self.run_ctl("set", SERIAL, *arguments)
                self.assertEqual(ran.status, 2)
                self.assertIn(sentence, ran.err)
        self.assertEqual(self.daemon.asked, [])

    def test_told(self):
        ran = self.good("set", SERIAL, "temperature", "21.5")
        self.assertEqual(
            ran.out,
            f"shared.{SERIAL}: target_temperature = 21.5\n"
            "pushed: sent to the thermostat, which has not acknowledged it yet\n",
        )
        self.assertEqual(self.good("set", SERIAL, "temperature", "21.5", "--json").json, self.done["data"])

    def test_wait(self):
        for option, seconds in ((("--wait",), "30.0"), (("--wait", "5"), "5.0"), (("--wait=10s",), "10.0")):
            ran = self.run_ctl("set", SERIAL, "temperature", "21.5", *option)
            self.assertEqual((ran.status, self.asked().query), (4, {"wait": seconds}))
        self.assertEqual(
            ran.err, f"nledctl: {SERIAL} has not acknowledged within 10 s; what was set is pushed.\n"
        )
        self.done["data"]["delivery"] = "acknowledged"
        self.assertIn(
            "acknowledged: the thermostat has it", self.good("set", SERIAL, "away", "on", "--wait").out
        )

    def test_help_without_a_serial(self):
        ran = self.good("set", "temperature", "--help")
        self.assertIn("nledctl set 02AA01AC33140F61 fan 15m", ran.out)


class ScheduleTests(CtlTestCase):
    def setUp(self):
        super().setUp()
        self.daemon.answers["GET", "/api/schedule"] = wire(
            Schedule, serial=SERIAL, schedule=WEEK, object_revision=3, object_timestamp=9
        )
        self.daemon.answers["POST", "/command"] = written(f"schedule.{SERIAL}", WEEK, "queued")

    def test_get(self):
        self.assertEqual(
            self.good("schedule", SERIAL, "get").out.splitlines(),
            [
                "mode HEAT",
                "DAY     TIME   SET TO       TYPE   ENTRY",
                "Monday  06:30  20.5 °C      HEAT   setpoint",
                "Sunday  00:00  18 to 24 °C  RANGE  setpoint",
            ],
        )
        self.assertEqual(self.good("schedule", SERIAL, "get", "--json").json["object_revision"], 3)

    def test_none(self):
        self.daemon.answers["GET", "/api/schedule"] = wire(Schedule, serial=SERIAL, schedule=None)
        ran = self.run_ctl("schedule", SERIAL, "get")
        self.assertEqual((ran.status, ran.err), (1, f"nledctl: {SERIAL} has no schedule yet.\n"))

    def test_there_and_back(self):
        file = self.folder / "week.json"
        self.good("schedule", SERIAL, "get", str(file))
        self.assertEqual(json.loads(file.read_text()), WEEK)
        sent = {"serial": SERIAL, "command": "set_schedule", "value": WEEK}
        self.good("schedule", SERIAL, "put", str(file))
        self.assertEqual(self.asked().body, sent)
        # Also as --json writes it.
        file.write_text(self.good("schedule", SERIAL, "get", "--json").out)
        self.good("schedule", SERIAL, "put", str(file))
        self.assertEqual(self.asked().body, sent)

    def test_whatever_a_thermostat_has_sent_as_one(self):
        for days in (
            [],
            {"0": []},
            {"0": {"0": 5}},
            {"0": {"0": {"time": None}}},
            {"0": {"0": {"time": "x"}}},
            5,
        ):
            odd = {"ver": 2, "days": days}
            self.daemon.answers["GET", "/api/schedule"] = {"serial": SERIAL, "schedule": odd}
            self.assertEqual(json.loads(self.good("schedule", SERIAL, "get").out), odd)

    def test_nested_without_end(self):
        file = self.folder / "week.json"
        file.write_text("[" * 100_000)
        self.assertIn("is not JSON", self.run_ctl("schedule", SERIAL, "put", str(file)).err)
        ran = self.good("set", SERIAL, "setting", f"farsight_screen={'[' * 3000}")
        self.assertEqual(ran.status, 0)

    def test_wrong_file(self):
        file = self.folder / "week.json"
        for text, sentence in (("{", "is not JSON"), ("1" * (2**20 + 1), "is no schedule: it has more than")):
            file.write_text(text)
            ran = self.run_ctl("schedule", SERIAL, "put", str(file))
            self.assertEqual(ran.status, 1)
            self.assertIn(sentence, ran.err)
        self.assertEqual(self.run_ctl("schedule", SERIAL, "put", str(file) + "x").status, 2)
        self.assertEqual(self.daemon.asked, [])


class LockTests(CtlTestCase):
    # protocol d.6
    serial, hashed = "02AA01AB01234567", "kFRc/skLylZUKACup2bPzjQDUII="

    def setUp(self):
        super().setUp()
        self.daemon.answers["POST", "/command"] = written(f"device.{self.serial}", {"temperature_lock": True})

    def test_the_pin_stays_here(self):
        arguments = ("lock", self.serial.lower(), "--min", "18", "--max", "24")
        file = self.folder / "pin"
        file.write_text("0000\n")
        for more, stdin in ((("--pin-file", "-"), "0000\n"), (("--pin-file", str(file)), "")):
            ran = self.good(*arguments, *more, stdin=stdin)
            value = {"pin_hash": self.hashed, "temp_min": 18.0, "temp_max": 24.0}
            self.assertEqual(
                self.asked().body, {"serial": self.serial, "command": "set_lock", "value": value}
            )
            self.assertNotIn(self.hashed, ran.out + ran.err)

    def test_no_pin(self):
        arguments = ("lock", self.serial, "--min", "18", "--max", "24")
        for more, stdin, sentence in [
            ((), "", "There is no terminal to ask for the PIN on"),
            (("--pin-file", "-"), "12345\n", "A PIN has exactly four digits."),
            (("--pin-file", "-"), "", "A PIN has exactly four digits."),
            (("--pin-file", "/nowhere"), "", "Cannot read /nowhere: No such file or directory."),
        ]:
            ran = self.run_ctl(*arguments, *more, stdin=stdin)
            self.assertEqual(ran.status, 1)
            self.assertIn(sentence, ran.err)
        self.assertEqual(self.daemon.asked, [])

    def test_unlock(self):
        self.good("unlock", SERIAL)
        self.assertEqual(self.asked().body, {"serial": SERIAL, "command": "clear_lock", "value": None})


class PairingTests(CtlTestCase):
    def test_pair(self):
        self.daemon.answers["POST", "/api/register"] = wire(
            Outcome, success=True, serial=SERIAL, message="registered"
        )
        ran = self.good("pair", "A3X-R7M2", "--owner", "alice")
        self.assertEqual(ran.out, f"{SERIAL} belongs to alice now.\n")
        self.assertEqual(self.asked().body, {"code": "A3X-R7M2", "userId": "alice"})

    def test_refused_with_200(self):
        self.daemon.answers["POST", "/api/register"] = wire(
            Outcome, success=False, message="Invalid or expired.", error="Invalid or expired."
        )
        ran = self.run_ctl("pair", "A3X-R7M2")
        self.assertEqual((ran.status, ran.out, ran.err), (1, "", "nledctl: Invalid or expired.\n"))

    def test_unpair(self):
        self.daemon.answers["GET", "/status"] = thermostat()
        self.daemon.answers["DELETE", f"/api/registered-devices/{SERIAL}"] = wire(
            Outcome, success=True, message="deleted"
        )
        self.assertEqual(self.good("unpair", SERIAL.lower()).out, f"{SERIAL} belongs to alice no longer.\n")
        self.assertEqual(self.asked().query, {"userId": "alice"})
        self.daemon.answers["GET", "/status"] = thermostat(owner=None)
        self.assertEqual(self.run_ctl("unpair", SERIAL).err, f"nledctl: {SERIAL} belongs to nobody.\n")


class KeyTests(CtlTestCase):
    key: ClassVar = {
        "id": "7f3a",
        "name": "phone",
        "scopes": ["read"],
        "userId": "alice",
        "devices": [SERIAL],
        "created": 1,
        "expires": None,
        "lastUsed": None,
    }

    def test_list(self):
        self.daemon.answers["GET", "/api/keys"] = wire(Keys, keys=[self.key])
        for arguments in (("keys",), ("keys", "list")):
            row = self.good(*arguments).out.splitlines()[1]
            self.assertEqual(row.split(), ["7f3a", "phone", "read", "alice", SERIAL, "never", "never"])

    def test_create(self):
        self.daemon.answers["POST", "/api/keys"] = wire(MadeKey, **self.key, key="nle_secret")
        ran = self.good("keys", "create", "phone")
        self.assertEqual(ran.out, "nle_secret\n")
        self.assertIn("Its id is 7f3a.", ran.err)
        self.assertEqual(self.asked().body, {"name": "phone", "scopes": ["read"]})
        self.good(
            "keys",
            "create",
            "phone",
            "--scope=read",
            "--scope=write",
            "--owner=alice",
            f"--device={SERIAL}",
            "--days=3",
        )
        self.assertEqual(
            self.asked().body,
            {"name": "phone", "scopes": ["read", "write"], "userId": "alice", "devices": [SERIAL], "days": 3},
        )

    def test_revoke(self):
        self.daemon.answers["DELETE", "/api/keys/7f3a"] = wire(Message, success=True, message="revoked")
        self.assertEqual(self.good("keys", "revoke", "7f3a").out, "Key 7f3a is revoked.\n")

    def test_ids_are_quoted(self):
        ran = self.run_ctl("keys", "revoke", "")
        self.assertEqual((ran.status, self.daemon.asked), (1, []))
        self.assertIn("at least one letter", ran.err)
        self.run_ctl("keys", "revoke", "../people/a b?")
        self.assertEqual(self.asked().path, "/api/keys/..%2Fpeople%2Fa%20b%3F")


class PeopleTests(CtlTestCase):
    def test_list(self):
        shared = [{"serial": SERIAL, "permission": "write"}]
        bob = {"userId": "bob", "email": "bob@local", "created": 1, "devices": [], "shared": shared}
        self.daemon.answers["GET", "/api/people"] = wire(Everybody, people=[bob])
        self.assertIn(f"{SERIAL} (write)", self.good("people").out)

    def test_add_and_delete(self):
        self.daemon.answers["POST", "/api/ensure-user"] = wire(Ensured, success=True, created=True)
        self.assertEqual(self.good("people", "add", "bob").out, "bob is known now.\n")
        self.assertEqual(self.asked().body, {"userId": "bob"})
        self.daemon.answers["DELETE", "/api/people/bob"] = wire(
            Forgotten, success=True, userId="bob", devices=0
        )
        self.assertEqual(self.run_ctl("people", "delete", "bob").status, 130)
        self.assertEqual(self.good("people", "delete", "bob", "--yes").out, "bob is deleted.\n")

    def test_share(self):
        self.daemon.answers["POST", "/api/shares"] = {"success": True}
        self.good("people", "share", SERIAL, "bob", "admin")
        self.assertEqual(self.asked().body, {"serial": SERIAL, "userId": "bob", "permission": "admin"})
        invited = {"id": "3c0f", "permission": "read", "created": 1, "expires": 2, "state": "pending"}
        self.daemon.answers["GET", "/api/shares"] = wire(
            Shares,
            serial=SERIAL,
            owner="alice",
            shares=[{"userId": "bob", "permission": "admin"}],
            invites=[invited],
        )
        _, first, second = self.good("people", "shares", SERIAL).out.splitlines()
        self.assertEqual(first.split(), ["bob", "admin", "-", "-"])
        self.assertEqual(second.split()[:4], ["invite", "3c0f", "read", "pending"])

    def test_invite(self):
        made = wire(
            MadeInvite,
            id="3c0f",
            token="nli_secret",
            serial=SERIAL,
            permission="write",
            expires=1_795_000_000_000,
        )
        self.daemon.answers["POST", "/api/invites"] = made
        ran = self.good("people", "invite", SERIAL, "write", "--hours", "24")
        self.assertEqual(ran.out, "nli_secret\n")
        self.assertEqual(self.asked().body, {"serial": SERIAL, "permission": "write", "hours": 24})
        self.daemon.answers["POST", "/api/invites/accept"] = wire(
            AcceptedInvite, success=True, serial=SERIAL, permission="write"
        )
        self.good("people", "accept", "--as", "bob", "--token-file", "-", stdin="nli_secret\n")
        self.assertEqual(self.asked().body, {"token": "nli_secret", "userId": "bob"})
        ran = self.run_ctl("people", "accept", "--as", "bob")
        self.assertEqual((ran.status, len(self.daemon.asked)), (1, 2))
        self.assertIn("give it with --token-file", ran.err)

    def test_revoke(self):
        self.daemon.answers["DELETE", f"/api/shares/{SERIAL}/bob"] = {"success": True}
        self.daemon.answers["DELETE", "/api/invites/3c0f"] = {"success": True}
        self.good("people", "revoke", SERIAL, "bob")
        self.good("people", "revoke", "--invite", "3c0f")
        for wrong in ((), (SERIAL,), (SERIAL, "bob", "--invite", "3c0f")):
            self.assertEqual(self.run_ctl("people", "revoke", *wrong).status, 2)

    def test_transfer(self):
        self.daemon.answers["POST", "/api/transfer"] = {"success": True}
        self.assertEqual(self.run_ctl("people", "transfer", SERIAL, "bob").status, 130)
        self.good("people", "transfer", SERIAL, "bob", "--yes")
        self.assertEqual(self.asked().body, {"serial": SERIAL, "userId": "bob"})


class NetworkTests(CtlTestCase):
    def test_scan(self):
        unit = {
            "ip": "192.168.1.23",
            "device_name": None,
            "cloudregisterurl": "http://192.168.1.5:8000/entry",
            "configured": True,
            "serial": SERIAL,
        }
        found = wire(
            Found,
            devices=[unit],
            subnet="192.168.1.0/24",
            subnets=["192.168.1.0/24", "10.0.0.0/24"],
        )
        self.daemon.answers["POST", "/api/scan-network"] = found
        self.assertEqual(
            self.good("scan").out.splitlines()[1].split(),
            ["192.168.1.23", SERIAL, "http://192.168.1.5:8000/entry", "yes"],
        )
        found["devices"] = []
        self.assertIn("No thermostat answered in 192.168.1.0/24, 10.0.0.0/24.", self.good("scan").err)

    def test_configure_and_restore(self):
        for command in ("configure", "restore"):
            path = f"/api/{command}-nest"
            self.daemon.answers["POST", path] = wire(
                Configured,
                success=True,
                device_name="Hall",
                cloudregisterurl="http://192.168.1.5:8000/entry",
                previous=None,
            )
            ran = self.good(command, "192.168.1.23")
            self.assertEqual(self.asked().body, {"ip": "192.168.1.23"})
            self.assertEqual(ran.out, "Hall looks for its server at http://192.168.1.5:8000/entry now.\n")
            self.good(command, "192.168.1.23", "--thermostat-key-file", "-", stdin="K\n")
            self.assertEqual(self.asked().body, {"ip": "192.168.1.23", "api_key": "K"})

    def test_key_wanted(self):
        told = "The thermostat wants its API key."
        wanted = wire(KeyWanted, success=False, auth_required=True, message=told, error=told)
        self.daemon.answers["POST", "/api/configure-nest"] = Said(wanted, 401)
        ran = self.run_ctl("configure", "192.168.1.23")
        self.assertEqual(ran.status, 1)
        self.assertEqual(ran.err, f"nledctl: {told} It goes into a file for --thermostat-key-file.\n")
