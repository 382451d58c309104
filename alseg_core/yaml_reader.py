"""The one reader of YAML, for files of settings and for single values of the command line.

It reads YAML as of version 1.2: the only booleans are true and false, the only numbers are decimal (1e-3 is one), and
anything else is text, so that names and ids stay as they are written: no, 007, 1_000, 12:30, 2024-01-01. A number
without a point is whole (1e4 too). Keys are text. Tags are refused.
"""

from __future__ import annotations

import re
import stat
from pathlib import Path
from typing import Any

import yaml

from alseg_core.errors import ConfigError, shown

MOST_BYTES = 2**20
"""Largest file of settings; far larger ones were not written as settings."""
MOST_VALUES = 100_000
"""Most values of a document, with every alias (*name) written out."""
MOST_LEVELS = 50
"""Deepest nesting of a document."""
LONGEST_PATH = 300
"""Most characters of a path in a message."""

WORDS: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **{f"{sign}{word}": float(f"{sign}inf") for sign in ("", "+", "-") for word in (".inf", ".Inf", ".INF")},
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}
"""Words without quotes that are no text."""
WHOLE = re.compile(r"[-+]?(0|[1-9]\d{0,299})")
NUMBER = re.compile(r"[-+]?(?=\.?\d)(0|[1-9]\d{0,299})?(?P<point>\.\d{0,300})?([eE][-+]?\d{1,9})?")
EXACT = 2.0**53
"""Numbers below this that are written with an exponent are exact."""


class _Loader(yaml.BaseLoader):
    """Composes nodes, and stops at tags and at deep nesting."""

    level = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()
        if getattr(event, "tag", None):
            raise _error("tags such as !!int are not read; put text that starts with '!' in quotes", event.start_mark)
        if self.level > MOST_LEVELS:
            raise _error(f"nested deeper than {MOST_LEVELS} levels", event.start_mark)
        self.level += 1
        node = super().compose_node(parent, index)
        self.level -= 1
        return node


class _Values:
    """Turns nodes into plain data: dicts, lists, text, numbers, booleans and None."""

    def __init__(self) -> None:
        self.count = 0

    def of(self, node: yaml.Node, level: int = 0) -> Any:
        self.count += 1
        if self.count > MOST_VALUES:
            raise _error(f"more than {MOST_VALUES} values", node.start_mark)
        if level > MOST_LEVELS:
            raise _error(f"nested deeper than {MOST_LEVELS} levels, or contains itself", node.start_mark)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, level)
        if isinstance(node, yaml.SequenceNode):
            return [self.of(item, level + 1) for item in node.value]
        assert isinstance(node, yaml.ScalarNode)
        return _scalar(node)

    def _mapping(self, node: yaml.MappingNode, level: int) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        own: dict[str, Any] = {}
        lines: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                raise _error("a key must be a word", key.start_mark)
            if key.value in lines:
                raise _error(f"{shown(key.value)} is given twice, first in line {lines[key.value]}", key.start_mark)
            lines[key.value] = line
            if key.value == "<<" and key.style is None:
                for part in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                    if not isinstance(part, yaml.MappingNode):
                        raise _error("'<<' merges mappings", part.start_mark)
                    merged = {**self.of(part, level + 1), **merged}
            else:
                own[key.value] = self.of(value, level + 1)
        return {**merged, **own}


def _scalar(node: yaml.ScalarNode) -> Any:
    text: str = node.value
    if node.style is not None:  # in quotes, or a block of text
        return text
    if text in WORDS:
        return WORDS[text]
    if WHOLE.fullmatch(text):
        return int(text)
    found = NUMBER.fullmatch(text)
    if found is None:
        return text
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise _error(f"{text} is too large for a number", node.start_mark)
    return int(number) if found["point"] is None and number.is_integer() and abs(number) < EXACT else number


def parse_yaml(text: str, what: str) -> Any:
    """Return the plain data that YAML text holds, None for empty text.

    what: the text's name in messages. Raises ConfigError with the line: no YAML, a repeated key, a tag, several
    documents, more nesting or values than settings have.
    """
    try:
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
        finally:
            loader.dispose()
        return None if node is None else _Values().of(node)
    except yaml.YAMLError as error:
        raise ConfigError(f"{what} is no valid YAML: {_explained(error)}.") from None


def read_yaml(path: Path) -> dict[str, Any]:
    """Return the mapping that a YAML file holds.

    Raises ConfigError as :func:`parse_yaml` does, and when the file is unreadable, not text in UTF-8, or no mapping.
    """
    name = str(path)
    name = name if len(name) <= LONGEST_PATH else f"{name[:LONGEST_PATH]}..."
    content = parse_yaml(_text(path, name), name)
    if not isinstance(content, dict):
        raise ConfigError(f"{name} must hold a mapping of settings (key: value), got {shown(content)}.")
    return content


def _text(path: Path, name: str) -> str:
    try:
        facts = path.stat()
        if not (stat.S_ISREG(facts.st_mode) or stat.S_ISDIR(facts.st_mode)):  # reading a pipe might never end
            raise ConfigError(f"{name} cannot be read: it is no regular file.")
        if facts.st_size > MOST_BYTES:
            raise ConfigError(
                f"{name} has {facts.st_size} bytes; a file of settings has at most {MOST_BYTES}. Is it the right file?"
            )
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{name} cannot be read: {error.strerror}.") from None
    except ValueError as error:  # a NUL byte in the path
        raise ConfigError(f"{name} cannot be read: {error}.") from None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ConfigError(f"{name} is no text in UTF-8 (line {line}); save it with that encoding.") from None


def _error(problem: str, mark: yaml.Mark) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=mark)


def _explained(error: yaml.YAMLError) -> str:
    """Return where and what the problem is, on one line."""
    if isinstance(error, yaml.reader.ReaderError):
        return f"character {shown(chr(error.character))} at position {error.position + 1} is not allowed"
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem is None:
        return shown(str(error))
    problem, mark = error.problem, error.problem_mark
    if error.context == "expected a single document in the stream":
        problem = "one document is wanted, and another starts here; remove the line with ---"
    elif error.context:
        problem = f"{error.context}, {problem}"
    if "'\\t'" in problem:
        problem += "; indent with blanks, not tabs"
    return problem if mark is None else f"line {mark.line + 1}, column {mark.column + 1}: {problem}"
