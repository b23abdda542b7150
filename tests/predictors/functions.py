"""Black boxes for the tests."""

import numpy as np

NUMBER = 3


def brightness(images):
    """[N]"""
    return images.mean(axis=(1, 2, 3))


def two_classes(images):
    """[N, 2]"""
    p = brightness(images)
    return np.stack([1 - p, p], axis=1)


class Nested:
    @staticmethod
    def predict(images):
        return brightness(images)
