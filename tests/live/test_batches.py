"""One bad object does not keep the good ones of its batch from being applied (protocol a.8)."""

from twisted.trial.unittest import TestCase

from tests.live.support import serial_of, shared_daemon


class BesideTheBadTests(TestCase):
    def setUp(self):
        self.daemon = shared_daemon()
        self.serial = serial_of(self)

    def stored(self):
        answer = self.daemon.ask("GET", f"/nest/transport/device/{self.serial}", serial=self.serial)
        return {each["object_key"]: each["object_revision"] for each in answer.json["objects"]}

    def put(self, objects):
        answer = self.daemon.ask("POST", "/nest/transport/put", {"objects": objects}, serial=self.serial)
        self.assertEqual(answer.status, 200, answer)
        return answer.json["objects"]

    def test_malformed_ones(self):
        good = {"object_key": f"shared.{self.serial}", "value": {"hvac_fan_state": False}}
        bad = (1, None, [], {}, {"object_key": 5}, {"object_key": good["object_key"], "value": "x"})
        for number, other in enumerate(bad):
            good["value"]["number"] = number
            for order in ([good, other], [other, good]):
                [receipt] = self.put(order)
                self.assertEqual(
                    (receipt["object_key"], receipt["object_revision"]), (good["object_key"], number + 1)
                )
        self.assertEqual(self.stored()[good["object_key"]], len(bad))

    def test_forbidden_ones(self):
        mine, foreign, servers = f"device.{self.serial}", "device.02AA01AB0000BAD9", "user.somebody"
        receipts = self.put([{"object_key": key, "value": {"a": 1}} for key in (foreign, mine, servers)])
        self.assertEqual([each["object_key"] for each in receipts], [foreign, mine, servers])
        self.assertEqual([each["object_revision"] for each in receipts], [0, 1, 0])
        for receipt in receipts:
            self.assertEqual([*receipt], ["object_revision", "object_timestamp", "object_key"])
        self.assertEqual({key for key in self.stored() if key in (mine, foreign, servers)}, {mine})

    def test_conflicting_ones(self):
        """A revision that does not fit is answered with what is stored, and the rest goes on."""
        first, second = f"schedule.{self.serial}", f"where.{self.serial}"
        receipts = self.put(
            [
                {"object_key": first, "if_object_revision": 7, "value": {"a": 1}},
                {"object_key": second, "value": {"a": 1}},
                {"object_key": first, "if_object_revision": 0, "value": {"a": 2}},
            ]
        )
        self.assertEqual([each["object_revision"] for each in receipts], [0, 1, 1])
        self.assertEqual(receipts[0]["object_timestamp"], 0)

    def test_listed_beside_malformed_ones(self):
        self.put([{"object_key": f"shared.{self.serial}", "value": {"x": 1}}])
        self.assertEqual(self.daemon.command(20, self.serial).status, 200)
        body = {
            "objects": [
                1,
                {"object_key": "?"},
                {"object_key": f"shared.{self.serial}", "object_timestamp": 1},
            ]
        }
        answer = self.daemon.ask("POST", "/nest/transport", body, serial=self.serial)
        [update] = [each for each in answer.json["objects"] if each["object_key"] == f"shared.{self.serial}"]
        self.assertEqual(update["value"]["target_temperature"], 20)
