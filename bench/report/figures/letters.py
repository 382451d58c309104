"""Names that fit: cut in the middle, because beginnings and ends of names differ, or broken into lines."""

from __future__ import annotations

import re

NAME = 30
"""Most letters of a name beside a line or a row."""


def cut(text: str, most: int) -> str:
    """Return the text, with an ellipsis in its middle if it has more than ``most`` letters."""
    if len(text) <= most:
        return text
    end = (most - 1) // 2
    return f"{text[: most - 1 - end]}…{text[len(text) - end :]}"


def broken(text: str, most: int, lines: int = 2) -> str:
    """Return a name in lines of at most ``most`` letters, broken after "_", "-", "." or " " where possible.

    A name that needs more than ``lines`` lines is cut in the middle first.
    """
    text = cut(text, most * lines)
    rows = _rows(text, most)
    if len(rows) > lines:  # parts do not fill their lines
        rows = [text[start : start + most] for start in range(0, len(text), most)]
    return "\n".join(rows)


def _rows(text: str, most: int) -> list[str]:
    rows = [""]
    for part in re.findall(r"[^_\-. ]*[_\-. ]|[^_\-. ]+", text):
        if rows[-1] and len(rows[-1]) + len(part.rstrip()) > most:
            rows.append("")
        rows[-1] += part
        while len(rows[-1].rstrip()) > most:
            rows[-1:] = [rows[-1][:most], rows[-1][most:]]
    return [row.rstrip(" ") for row in rows]
