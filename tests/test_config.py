"""What `nled.config` accepts, what it refuses, and in which words."""

import re
from pathlib import Path

import msgspec
from twisted.trial.unittest import TestCase

from nled.config import Config, ConfigError, Control, Device, Redis, Secret, Transport, Uploads, load
from nled.config.environment import NAMES
from nled.config.values import SETTINGS

MANUAL = Path(__file__).parent.parent / "etc" / "nled.yaml"


class ConfigCase(TestCase):
    def file(self, text: str | bytes) -> str:
        path = Path(self.mktemp())
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return str(path)

    def problems(self, text: str | bytes = "", **environ: str) -> list[str]:
        """The sentences of a refusal, with FILE for the name of the file."""
        path = self.file(text)
        error = self.assertRaises(ConfigError, load, path, environ)
        return str(error).replace(path, "FILE").splitlines()

    def refused(self, text: str | bytes, sentence: str) -> None:
        self.assertEqual(self.problems(text), [sentence])


class DefaultTests(ConfigCase):
    def test_nothing_at_all(self):
        config = load(None, {})
        self.assertEqual(config, Config())
        self.assertEqual(config.state_dir, Path("var"))
        self.assertEqual((config.device.host, config.device.port), ("0.0.0.0", 8000))
        self.assertEqual((config.control.host, config.control.port), ("127.0.0.1", 8082))
        self.assertEqual(config.warnings, ())

    def test_files_that_say_nothing(self):
        for text in (
            "",
            "# nothing\n",
            "---\n",
            "{}",
            "device:\ncontrol:\n  # port: 1\n",
            "\ufeffdevice: {}\n",
        ):
            self.assertEqual(load(self.file(text), {}), Config(), text)

    def test_hold_ends_before_the_thermostat_wakes(self):
        holds = {
            suspend: Transport(suspend_time_max=suspend).hold for suspend in (5, 10, 19, 20, 21, 300, 350)
        }
        self.assertEqual(holds, {5: 2.5, 10: 5, 19: 9.5, 20: 10, 21: 11, 300: 290, 350: 340})

    def test_uploads_are_kept_with_the_state_unless_told_otherwise(self):
        self.assertEqual(Config(state_dir=Path("/s")).upload_dir, Path("/s/device-logs"))
        self.assertEqual(Config(uploads=Uploads(dir=Path("/logs"))).upload_dir, Path("/logs"))

    def test_frozen(self):
        self.assertRaises(AttributeError, setattr, Config().device, "port", 1)


class ManualTests(ConfigCase):
    """`etc/nled.yaml` is the manual, so it must be complete and true."""

    def test_as_shipped(self):
        self.assertEqual(load(str(MANUAL), {}), Config())

    def test_every_default_uncommented_is_the_built_in_one(self):
        text, count = re.subn(r"^( *)#(?=\w)", r"\1", MANUAL.read_text(), flags=re.MULTILINE)
        self.assertEqual(count, len(SETTINGS))
        self.assertEqual(load(self.file(text), {}), Config())

    def test_every_setting_is_explained_with_its_bounds_and_its_variable(self):
        variables = {path: name for name, path in NAMES.items()}
        explained = set()
        section, words = "", ""
        for line in MANUAL.read_text().splitlines():
            if found := re.fullmatch(r"(\w+):", line):
                section, words = f"{found[1]}.", ""
            elif found := re.match(r" *#(\w+): ", line):
                path = section + found[1]
                explained.add(path)
                info = msgspec.inspect.type_info(SETTINGS[path])
                bare = getattr(info, "type", info)
                for bound in (getattr(bare, "ge", None), getattr(bare, "le", None)):
                    if bound is not None:
                        self.assertRegex(
                            words,
                            rf"\b{int(bound) if bound == int(bound) else bound}\b",
                            f"a bound of {path}",
                        )
                if path in variables:
                    self.assertIn(f"({variables[path]})", words, path)
                words = ""
            else:
                words += line
        self.assertEqual(explained, set(SETTINGS))


class UnknownKeyTests(ConfigCase):
    def test_nearest_in_the_section(self):
        self.refused(
            "\n\ndevice:\n  prot: 1\n", "FILE line 4: device.prot is not a setting; did you mean device.port?"
        )

    def test_nearest_section(self):
        self.refused("devise:\n  port: 1\n", "FILE line 1: devise is not a setting; did you mean device?")

    def test_in_the_wrong_section(self):
        self.refused(
            "device: {suspend_time_max: 300}",
            "FILE line 1: device.suspend_time_max is not a setting; did you mean transport.suspend_time_max?",
        )

    def test_without_its_section(self):
        self.refused("port: 8000", "FILE line 1: port is not a setting; did you mean device.port?")

    def test_by_the_name_of_its_variable(self):
        self.refused(
            "require_device_pairing: true",
            "FILE line 1: require_device_pairing is not a setting; did you mean pairing.required?",
        )

    def test_nothing_near(self):
        self.refused(
            "redis: {host: x}",
            "FILE line 1: redis.host is not a setting; known here: url, binary, maxmemory_mb, least_free_mb, deadline.",
        )

    def test_warnings_are_no_setting(self):
        self.assertIn("warnings is not a setting", self.problems("warnings: []")[0])

    def test_a_key_that_is_no_name_is_not_repeated(self):
        text = "redis:\n  url:redis://:hunter2@host: 1\n  [a]: 2\n  <<: {a: 1}\n  device.port: 1\n"
        problems = self.problems(text)
        self.assertEqual(
            [p[: p.index(" is not")] for p in problems], [f"FILE line {n}: a key here" for n in (2, 3, 4, 5)]
        )
        self.assertNotIn("hunter2", "".join(problems))

    def test_twice(self):
        self.refused(
            "device:\n  port: 1\n  port: 2\n",
            "FILE line 3: device.port is set a second time; line 2 sets it already.",
        )
        self.refused("log: {}\n\nlog: {}\n", "FILE line 3: log is set a second time; line 1 sets it already.")


class ValueTests(ConfigCase):
    def test_bounds(self):
        for path, low, high in (
            ("device.port", 0, 65535),
            ("transport.suspend_time_max", 5, 350),
            ("transport.defer_device_window", 0, 3599),
            ("transport.disable_defer_window", 0, 3599),
            ("transport.subscriptions_per_device", 1, 1000),
            ("pairing.entry_key_ttl", 2100, 604800),
            ("pairing.claims_per_minute", 1, 1000),
            ("retention.object_ttl_days", 1, 3650),
            ("retention.momentary_minutes", 1, 1440),
            ("api.rate_limit", 0, 1_000_000),
            ("api.failures_per_minute", 1, 1000),
            ("history.days", 1, 3650),
            ("history.points", 100, 100_000),
            ("limits.devices", 1, 1_000_000),
            ("limits.strangers_per_address", 0, 1_000_000),
            ("limits.connections", 10, 1_000_000),
        ):
            section, name = path.split(".")
            for value in (low, high):
                config = load(self.file(f"{section}: {{{name}: {value}}}"), {})
                self.assertEqual(getattr(getattr(config, section), name), value)
            for value in (low - 1, high + 1):
                [sentence] = self.problems(f"{section}: {{{name}: {value}}}")
                self.assertIn(
                    f"FILE line 1: {path} is {value}; it must be a whole number from {low} to {high}",
                    sentence,
                )

    def test_the_reason_of_a_bound_is_told(self):
        self.refused(
            "pairing: {entry_key_ttl: 1800}",
            "FILE line 1: pairing.entry_key_ttl is 1800; it must be a whole number from 2100 to 604800 "
            "(seconds; a thermostat refuses a code with less than 30 minutes left).",
        )

    def test_no_whole_number(self):
        for text, shown in (
            (
                "08000",
                "'08000'",
            ),  # YAML 1.1 reads some of these as numbers, and not as the ones that were meant
            ("010", "'010'"),
            ("0x50", "'0x50'"),
            ("1_000", "'1_000'"),
            ("2:13", "'2:13'"),
            ("+80", "'+80'"),
            ("80.0", "80.0"),
            ("'80'", "'80'"),
            ("yes", "true"),
            ("", "null"),
            ("~", "null"),
            ("[80]", "a list"),
            ("{a: 80}", "a mapping"),
            ("9" * 5000, f"'{'9' * 59}..."),
        ):
            [sentence] = self.problems(f"device:\n  port: {text}\n")
            self.assertEqual(sentence.partition(";")[0], f"FILE line 2: device.port is {shown}")

    def test_seconds_may_have_a_fraction(self):
        for text in ("5", "5.0"):
            self.assertEqual(load(self.file(f"redis: {{deadline: {text}}}"), {}).redis.deadline, 5.0)
        for text in (".nan", ".inf", "-.inf", "0.09", "30.1", "1:30.5", "yes", '"5"', "0"):
            self.assertIn(
                "a number from 0.1 to 30 (seconds).", self.problems(f"redis: {{deadline: {text}}}")[0]
            )

    def test_booleans(self):
        for text, value in (("yes", True), ("On", True), ("TRUE", True), ("no", False), ("off", False)):
            self.assertIs(load(self.file(f"uploads: {{store: {text}}}"), {}).uploads.store, value)
        for text, shown in (("1", "1"), ('"true"', "'true'"), ("!!bool x", "'x'")):
            self.refused(
                f"uploads: {{store: {text}}}",
                f"FILE line 1: uploads.store is {shown}; it must be true or false.",
            )

    def test_one_of_several(self):
        self.assertEqual(load(self.file("device: {tier: hosted}"), {}).device.tier, "hosted")
        self.refused(
            "device: {tier: cloud}", "FILE line 1: device.tier is 'cloud'; it must be one of hosted, local."
        )

    def test_text(self):
        for text, shown in (("12", "12"), ("no", "false"), ('""', "''"), ('"a\\0b"', r"'a\x00b'")):
            self.refused(f"state_dir: {text}", f"FILE line 1: state_dir is {shown}; it must be text.")

    def test_tags_make_no_objects(self):
        self.refused(
            "state_dir: !!python/object/apply:os.getcwd []",
            "FILE line 1: state_dir is a list; it must be text.",
        )

    def test_section_that_is_a_value(self):
        self.refused(
            "pairing: true", "FILE line 1: pairing must be a mapping, each key on a line of its own."
        )

    def test_hosts(self):
        for host in ("0.0.0.0", "::", "::1", "fe80::1%eth0", "localhost", "nled.example"):
            self.assertEqual(load(self.file(f'device: {{host: "{host}"}}'), {}).device.host, host)
        for host in ("10.0.0.256", "[::1]", "a b", "-x", "a..b", "10.0.0.1:80", "1"):
            self.refused(
                f'device: {{host: "{host}"}}',
                f"FILE line 1: device.host is '{host}'; it must be an IP address (IPv6 without brackets) or a host name.",
            )

    def test_origins(self):
        for text, origin in (
            ("http://10.0.0.1:8000", "http://10.0.0.1:8000"),
            ("https://nled.example", "https://nled.example"),
            ("http://10.0.0.1:8000/", "http://10.0.0.1:8000"),
            ("HTTP://[fd00::1]:80", "http://[fd00::1]:80"),
        ):
            self.assertEqual(load(None, {"API_ORIGIN": text}).device.origin, origin)
        self.assertIsNone(load(self.file("device: {origin: null}"), {}).device.origin)
        for text in (
            "10.0.0.1:8000",
            "ftp://a",
            "http://",
            "http://a:0",
            "http://a:65536",
            "http://a:b",
            "http://a:",
            "http://a/nest",
            "http://a//",
            "http://u:hunter2@a",
            "http://@a",
            "http://a?",
            "http://a#",
            "http://a?b",
            "http://[fe80::1%eth0]:80",
            "http://[::1",
            "http://a b",
            "http://a_b",
        ):
            [sentence] = self.problems(f'device: {{origin: "{text}"}}')
            self.assertTrue(sentence.startswith("FILE line 1: device.origin must "), sentence)
            self.assertNotIn("hunter2", sentence)

    def test_networks(self):
        for text, network in (
            ("192.168.1.0/24", "192.168.1.0/24"),
            ("10.0.0.7", "10.0.0.7/32"),
            ("::1", "::1/128"),
            ("FD00::/8", "fd00::/8"),
        ):
            for name in ("trusted_networks", "trusted_proxies"):
                config = load(self.file(f'control: {{{name}: ["{text}"]}}'), {})
                self.assertEqual(getattr(config.control, name), (network,))
        self.assertEqual(load(self.file("control: {trusted_networks: []}"), {}).control.trusted_networks, ())
        for text in ("192.168.1.7/24", "10.0.0.256", "lan", "10.0.0.0/33"):
            self.refused(
                f'control:\n  trusted_networks: ["::1", "{text}"]',
                f"FILE line 2: control.trusted_networks has '{text}' in it; each must be an IP address or a "
                "network, as 192.168.1.0/24 with zeros after the prefix.",
            )

    def test_names(self):
        config = load(self.file("control: {hosts: [Nled.Example., home]}"), {})
        self.assertEqual(config.control.hosts, ("nled.example", "home"))
        for text in ("home:8082", "http://home", "a b", "*.example"):
            self.refused(
                f"control: {{hosts: ['{text}']}}",
                f"FILE line 1: control.hosts has '{text}' in it; each must be a host name, without port.",
            )

    def test_pages(self):
        pages = "HTTPS://App.example/, 'https://a.example:443', 'http://b:80', 'http://c:443'"
        config = load(self.file(f"control: {{origins: [{pages}]}}"), {})
        self.assertEqual(
            config.control.origins, ("https://app.example", "https://a.example", "http://b", "http://c:443")
        )
        for text in ("*", "null", "app.example", "https://app.example/path"):
            [sentence] = self.problems(f"control: {{origins: ['{text}']}}")
            self.assertIn(f"FILE line 1: control.origins has '{text}' in it; each must ", sentence)

    def test_lists(self):
        for text, what in (
            ("home", "is 'home'"),
            ("{a: b}", "is a mapping"),
            ("null", "is null"),
            ("[80]", "has 80 in it"),
            ("[a, '']", "has '' in it"),
            ("[[a]]", "has a list in it"),
            ('["a\\n"]', r"has 'a\n' in it"),
        ):
            self.refused(
                f"control: {{hosts: {text}}}",
                f"FILE line 1: control.hosts {what}; it must be a list of text, as [a, b].",
            )

    def test_the_path_of_the_socket(self):
        longest = "/" + "ä" * 53
        self.assertEqual(load(self.file(f"control: {{socket: {longest}}}"), {}).control_socket, Path(longest))
        self.refused(
            f"control: {{socket: {longest}x}}",
            "FILE line 1: control.socket has too long a path for a unix socket, which may have 107 bytes.",
        )

    def test_time_zones(self):
        for name in ("Europe/Berlin", "UTC"):
            self.assertEqual(load(self.file(f"home: {{time_zone: {name}}}"), {}).home.time_zone, name)
        for name in ("Europe/Atlantis", "../UTC", "Europe", "/etc/passwd"):
            [sentence] = self.problems(f"home: {{time_zone: {name}}}")
            self.assertIn(f"home.time_zone is '{name}', which this machine does not know", sentence)

    def test_certificates_must_be_there(self):
        directory = Path(self.mktemp())
        directory.mkdir()
        text = f"device: {{cert_dir: {directory.absolute()}}}"
        (directory / "fullchain.pem").touch()
        self.refused(
            text,
            "FILE line 1: device.cert_dir must hold fullchain.pem and privkey.pem; "
            f"{directory.absolute()}/privkey.pem cannot be read: No such file or directory.",
        )
        (directory / "privkey.pem").touch()
        self.assertEqual(load(self.file(text), {}).device.cert_dir, directory.absolute())

    def test_only_the_effective_certificates_must_be_there(self):
        directory = Path(self.mktemp())
        directory.mkdir()
        (directory / "fullchain.pem").touch()
        (directory / "privkey.pem").touch()
        config = load(self.file("device: {cert_dir: /nonexistent}"), {"CERT_DIR": str(directory)})
        self.assertEqual(config.device.cert_dir, directory)


class SecretTests(ConfigCase):
    def test_the_url_is_usable_but_never_shown(self):
        for scheme in ("redis", "rediss", "unix", "redis+sentinel"):
            url = f"{scheme}://user:hunter2@host/0"
            config = load(None, {"REDIS_URL": url})
            self.assertEqual(config.redis.url, url)
            for text in (repr(config), str(config), f"{config.redis}", repr([config.redis.url])):
                self.assertNotIn("hunter2", text)
        self.assertEqual(str(Redis(url=Secret("redis://h"))), str(Redis(url=Secret("redis://i"))))

    def test_refused_without_repeating_it(self):
        for url in ("mysql://:hunter2@h", "hunter2", "redis:hunter2", "://hunter2"):
            problems = self.problems(f'redis: {{url: "{url}"}}', REDIS_URL=url)
            self.assertEqual(
                problems,
                ["REDIS_URL (redis.url) must start with redis://, rediss://, unix:// or redis+sentinel://."],
            )
        for value in ('"redis://:hunter2\\n@h"', "[hunter2]", "{hunter2: 1}", "1"):
            self.refused(
                f"redis: {{url: {value}}}", "FILE line 1: redis.url is not possible; it must be text or null."
            )

    def test_not_where_a_section_should_be(self):
        self.assertNotIn("hunter2", "".join(self.problems("redis: redis://:hunter2@h")))
        self.assertNotIn("hunter2", "".join(self.problems("redis:\n  url:redis://:hunter2@h\n  deadline: 1")))


class EnvironmentTests(ConfigCase):
    def test_every_name(self):
        directory = Path(self.mktemp())
        directory.mkdir()
        (directory / "fullchain.pem").touch()
        (directory / "privkey.pem").touch()
        environ = {
            "NLED_STATE_DIR": "/state",
            "API_ORIGIN": "http://h:1",
            "SERVER_HOST": "::",
            "SERVER_PORT": "1",
            "CERT_DIR": str(directory),
            "CONTROL_HOST": "::1",
            "CONTROL_PORT": "2",
            "REDIS_URL": "unix:///redis",
            "SUSPEND_TIME_MAX": "5",
            "DEFER_DEVICE_WINDOW": "6",
            "DISABLE_DEFER_WINDOW": "7",
            "MAX_SUBSCRIPTIONS_PER_DEVICE": "8",
            "REQUIRE_DEVICE_PAIRING": "true",
            "ENTRY_KEY_TTL_SECONDS": "7200",
            "STORE_DEVICE_LOGS": "1",
            "DEVICE_LOGS_DIR": "/logs",
        }
        self.assertEqual(set(environ), set(NAMES))
        config = load(None, environ)
        self.assertEqual(config.device, Device(origin="http://h:1", host="::", port=1, cert_dir=directory))
        self.assertEqual(config.control, Control(host="::1", port=2))
        self.assertEqual(
            config.transport,
            Transport(
                suspend_time_max=5, defer_device_window=6, disable_defer_window=7, subscriptions_per_device=8
            ),
        )
        self.assertEqual((config.state_dir, config.redis.url), (Path("/state"), "unix:///redis"))
        self.assertEqual((config.pairing.required, config.pairing.entry_key_ttl), (True, 7200))
        self.assertEqual((config.uploads.store, config.upload_dir), (True, Path("/logs")))

    def test_it_overrides_the_file(self):
        path = self.file("device: {port: 1, tier: hosted}")
        self.assertEqual(load(path, {"SERVER_PORT": " 2 "}).device, Device(port=2, tier="hosted"))

    def test_empty_is_not_set(self):
        path = self.file("device: {port: 1}")
        environ = dict.fromkeys([*NAMES, "STATE_DIRECTORY", "RUNTIME_DIRECTORY", "MQTT_HOST"], "") | {
            "SERVER_PORT": " "
        }
        self.assertEqual(load(path, environ), Config(device=Device(port=1)))

    def test_booleans(self):
        for text in ("true", "1", "YES", "On"):
            self.assertTrue(load(None, {"STORE_DEVICE_LOGS": text}).uploads.store)
        for text in ("False", "0", "no", "OFF"):
            self.assertFalse(load(None, {"STORE_DEVICE_LOGS": text}).uploads.store)
        self.assertEqual(
            self.problems(STORE_DEVICE_LOGS="maybe"),
            ["STORE_DEVICE_LOGS (uploads.store) is 'maybe'; it must be true or false."],
        )

    def test_numbers(self):
        for text in ("abc", "1.0", "0x1", "1e3", "010", "\u0661"):
            [sentence] = self.problems(SUSPEND_TIME_MAX=text)
            subject = f"SUSPEND_TIME_MAX (transport.suspend_time_max) is {text!a}"
            self.assertEqual(sentence, f"{subject}; it must be a whole number from 5 to 350 (seconds).")
        self.assertIn("is 600; it must be", self.problems(SUSPEND_TIME_MAX="600")[0])

    def test_state_directory(self):
        systemd = {"STATE_DIRECTORY": "/var/lib/nled:/var/lib/other"}
        self.assertEqual(load(None, systemd).state_dir, Path("/var/lib/nled"))
        self.assertEqual(load(self.file("state_dir: /file"), systemd).state_dir, Path("/file"))
        self.assertEqual(load(None, systemd | {"NLED_STATE_DIR": "/own"}).state_dir, Path("/own"))

    def test_what_is_set_in_vain(self):
        environ = {"MQTT_HOST": "broker", "MQTT_PASSWORD": "hunter2", "NLED_WORKERS": "4"}
        self.assertEqual(
            load(None, environ).warnings,
            (
                "MQTT_HOST is set, but this version has no MQTT bridge; it is ignored.",
                "MQTT_PASSWORD is set, but this version has no MQTT bridge; it is ignored.",
                "NLED_WORKERS is set, but this version runs as one process; it is ignored.",
            ),
        )

    def test_runtime_directory(self):
        systemd = {"RUNTIME_DIRECTORY": "/run/nled:/run/other", "STATE_DIRECTORY": "/state"}
        self.assertEqual(load(None, systemd).control_socket, Path("/run/nled/control.sock"))
        self.assertEqual(
            load(None, {"STATE_DIRECTORY": "/state"}).control_socket, Path("/state/control.sock")
        )
        path = self.file("control: {socket: /own}")
        self.assertEqual(load(path, systemd).control_socket, Path("/own"))


class WarningTests(ConfigCase):
    def warnings(self, text: str) -> tuple[str, ...]:
        return load(self.file(text), {}).warnings

    def test_an_open_control_port_takes_keys(self):
        self.assertEqual(load(None, {"CONTROL_HOST": "0.0.0.0"}).warnings, ())

    def test_networks_of_strangers(self):
        own = '10.0.0.0/8, 192.168.1.0/24, 172.31.0.1, 169.254.0.0/16, 100.64.0.0/10, "fd00::/8", "fe80::/10"'
        self.assertEqual(self.warnings(f"control: {{trusted_networks: [{own}]}}"), ())
        for network in ("0.0.0.0/0", "172.0.0.0/8", "192.0.0.0/8", "8.8.8.8/32", "::/0"):
            [sentence] = self.warnings(f'control: {{trusted_networks: ["::1", "{network}"]}}')
            self.assertIn(f"has {network}, which is no private network", sentence)

    def test_more_than_the_memory(self):
        for text in (
            "redis: {maxmemory_mb: 256}",
            "limits: {devices: 1000}",
            "limits: {device_bytes: 1048576}",
        ):
            [sentence] = self.warnings(text)
            self.assertIn("would take", sentence)
            self.assertIn("redis.maxmemory_mb is", sentence)
        self.assertEqual(self.warnings("{limits: {devices: 1000}, redis: {maxmemory_mb: 1024}}"), ())
        # How much memory that one has nobody knows here.
        self.assertEqual(self.warnings("{limits: {devices: 1000}, redis: {url: 'unix:///x'}}"), ())

    def test_no_room_for_the_socket_in_the_state(self):
        folder = "/" + "x" * 93
        self.assertEqual(self.warnings(f"state_dir: {folder}"), ())
        [sentence] = self.warnings(f"state_dir: {folder}x")
        self.assertIn("set control.socket", sentence)
        self.assertIsNone(load(self.file(f"state_dir: {folder}x"), {}).control_socket)


class FileTests(ConfigCase):
    def test_missing(self):
        error = self.assertRaises(ConfigError, load, "/nonexistent/nled.yaml", {})
        self.assertEqual(str(error), "/nonexistent/nled.yaml cannot be read: No such file or directory.")

    def test_a_directory(self):
        error = self.assertRaises(ConfigError, load, "/", {})
        self.assertEqual(str(error), "/ cannot be read: Is a directory.")

    def test_not_a_mapping(self):
        for text in ("- a\n", "text", "1"):
            self.refused(text, "FILE line 1: the file must be a mapping, each key on a line of its own.")

    def test_syntax_with_its_line(self):
        for text, line in (
            ("device:\n  port: 1\n port: 2\n", 3),
            ("device:\n\tport: 1\n", 2),
            ("device: [\n", 2),
            ("a: b: c\n", 1),
            ("{}\n---\n{}\n", 2),
        ):
            [sentence] = self.problems(text)
            self.assertTrue(sentence.startswith(f"FILE line {line} is not YAML: "), sentence)

    def test_not_text(self):
        self.refused(b"\n\n\xff", "FILE line 3 is not UTF-8 text.")
        self.refused("\n\x01", "FILE line 2 has a character that YAML does not allow.")

    def test_bombs(self):
        self.refused(
            "a: &a [x, x]\nb: &b [*a, *a]\n", "FILE line 2 is not YAML: aliases (*name) are not read here."
        )
        self.refused("a: &a [*a]\n", "FILE line 1 is not YAML: aliases (*name) are not read here.")
        self.refused("[" * 20_000, "FILE is nested too deeply to be a file of settings.")
        self.refused("#" * 1_048_577, "FILE is larger than 1048576 bytes, so it is no file of settings.")

    def test_everything_at_once(self):
        problems = self.problems(
            "device:\n  prot: 1\n  port: 70000\nredis:\n  deadline: 0\n", SERVER_HOST="a b"
        )
        self.assertEqual(
            [sentence.partition(" is ")[0] for sentence in problems],
            [
                "FILE line 2: device.prot",
                "FILE line 3: device.port",
                "FILE line 5: redis.deadline",
                "SERVER_HOST (device.host)",
            ],
        )

    def test_a_broken_file_does_not_hide_a_broken_environment(self):
        self.assertEqual(len(self.problems("[", SERVER_PORT="x")), 2)


class ContradictionTests(ConfigCase):
    def test_one_port_for_both(self):
        self.refused(
            "control: {port: 8000}",
            "device.port and control.port are both 8000, and their hosts 0.0.0.0 and 127.0.0.1 overlap; "
            "give one of them another port.",
        )
        self.assertEqual(
            len(self.problems("device: {host: 10.0.0.1, port: 1}\ncontrol: {host: '::', port: 1}")), 1
        )

    def test_one_port_on_two_addresses(self):
        config = load(self.file("device: {host: 10.0.0.1, port: 1}\ncontrol: {port: 1}"), {})
        self.assertEqual(config.device.port, config.control.port)

    def test_any_free_port_for_both(self):
        config = load(None, {"SERVER_PORT": "0", "CONTROL_PORT": "0"})
        self.assertEqual((config.device.port, config.control.port), (0, 0))

    def test_a_refused_value_contradicts_nobody(self):
        self.assertEqual(len(self.problems("device: {port: 8082}\ncontrol: {port: x}")), 1)

    def test_quotas_must_have_room_for_an_upload(self):
        self.refused(
            "uploads: {device_quota_bytes: 2048}",
            "uploads.max_unpacked_bytes (8388608) must not be larger than uploads.device_quota_bytes (2048).",
        )
