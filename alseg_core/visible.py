"""Text from files and servers, made safe to show: no character of it acts on a terminal, a browser or an editor."""

from __future__ import annotations

import unicodedata

LONGEST = 10_000
"""Characters of a text that are kept."""

BLANKS = dict.fromkeys(map(ord, "\t\n\r"), " ")


def visible(text: str, most: int = LONGEST) -> str:
    """Return a text on one line with control characters written out, such as ``\\x1b``, and at most ``most`` long.

    Written out are control and format characters, which move the cursor or turn the direction of reading, and halves
    of characters, which cannot be encoded. Tabs and line breaks become blanks.
    """
    if len(text) > most:
        text = f"{text[:most]}… ({len(text):,} characters)"
    if text.isprintable():
        return text
    return "".join(map(_sign, text.translate(BLANKS)))


def visible_lines(text: str) -> str:
    """Return a text as :func:`visible` does, with its line breaks."""
    return "\n".join(map(visible, text.split("\n")))


def _sign(sign: str) -> str:
    shown = sign.isprintable() or unicodedata.category(sign) == "Zs"
    return sign if shown else sign.encode("unicode_escape").decode()
