"""Annotated slices as files for other programs."""

from __future__ import annotations

from bench.project.exports.exported import ExportedScan
from bench.project.exports.nnunet import export_nnunet
from bench.project.exports.plain import export_nifti

__all__ = ["ExportedScan", "export_nifti", "export_nnunet"]
