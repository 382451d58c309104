"""The reader of YAML: what plain words mean, and files that are refused."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import pytest

from alseg_core.errors import ConfigError
from alseg_core.yaml_reader import MOST_BYTES, parse_yaml, read_yaml

READ: list[tuple[str, Any]] = [
    ("1e-3", 0.001),
    ("1E-3", 0.001),
    ("1.0e-3", 0.001),
    ("1e4", 10_000),
    ("6.0e4", 60_000.0),
    ("-1e0", -1),
    (".5", 0.5),
    ("1.", 1.0),
    ("1.0", 1.0),
    ("+3", 3),
    ("-3", -3),
    ("0", 0),
    ("0.0", 0.0),
    ("99999999999999999999", 99999999999999999999),
    (".inf", math.inf),
    ("-.INF", -math.inf),
    ("true", True),
    ("False", False),
    ("null", None),
    ("~", None),
    ("", None),
    ("# only a comment", None),
    ("no", "no"),
    ("On", "On"),
    ("y", "y"),
    ("none", "none"),
    ("nan", "nan"),
    ("inf", "inf"),
    ("007", "007"),
    ("08", "08"),
    ("00.5", "00.5"),
    ("1_000", "1_000"),
    ("101_02", "101_02"),
    ("0x10", "0x10"),
    ("0o17", "0o17"),
    ("0b11", "0b11"),
    ("12:30", "12:30"),
    ("2024-01-01", "2024-01-01"),
    ("1.2.3", "1.2.3"),
    ("1e", "1e"),
    (".", "."),
    ("-", [None]),
    ("=", "="),
    ("'3'", "3"),
    ('"true"', "true"),
    ("'1e-3'", "1e-3"),
    ("|\n  3\n", "3\n"),
    ("[1, no, 2.5]", [1, "no", 2.5]),
    ("p01..p26", "p01..p26"),
    ("{1: a, no: b, null: c, 1.5: d}", {"1": "a", "no": "b", "null": "c", "1.5": "d"}),
    ("a: &x {lr: 1}\nb: {<<: *x, batch: 2}\nc: *x", {"a": {"lr": 1}, "b": {"lr": 1, "batch": 2}, "c": {"lr": 1}}),
    ("a: &x {lr: 1}\nb: {lr: 2, <<: *x}", {"a": {"lr": 1}, "b": {"lr": 2}}),
    ("module:Class", "module:Class"),
    ("größe: ß", {"größe": "ß"}),
]
"""YAML and what it says."""

BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)

REFUSED: list[tuple[bytes, str]] = [
    (b"a: 1\nb: 2\na: 3\n", "line 3, column 1: 'a' is given twice, first in line 1"),
    (b"x:\n  a: 1\n  a: 1\n", "line 3, column 3: 'a' is given twice, first in line 2"),
    (b"1: a\n'1': b\n", "'1' is given twice"),
    (b"a:\n\t- 1\n", "indent with blanks, not tabs"),
    (b"a: 1\n---\nb: 2\n", "line 2, column 1: one document is wanted"),
    (b"a: [1\n", "line 2, column 1"),
    (b"a: 'x\n", "while scanning a quoted scalar"),
    (b"a: b: c\n", "line 1, column 5"),
    (b"  a: 1\nb: 2\n", "line 2"),
    (b"a: *x\n", "found undefined alias 'x'"),
    (b"a: &x [*x]\n", "contains itself"),
    (b"a: &x {b: *x}\n", "contains itself"),
    (b"a: &x 1\nb: &x 2\n", "duplicate anchor"),
    (b"<<: 3\n", "'<<' merges mappings"),
    (BOMB.encode(), "more than 100000 values"),
    (b"a: " + b"[" * 3000 + b"]" * 3000, "nested deeper than 50 levels"),
    (b"a: " + b"[" * 3000, "nested deeper than 50 levels"),
    (b"".join(b" " * i + b"a:\n" for i in range(200)), "nested deeper than 50 levels"),
    (b"a: !!python/object/apply:os.system ['true']\n", "tags such as !!int are not read"),
    (b"a: !mine 3\n", "tags such as !!int are not read"),
    (b"a: !!int x\n", "tags such as !!int are not read"),
    (b"? [a]\n: 1\n", "a key must be a word"),
    (b"a: 1e999\n", "1e999 is too large for a number"),
    (b"a: \x00\n", "'\\x00'"),
    (b"a: \x1b[31m\n", "'\\x1b'"),
    (b"a: 1\nb: \xff\xfe\n", "is no text in UTF-8 (line 2)"),
    ("a: 1\n".encode("utf-16"), "is no text in UTF-8 (line 1)"),
    (b"\x93NUMPY\x01\x00", "is no text in UTF-8"),
    (b"", "must hold a mapping of settings (key: value), got null"),
    (b"# nothing\n", "got null"),
    (b"- a\n- b\n", "got ['a', 'b']"),
    (b"some words\n", "got 'some words'"),
    (b"3\n", "got 3"),
    (b"a: " + b"x" * MOST_BYTES, "Is it the right file?"),
    (b"{" + b"a" * 2000 + b"]", "line 1, column 2002"),
]
"""Content of a file and part of the message."""


@pytest.mark.parametrize(("text", "value"), READ)
def test_words_mean_what_they_look_like(text: str, value: Any) -> None:
    found = parse_yaml(text, "text")
    assert found == value and type(found) is type(value)


def test_nan_is_a_number() -> None:
    assert math.isnan(parse_yaml(".nan", "text"))


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_bytes("a: 1\r\nb: 2\r\n".encode("utf-8-sig"))
    assert read_yaml(tmp_path / "x.yaml") == {"a": 1, "b": 2}


@pytest.mark.parametrize(("content", "message"), REFUSED)
def test_a_file_that_holds_no_settings_is_refused_with_the_place(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        read_yaml(path)
    said = str(caught.value)
    assert said.startswith(str(path)) and message in said
    assert "\n" not in said and len(said) < 1000


def test_what_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for path, message in [
        (tmp_path / "pipe", "no regular file"),
        (Path("/dev/zero"), "no regular file"),
        (tmp_path, "Is a directory"),
        (tmp_path / "absent", "No such file"),
        (tmp_path / "loop", "symbolic links"),
        (Path("a\0b"), "a\\x00b cannot be read: embedded null byte"),
    ]:
        with pytest.raises(ConfigError) as caught:
            read_yaml(path)
        assert message in str(caught.value)
