"""What a GPU does with this package: equality, speed and memory, in at most eight minutes (``make gpu-check``).

It needs ``alseg_core`` and the packages that the core imports; the 3D networks and surface distances need monai too.
"""
