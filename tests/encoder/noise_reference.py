"""The noise regulariser by definition, pixel by pixel, in float64."""

import numpy as np


def correlation(plane):
    """[B, H, W, 1] -> [B]; indices -1 wrap, as the maps do."""
    plane, total = np.float64(plane[..., 0]), 0.0
    while True:
        count, side, _ = plane.shape
        down, across = np.zeros(count), np.zeros(count)
        for y in range(side):
            for x in range(side):
                here = plane[:, y, x] / side**2
                down += here * plane[:, y - 1, x]
                across += here * plane[:, y, x - 1]
        total = total + down**2 + across**2
        if side <= 8:
            return total
        # Sums of four have four times the variance.
        plane = (
            plane[:, ::2, ::2]
            + plane[:, 1::2, ::2]
            + plane[:, ::2, 1::2]
            + plane[:, 1::2, 1::2]
        ) / 2
