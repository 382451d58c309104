"""Facts about a dataset: classes, licence, source and layout on disk."""

from __future__ import annotations

from alseg_core.registry import describe, summary
from bench.study import DatasetFile, catalogue, find


def info(dataset: str | None) -> str:
    """Return the facts about one dataset (a name or a YAML file), or about all of the catalogue.

    Raises ConfigError: unknown dataset.
    """
    names = list(catalogue("dataset")) if dataset is None else [dataset]
    return "\n\n".join(_one(name) for name in names)


def _one(name: str) -> str:
    from alseg_core.data.readers import READERS

    file = DatasetFile(name, find("dataset", name))
    content, reader = file.content, READERS.build(file.content.get("reader"))
    facts = {
        "reader": f"{describe(reader)['name']}: {summary(type(reader))}",
        "classes": ", ".join(f"{i} {label}" for i, label in enumerate(content.get("classes") or [])) or "not named",
        "licence": content.get("licence") or reader.licence,
        "cite": content.get("citation") or reader.paper,
        "source": content.get("source") or reader.source,
        "get": content.get("get"),
        "fetch": f"alseg data fetch {name}" if "fetch" in content else "",
        "layout": reader.layout,
    }
    lines = [f"{file.name}: {content.get('title') or ''}".rstrip(": ")]
    lines += [f"  {key + ':':<9}{_indented(str(value))}" for key, value in facts.items() if value]
    return "\n".join(lines)


def _indented(text: str) -> str:
    return text.strip().replace("\n", "\n" + " " * 11)
