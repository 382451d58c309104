"""What is compared: a study file, the datasets and recipes it names, and the runs they make."""

from alseg_core.yaml_reader import read_yaml
from bench.study.catalogue import catalogue, experiments, find, locate
from bench.study.controls import Controls
from bench.study.dataset_file import DatasetFile
from bench.study.identity import RunIdentity
from bench.study.job import Job
from bench.study.primary import Primary
from bench.study.settings import overlay, parse_setting
from bench.study.study import Resources, Study

__all__ = [
    "Controls",
    "DatasetFile",
    "Job",
    "Primary",
    "Resources",
    "RunIdentity",
    "Study",
    "catalogue",
    "experiments",
    "find",
    "locate",
    "overlay",
    "parse_setting",
    "read_yaml",
]
