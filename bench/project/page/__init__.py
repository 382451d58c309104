"""The page of a project: its status with a chart, as one self-contained file."""

from bench.project.page.page import write_page

__all__ = ["write_page"]
