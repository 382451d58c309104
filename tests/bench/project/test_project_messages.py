"""Messages of a project name its own options, and the commands in them can be pasted."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from alseg_core.errors import ConfigError
from bench.project.create import new_project
from bench.project.project import Project
from tests.bench.project.annotators import annotate
from tests.bench.project.command_line import alseg, ok, refused, sets
from tests.bench.project.conftest import CLASSES, FAST, truth_of, wishes


@pytest.mark.parametrize(
    ("kind", "setting", "words"),
    [
        ("mask", "annotations=scribble", "--set annotations=scribble: .* use --kind scribble$"),
        ("mask", "annotations=[{name: scribble, source: annotators}]", "--set annotations=.* use --kind$"),
        ("scribble", "train.mask.iterations_full=60", "set train.scribble, or use --kind mask$"),
        ("mask", "train.scribble.iterations_full=60", "set train.mask, or use --kind scribble$"),
        ("mask", "recipes=gcl_coreset", "use --recipe gcl_coreset$"),
    ],
)
def test_settings_that_are_options(folders: Path, tmp_path: Path, kind: str, setting: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        new_project(tmp_path / "liver", wishes(folders, kind=kind, settings=(setting,)))
    assert not (tmp_path / "liver").exists()


def test_weights_that_cannot_be_had_are_named_with_their_setting(folders: Path, tmp_path: Path) -> None:
    lost = f"components.contrastive={{image_size: 16, epochs: 1, init: {tmp_path / 'lost.pth'}}}"
    wanted = wishes(folders, recipe="gcl_coreset", settings=(*FAST, lost))
    with pytest.raises(ConfigError, match=r"lost.pth, not usable.*--set components.contrastive.init=random$"):
        new_project(tmp_path / "liver", wanted)
    settings = (*wanted.settings, "components.contrastive.init=random")  # what the message says helps
    new_project(tmp_path / "liver", wishes(folders, recipe="gcl_coreset", settings=settings))


def next_of(output: str) -> list[str]:
    """The command after "next: ... alseg" in what was said, as a shell splits it."""
    _, _, command = output.rpartition("project ")
    return shlex.split(command)


def test_commands_in_messages_can_be_pasted(folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my own").mkdir()
    monkeypatch.chdir(tmp_path)
    liver, own = Path("my own") / "liver", ["--recipe", "random", "--batch", "4", *sets(*FAST)]
    said = ok("new", liver, "--images", folders / "scans", "--classes", ",".join(CLASSES), *own)
    assert next_of(said) == ["next", "my own/liver"]
    said = ok(*next_of(said))
    assert next_of(said) == ["take", "my own/liver"]
    assert "project take 'my own/liver'; to go on without them: " in refused("next", liver)
    assert "take 'my own/liver' when they are there" in alseg("take", liver).output
    annotate(Project.open(liver).round_folder(0), truth_of(folders / "all" / "labels"), "itksnap")
    assert "project status 'my own/liver' trains on it" in ok("take", liver)
    assert "project next 'my own/liver' trains" in ok("status", liver, "--no-train")
