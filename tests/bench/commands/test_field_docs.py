"""Every field that a user can set has a docstring, which ``alseg list fields`` shows."""

from __future__ import annotations

import pytest

from bench.commands.field_topics import Topic, topics


@pytest.mark.parametrize("topic", topics(), ids=lambda topic: f"{topic.kind} {topic.name}")
def test_every_field_has_a_docstring(topic: Topic) -> None:
    silent = [field.key for field in topic.fields() if not field.text]
    assert not silent, f"{topic.cls.__module__}.{topic.cls.__qualname__}: {', '.join(silent)}"
