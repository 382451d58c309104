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
LONGEST = 300
"""Characters of a reason."""
DAMAGE = re.compile(
    r"file is not a database|(?:database )?disk image is malformed|no such (?:table|column)[^\n]*|"
    r"out-of-date database schema|Can't locate revision[^\n]*"
)
"""Messages of SQLite, MLflow and Alembic about a file that is damaged, or not of this version of MLflow."""


def shown(uri: str) -> str:
    """Return an address without its password and the values of its query; a user without password may be a token."""
    scheme, separator, rest = uri.partition("://")
    if "@" in rest:
        account, _, rest = rest.rpartition("@")
        user, _, password = account.partition(":")
        rest = f"{user}:{HIDDEN}@{rest}" if password else f"{HIDDEN}@{rest}"
    place, mark, query = rest.partition("?")
    return f"{scheme}{separator}{place}{mark}{re.sub('=[^&#]*', f'={HIDDEN}', query)}"


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
    rest = uri.partition("://")[2]
    found = [os.environ.get(name, "") for name in SECRETS]
    if "@" in rest:
        account = rest.rpartition("@")[0]
        found += [account, account.partition(":")[2] or account.rstrip(":")]
    found += re.findall(r"=([^&#]*)", rest.partition("?")[2])
    return {text for secret in found for text in (secret, unquote(secret)) if len(text) > 2}


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
