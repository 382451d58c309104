"""Plans of kernels and strides, against networks that nnU-Net's authors published and against the rules by hand."""

from __future__ import annotations

import pytest

from alseg_core.models.stages import plan_stages

XY, ALL = (1, 2, 2), (2, 2, 2)
FLAT, CUBE = (1, 3, 3), (3, 3, 3)


def test_the_published_plan_of_acdc() -> None:
    """3D full resolution of ACDC: 5 mm slices of 1.56 mm pixels, patches of 20 x 256 x 224."""
    stages = plan_stages((5.0, 1.5625, 1.5625), (20, 256, 224), 12)
    assert stages.strides == ((1, 1, 1), XY, ALL, ALL, XY, XY)
    assert stages.kernels == (FLAT, *[CUBE] * 5)


def test_isotropic_patches_halve_all_axes_down_to_4() -> None:
    """Liver and other isotropic tasks: patches of 128^3 and five poolings."""
    stages = plan_stages((1.0, 0.8, 0.8), (128, 128, 128), 12)
    assert stages.strides == ((1, 1, 1), *[ALL] * 5) and set(stages.kernels) == {CUBE}


@pytest.mark.parametrize(
    ("spacing", "shape", "most", "strides", "kernels"),
    [
        # ratios 8, 4 and 2: flat kernels, and the slices are not pooled
        ((8, 1, 1), (8, 64, 64), 12, [XY, XY, XY, ALL], [FLAT, FLAT, FLAT, CUBE, CUBE]),
        ((7.9, 1, 1), (8, 64, 64), 12, [XY, XY, ALL, XY], [FLAT, FLAT, CUBE, CUBE, CUBE]),  # 1.975 is below 2
        ((8, 1, 1), (8, 64, 64), 3, [XY, XY], [FLAT, FLAT, CUBE]),  # the deepest level has a cube
        ((8, 1, 1), (1, 64, 64), 12, [XY] * 4, [FLAT, FLAT, FLAT, CUBE, CUBE]),  # a single slice
        (
            (1, 4, 4),
            (64, 16, 16),
            12,
            [(2, 1, 1), (2, 1, 1), ALL, ALL],
            [(3, 1, 1), (3, 1, 1), CUBE, CUBE, CUBE],
        ),  # finest along z
        ((5, 1, 1), (4, 8, 8), 12, [XY, XY], [FLAT, FLAT, CUBE]),  # at least three levels
    ],
)
def test_plans_by_hand(spacing: tuple, shape: tuple, most: int, strides: list, kernels: list) -> None:
    stages = plan_stages(spacing, shape, most)
    assert list(stages.strides) == [(1, 1, 1), *strides]
    assert list(stages.kernels) == kernels
