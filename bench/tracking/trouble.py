"""What is wrong with MLflow's store, in one line without a password."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from urllib.parse import unquote

from alseg_core.visible import visible

HIDDEN = "***"
SECRETS = ("MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN")
"""Environment variables that hold secrets."""
HOST = re.compile(r"(\[[^\]]*\]|[^:\[\]]*)(:\d*)?")
"""Host and port of an address without an account."""
IN_PATH = re.compile(r"(;[^=;/]*)=[^;]*")
"""A parameter in the path of an address, such as ;token=abc."""
IN_QUERY = re.compile("=[^&#]*")
"""The value of a parameter in the query of an address."""
LONGEST = 300
"""Characters of a reason."""
DAMAGE = re.compile(
    r"file is not a database|(?:database )?disk image is malformed|no such (?:table|column)[^\n]*|"
    r"out-of-date database schema|Can't locate revision[^\n]*"
)
"""Messages of SQLite, MLflow and Alembic about a file that is damaged, or not of this version of MLflow."""


def shown(uri: str) -> str:
    """Return an address without its password and the values of parameters; a user without password may be a token."""
    scheme, account, place, query = _parts(uri)
    if account:
        user, _, password = account.partition(":")
        account = f"{user}:{HIDDEN}@" if password else f"{HIDDEN}@"
    if not _is_path(scheme):
        place = IN_PATH.sub(rf"\1={HIDDEN}", place)
    return f"{scheme}{account}{place}{IN_QUERY.sub(f'={HIDDEN}', query)}"


def reason(error: BaseException, uri: str) -> str:
    """Return why the store at ``uri`` cannot be used, and what to do where that is known."""
    line = next(iter(str(error).strip().splitlines()), "")
    if uri.startswith("sqlite:") and (damage := DAMAGE.search(" ".join(map(str, _chain(error))))):
        return (
            f"the file is damaged or not of this version of MLflow ({damage[0][:100]}); move it away, and all runs are "
            "sent again"
        )
    return visible(f"{type(error).__name__}: {without_secrets(line, uri)}"[:LONGEST])


def without_secrets(text: str, uri: str) -> str:
    """Return a text without the secrets of ``uri`` and of the environment."""
    text = text.replace(uri, shown(uri))
    for secret in sorted(_secrets(uri), key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return re.sub(r"://[^\s/@]+@", f"://{HIDDEN}@", text)


def _secrets(uri: str) -> set[str]:
    scheme, account, place, query = _parts(uri)
    found = [os.environ.get(name, "") for name in SECRETS]
    found += [account, account.partition(":")[2] or account.rstrip(":")]
    found += [value[1:] for value in IN_QUERY.findall(query)]
    if not _is_path(scheme):
        found += [match[0].partition("=")[2] for match in IN_PATH.finditer(place)]
    return {text for secret in found for text in (secret, unquote(secret)) if len(text) > 2}


def _parts(uri: str) -> tuple[str, str, str, str]:
    """Return scheme with its separator, account without its @, place, and query or fragment with its mark."""
    scheme, separator, rest = uri.partition("://")
    scheme += separator
    host = re.split("[/?#]", rest, maxsplit=1)[0]
    # the password may hold / and ?, which should have been written as %2F and %3F
    whole = "@" not in host and not HOST.fullmatch(host)
    end = -1 if _is_path(scheme) else (rest if whole else host).rfind("@")
    account, rest = rest[: max(end, 0)], rest[end + 1 :]
    mark = re.search("[?#]", rest)
    end = mark.start() if mark else len(rest)
    return scheme, account, rest[:end], rest[end:]


def _is_path(scheme: str) -> bool:
    """Return whether an address is the path of a file, in which @ and ; are letters."""
    return re.split("[:+]", scheme)[0] in ("sqlite", "file") or "://" not in scheme


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
