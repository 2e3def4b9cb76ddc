"""Settings from the YAML file, each with the line that it stands on."""

import re
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

import yaml

from nled.config.environment import NAMES
from nled.config.values import DECIMAL, SECTIONS, SETTINGS, WHOLE, Entry

MAX_BYTES: Final = 1024 * 1024
# What may be repeated in a message: a slip of the colon can make a key out of a URL with a password in it.
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")

_TOP: Final = [*(path for path in SETTINGS if "." not in path), *SECTIONS]


class _Loader(yaml.SafeLoader):
    """SafeLoader without aliases: a few lines of them can stand for gigabytes."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call] # bare in the stubs
            raise yaml.composer.ComposerError(problem="aliases (*name) are not read here", problem_mark=mark)
        return super().compose_node(parent, index)


def read(path: str, problems: list[str]) -> list[Entry]:
    """The settings in the file at `path`; what cannot be read is added to `problems`, a sentence each."""
    try:
        root = _compose(path)
    except OSError as error:
        problems.append(f"{path} cannot be read: {error.strerror}.")
    except ValueError as error:
        problems.append(str(error))
    else:
        return [] if root is None else _Reader(path, problems).settings(root)
    return []


def _compose(path: str) -> yaml.Node | None:
    with Path(path).open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise ValueError(f"{path} is larger than {MAX_BYTES} bytes, so it is no file of settings.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ValueError(f"{path} line {line} is not UTF-8 text.") from error
    try:
        return yaml.compose(text, Loader=_Loader)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ValueError(f"{path} line {line} has a character that YAML does not allow.") from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        detail = ", ".join(part for part in (error.context, error.problem) if part)
        raise ValueError(f"{path} line {line} is not YAML: {detail}.") from error
    except RecursionError as error:
        raise ValueError(f"{path} is nested too deeply to be a file of settings.") from error


class _Reader:
    """Walks the two levels of a file that was parsed."""

    def __init__(self, path: str, problems: list[str]) -> None:
        self._path = path
        self._problems = problems

    def settings(self, root: yaml.Node) -> list[Entry]:
        entries: list[Entry] = []
        for name, key, value in self._pairs(root, ""):
            if name in SECTIONS:
                entries += [self._entry(*pair) for pair in self._pairs(value, name)]
            else:
                entries.append(self._entry(name, key, value))
        return entries

    def _pairs(self, node: yaml.Node, section: str) -> Iterator[tuple[str, yaml.Node, yaml.Node]]:
        """Path, key and value of what is known in one mapping; the rest is a problem."""
        if _scalar(node) is None:  # every key of the section is commented out
            return
        if not isinstance(node, yaml.MappingNode):
            self._problem(node, section or "the file", "must be a mapping, each key on a line of its own.")
            return
        seen: dict[str, int] = {}
        for key, value in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) and _NAME.fullmatch(key.value) else ""
            path = f"{section}.{name}" if section else name
            if path not in (SETTINGS if section else _TOP):
                what = path if name else "a key here"
                self._problem(key, what, f"is not a setting; {_hint(section, name)}")
            elif path in seen:
                self._problem(key, path, f"is set a second time; line {seen[path]} sets it already.")
            else:
                seen[path] = key.start_mark.line + 1
                yield path, key, value

    def _entry(self, path: str, key: yaml.Node, value: yaml.Node) -> Entry:
        return Entry(path, _value(value), self._place(key, path))

    def _problem(self, node: yaml.Node, what: str, sentence: str) -> None:
        self._problems.append(f"{self._place(node, what)} {sentence}")

    def _place(self, node: yaml.Node, what: str) -> str:
        return f"{self._path} line {node.start_mark.line + 1}: {what}"


def _value(node: yaml.Node) -> Any:
    """The value of a setting: a scalar, or a list of them."""
    return [_scalar(item) for item in node.value] if isinstance(node, yaml.SequenceNode) else _scalar(node)


def _scalar(node: yaml.Node) -> Any:
    """The value of a node; a number that YAML reads in a way of its own stays text, and so is refused."""
    if not isinstance(node, yaml.ScalarNode):
        return {} if isinstance(node, yaml.MappingNode) else []
    text: str = node.value
    match node.tag.rpartition(":")[2]:
        case "null":
            return None
        case "bool":
            return yaml.SafeLoader.bool_values.get(text.lower(), text)
        case "int" if WHOLE.fullmatch(text):
            return int(text)
        case "float" if DECIMAL.fullmatch(text):
            return float(text)
        case _:
            return text


def _hint(section: str, name: str) -> str:
    """What the writer of an unknown key may have meant."""
    prefix = f"{section}." if section else ""
    near = {
        path.removeprefix(prefix): path for path in (SETTINGS if section else _TOP) if path.startswith(prefix)
    }
    # A key without its section or in the wrong one, or by the name that it has in the environment.
    far = {path.rpartition(".")[2]: path for path in reversed(SETTINGS)}
    if section:  # redis.host does not mean device.host
        far = {key: path for key, path in far.items() if key not in ("host", "hosts", "port")}
    far |= {variable.lower(): path for variable, path in NAMES.items()}
    for names, cutoff in (near, 0.65), (far, 0.75):
        if found := get_close_matches(name.lower(), names, n=1, cutoff=cutoff):
            return f"did you mean {names[found[0]]}?"
    return f"known here: {', '.join(near)}."
