"""What a second classifier says of saved walks, against hand-made ones.

Pictures are of one grey level each, and the second classifier answers with
it, so that its probabilities are known.
"""

import csv
import dataclasses
import logging

import numpy as np
import pytest
from PIL import Image

from jaxstyle.config import Config, EvaluationConfig, TargetConfig
from jaxstyle.evaluation import walks as walks_lib
from jaxstyle.explain import manifest, search
from jaxstyle.faithfulness import opinions

CONFIG = Config(evaluation=EvaluationConfig(bootstraps=200))


@dataclasses.dataclass
class Walk:
    """Levels are what the second classifier answers, in per cent."""

    asked: int
    lambdas: list[float]
    f: list[float]
    start: int
    flip: int | None
    original: int
    levels: list[int]


WALKS = {
    # Stays at the flip, and turns at the end.
    "up": Walk(
        1, [-1, 0, 1, 2], [0.1, 0.2, 0.6, 0.9], 1, 2, 20, [0, 20, 40, 80]
    ),
    # Turns at the flip, and at the end, which is the first frame.
    "down": Walk(
        0, [-3, -2, -1, 0], [0.05, 0.2, 0.45, 0.8], 3, 2, 100, [40, 60, 20, 80]
    ),
    # It has its own mind from the start on.
    "other": Walk(1, [-1, 0, 1, 2], [0.3, 0.3, 0.7, 0.8], 1, 2, 80, [60] * 4),
    "still": Walk(1, [-1, 0, 1, 2], [0.1, 0.1, 0.1, 0.2], 1, None, 20, [0] * 4),
}
NAMES = ("flip.share", "end.share", "end.change", "f.end.change")
_ENDS = ("", "_low", "_high")


def _load(folder, names=tuple(WALKS)):
    """Those walks, saved as the renderer does; what is not needed is not."""
    folder.mkdir(exist_ok=True)
    images, frames = [], []
    for name in names:
        walk = WALKS[name]
        _save(folder / f"{name}.png", walk.original)
        flips = walk.flip is not None
        status = search.FLIPPED if flips else search.NO_FLIP
        images.append(
            {
                "image_id": name,
                "predictor_original": walk.f[walk.start] / 2,
                "decision": 1 - walk.asked,
                "asked": walk.asked,
                "flipped": int(flips),
                "status": status,
                "flip_frame": walk.flip if flips else "",
                "reconstruction_frame": walk.start,
                "original": f"{name}.png",
            }
        )
        end = 3 if walk.asked else 0
        for k, level in enumerate(walk.levels):
            if flips and k in (walk.start, walk.flip, end):
                _save(folder / f"{name}_{k}.png", level)
            frames.append(
                {
                    "image_id": name,
                    "frame": k,
                    "lambda": walk.lambdas[k],
                    "predictor_probability": walk.f[k],
                    "distance": 0,
                    "file": f"{name}_{k}.png",
                }
            )
    tables = folder / "manifest.csv", folder / "images.csv"
    _write(tables[0], manifest.FRAME_FIELDS, frames)
    _write(tables[1], manifest.IMAGE_FIELDS, images)
    return walks_lib.load(folder, *tables)


def _save(path, per_cent):
    # 255 / 100 * 20 n is a whole level.
    level = np.full((8, 8), per_cent * 255 // 100, np.uint8)
    Image.fromarray(level).save(path)


def _write(path, fields, rows):
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, fields, restval="")
        writer.writeheader()
        writer.writerows(rows)


def _brightness(images):
    assert images.shape[1:] == (8, 8, 1) and images.dtype == np.float32
    return images.mean(axis=(1, 2, 3)) / 2 + np.float32(0.5)


@pytest.fixture
def walks(tmp_path):
    return _load(tmp_path / "walks")


def _numbers(walks, config=CONFIG, groups=None):
    own = opinions.of_f(walks)
    other = opinions.asked(_brightness, walks, 4)
    groups = np.arange(len(walks)) if groups is None else np.asarray(groups)
    return opinions.numbers(config, walks, own, other, groups)


def test_answers_are_of_the_frames_that_matter(walks):
    nan = np.nan
    own, other = opinions.of_f(walks), opinions.asked(_brightness, walks, 4)
    np.testing.assert_array_equal(own.original, [0.1, 0.4, 0.15, 0.05])
    np.testing.assert_array_equal(own.reconstruction, [0.2, 0.8, 0.3, nan])
    np.testing.assert_array_equal(own.flip, [0.6, 0.45, 0.7, nan])
    np.testing.assert_array_equal(own.end, [0.9, 0.05, 0.8, nan])
    for found, expected in (
        (other.original, [0.2, 1.0, 0.8, 0.2]),
        (other.reconstruction, [0.2, 0.8, 0.6, nan]),
        (other.flip, [0.4, 0.2, 0.6, nan]),
        (other.end, [0.8, 0.4, 0.6, nan]),
    ):
        np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("size", [1, 3, 13, 100])
def test_as_many_files_are_read_at_once_as_are_asked_for(walks, size):
    seen = []

    def judge(images):
        seen.append(len(images))
        return _brightness(images)

    found = opinions.asked(judge, walks, size)
    # Four originals, and three frames of three walks.
    assert sum(seen) == 13 and max(seen) == min(size, 13)
    expected = opinions.asked(_brightness, walks, 4)
    np.testing.assert_array_equal(np.array(found), np.array(expected))


def test_numbers_by_hand(walks):
    told = _numbers(walks)
    assert (told["images"], told["flipped"]) == (4, 3)
    assert (told["compared"], told["left_out"]) == (2, 1)
    assert told["agrees"] == 0.75
    assert told["flip.share"] == 0.5
    assert told["end.share"] == told["end.share_low"] == 1
    assert told["end.change"] == pytest.approx((0.6 + 0.4) / 2)
    assert told["f.end.change"] == pytest.approx((0.7 + 0.75) / 2)
    # Of two images, all resamples are of one of them, or of both.
    ends = (told["end.change_low"], told["end.change_high"])
    assert ends == pytest.approx((0.4, 0.6))
    keys = [name + end for name in ("agrees", *NAMES) for end in _ENDS]
    counts = ["images", "flipped", "compared", "left_out"]
    assert sorted(told) == sorted([*counts, *keys, "towards"])
    # "up" and "down", each alone on its side.
    down, up = told["towards"]["0"], told["towards"]["1"]
    assert down["compared"] == up["compared"] == 1
    assert (down["flip.share"], up["flip.share"]) == (1, 0)
    assert down["end.change"] == pytest.approx(0.4)
    assert up["end.change"] == pytest.approx(0.6)
    assert down["f.end.change"] == pytest.approx(0.75)


def test_both_decide_by_the_run_s_threshold(walks):
    """At 0.3 the flip of "up" counts and "down" never turns at the end."""
    config = dataclasses.replace(CONFIG, target=TargetConfig(threshold=0.3))
    told = _numbers(walks, config)
    assert told["compared"] == 2 and told["agrees"] == 0.75
    assert told["flip.share"] == 1 and told["end.share"] == 0.5
    config = dataclasses.replace(CONFIG, target=TargetConfig(threshold=0.7))
    told = _numbers(walks, config)
    # "other" counts, and stays with its decision to the end.
    assert told["compared"] == 3 and told["left_out"] == 0
    assert told["flip.share"] == pytest.approx(1 / 3)
    assert told["end.share"] == pytest.approx(2 / 3)
    assert told["end.change"] == pytest.approx((0.6 + 0.4 + 0) / 3)


def test_a_change_away_from_the_class_asked_for_is_negative(tmp_path):
    found = _load(tmp_path / "walks", ("down", "up"))
    own = opinions.of_f(found)
    other = opinions.asked(lambda x: 1 - _brightness(x), found, 4)
    swapped = other._replace(reconstruction=1 - other.reconstruction)
    told = opinions.numbers(CONFIG, found, own, swapped, np.arange(2))
    # 0.8 to 0.6 down is 0.2; 0.2 to 0.2 up is none.
    assert told["end.change"] == pytest.approx(0.1)
    lower = other._replace(
        reconstruction=np.array([0.9, 0.4]), end=np.array([0.95, 0.1])
    )
    told = opinions.numbers(CONFIG, found, own, lower, np.arange(2))
    assert told["end.change"] == pytest.approx((-0.05 - 0.3) / 2)


def test_one_image_has_no_interval(tmp_path):
    told = _numbers(_load(tmp_path / "walks", ("up", "still")))
    assert told["compared"] == 1 and told["flip.share"] == 0
    assert {"agrees", "agrees_low", "agrees_high"} <= set(told)
    assert not {f"{name}_low" for name in NAMES} & set(told)


@pytest.mark.parametrize(
    "names, flipped", [(("other", "still"), 1), (("still",), 0)]
)
def test_what_cannot_be_measured_is_left_out(tmp_path, caplog, names, flipped):
    caplog.set_level(logging.WARNING)
    told = _numbers(_load(tmp_path / "walks", names))
    assert (told["flipped"], told["compared"]) == (flipped, 0)
    assert told["left_out"] == flipped and "agrees" in told
    assert not set(NAMES) & set(told)
    assert "flip.share, end.share, end.change, f.end.change" in caplog.text
    assert f"not defined: of {flipped} images" in caplog.text


def test_the_table_has_both_answers(walks, tmp_path):
    own = opinions.of_f(walks)
    other = opinions.asked(_brightness, walks, 4)
    opinions.write(tmp_path / "opinions.csv", walks, own, other)
    with (tmp_path / "opinions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["image_id"] for row in rows] == list(WALKS)
    assert rows[1] == {
        "image_id": "down",
        "status": "flipped",
        "asked": "0",
        "f_original": "0.400000",
        "f_reconstruction": "0.800000",
        "f_flip": "0.450000",
        "f_end": "0.050000",
        "second_original": "1.000000",
        "second_reconstruction": "0.800000",
        "second_flip": "0.200000",
        "second_end": "0.400000",
    }
    assert rows[3]["f_flip"] == rows[3]["second_end"] == ""
    assert rows[3]["status"] == search.NO_FLIP


def test_intervals_are_over_patients(walks):
    apart, together = (
        _numbers(walks, groups=list(patients)) for patients in ("abcd", "aabb")
    )
    # f and the other decide alike for two images of one, one of the other.
    assert apart["agrees"] == together["agrees"] == 0.75
    assert apart["agrees_low"] < together["agrees_low"] == 0.5
    # "up" and "down" are compared, of one patient now.
    assert apart["compared"] == 2
    assert {"end.share_low", "end.share_high"} <= set(apart)
    assert "end.share_low" not in together
