"""The cores that a program may use, and the load of the machine."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from rich.console import Console

from bench.launchers import machine
from bench.planning import cores as counting
from bench.planning.cores import busy, cores, quotas
from bench.planning.stopwatch import Relative, Stopwatch
from bench.planning.workload import Workload
from bench.study import Study
from bench.terminal.progress import Display
from bench.terminal.study_summary import announcement, estimate

COUNT = "from bench.planning.cores import cores; print(cores())"
V1 = "30 25 0:27 {root} {mount} rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
V2 = "31 25 0:28 {root} {mount} rw,relatime - cgroup2 cgroup2 rw\n"


def process(folder: Path, groups: str, mounts: Mapping[str, str], files: Mapping[str, str]) -> Path:
    """A folder as in /proc of a process in these control groups, whose files are below it too.

    mounts: the root that each mounted folder shows, by a line of mountinfo.
    """
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    lines = [line.format(root=root, mount=folder / "fs") for line, root in mounts.items()]
    (folder / "mountinfo").write_text("22 1 8:1 / / rw - ext4 /dev/vda rw,errors=remount-ro\n" + "".join(lines))
    (folder / "cgroup").write_text(groups)
    return folder


@pytest.mark.parametrize(
    ("groups", "mounts", "files", "expected"),
    [
        ("0::/\n", {V2: "/"}, {"fs/cpu.max": "150000 100000\n"}, [1.5]),
        ("0::/\n", {V2: "/"}, {"fs/cpu.max": "max 100000\n"}, []),
        ("0::/\n", {V2: "/"}, {}, []),  # the root of a machine has no limit
        (
            "0::/slurm/job_1/step_0\n",  # the tightest of nested limits counts
            {V2: "/"},
            {
                "fs/slurm/job_1/step_0/cpu.max": "max 100000\n",
                "fs/slurm/job_1/cpu.max": "400000 100000\n",
                "fs/slurm/cpu.max": "1600000 100000\n",
            },
            [4, 16],
        ),
        (
            "4:cpu,cpuacct:/docker/abc\n1:name=systemd:/docker/abc\n",  # a container sees its group as the root
            {V1: "/docker/abc"},
            {"fs/cpu.cfs_quota_us": "250000\n", "fs/cpu.cfs_period_us": "100000\n"},
            [2.5],
        ),
        (
            "4:cpu,cpuacct:/user/job\n",
            {V1: "/"},
            {
                "fs/user/job/cpu.cfs_quota_us": "-1\n",
                "fs/user/job/cpu.cfs_period_us": "100000\n",
                "fs/user/cpu.cfs_quota_us": "300000\n",
                "fs/user/cpu.cfs_period_us": "100000\n",
            },
            [3],
        ),
        ("4:cpuset:/other\n", {V1: "/"}, {"fs/other/cpu.cfs_quota_us": "100000\n"}, []),
        ("0::/../outside\n", {V2: "/"}, {"fs/cpu.max": "200000 100000\n"}, [2]),
        ("nonsense", {V2: "/"}, {"fs/cpu.max": "200000 100000\n"}, []),
    ],
)
def test_quotas_of_control_groups(
    groups: str, mounts: dict[str, str], files: dict[str, str], expected: list[float], tmp_path: Path
) -> None:
    assert list(quotas(process(tmp_path, groups, mounts, files))) == expected


@pytest.mark.parametrize(
    ("allowed", "limits", "job", "expected"),
    [
        (64, [], "", 64),
        (8, [], "", 8),
        (64, [2.5, 16.0], "", 2),
        (64, [0.5], "", 1),  # a fraction of a core is one slow core
        (64, [], "4", 4),
        (4, [], "16", 4),
        (64, [], "4(x2)", 64),
    ],
)
def test_the_tightest_limit_counts(
    allowed: int, limits: list[float], job: str, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: set(range(allowed)))
    monkeypatch.setattr(counting, "quotas", lambda: iter(limits))
    monkeypatch.setenv("SLURM_CPUS_ON_NODE", job)
    assert cores() == expected
    wanted = Study.find("quick", ["seeds=200", "data=null"])
    assert machine.places(wanted, wanted.runs()) == expected


def test_a_process_bound_to_one_core_counts_one() -> None:
    one = {min(os.sched_getaffinity(0))}
    bound = f"import os; os.sched_setaffinity(0, {one}); {COUNT}"
    done = subprocess.run([sys.executable, "-c", bound], capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"


def test_a_process_in_a_group_with_a_quota_counts_the_quota(tmp_path: Path) -> None:
    """A control group of the kernel, as far as this machine lets us make one."""
    parent = next((path for path in (Path("/sys/fs/cgroup/cpu"), Path("/sys/fs/cgroup")) if path.is_dir()), None)
    if parent is None or os.geteuid() != 0 or cores() < 2:
        pytest.skip("making a control group needs root, and a second core")
    group = parent / f"alseg-{os.getpid()}"
    try:
        group.mkdir()
        if (group / "cpu.max").exists():
            (group / "cpu.max").write_text("100000 100000")
        else:
            (group / "cpu.cfs_quota_us").write_text("100000")
        enter = f"open({str(group / 'cgroup.procs')!r}, 'w').write('0'); {COUNT}"
        done = subprocess.run([sys.executable, "-c", enter], capture_output=True, text=True)
    except OSError as error:
        pytest.skip(f"no control group can be made here: {error}")
    finally:
        if group.is_dir():
            group.rmdir()
    assert done.stdout == "1\n", done.stderr


def test_a_loaded_machine_is_told_from_a_busy_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    for load, told in {0.0: None, 2.0: None, 2.4: None, 3.12: "load 3.1 on 2 cores"}.items():
        monkeypatch.setattr("os.getloadavg", lambda load=load: (load, 9.0, 9.0))
        assert busy() == told


def test_an_estimate_from_a_busy_machine_says_so(
    study_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workload, out = Workload.of(Study.find(str(study_file)), tmp_path), io.StringIO()
    display = Display(Console(file=io.StringIO()))
    note = "the machine is busy now, load 3.1 on 2 cores: less certain"
    for clock, load in ((Stopwatch(), 9.9), (Stopwatch(), 0.0), (Relative(), 9.9)):
        monkeypatch.setattr("os.getloadavg", lambda load=load: (load * 3.1 / 9.9, 0.0, 0.0))
        monkeypatch.setattr("os.cpu_count", lambda: 2)
        forecast = workload.prepare(clock, 1, display.preparing)
        Console(file=out, width=300).print(estimate(workload, forecast))
        noted = load > 0 and clock.measured
        assert (note in announcement(workload, forecast, "elsewhere")) == noted
        assert (note in out.getvalue()) == noted
        out.truncate(0)
