"""Answers are paid for once, and never taken for another model's."""

import runpy
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from typing import ClassVar

import numpy as np
import pytest

from jaxstyle import predictors
from jaxstyle.config import Config, DataConfig, PredictorConfig, TargetConfig
from jaxstyle.predictors import store
from jaxstyle.predictors.cached import FILE, FOLDER, CachedPredictor
from tests.predictors import functions

HERE = "tests.predictors.functions"
PROBES = 8


@pytest.fixture(autouse=True)
def _not_asked_yet():
    functions.asked.clear()


def _config(name="counted", threshold=0.5, **settings):
    return Config(
        target=TargetConfig(threshold=threshold),
        data=DataConfig(resolution=8),
        predictor=PredictorConfig(
            kind="callable", address=f"{HERE}:{name}", **settings
        ),
    )


def _images(count=6, seed=0):
    generator = np.random.default_rng(seed)
    return generator.uniform(-1, 1, (count, 8, 8, 3)).astype(np.float32)


def _judged(root, images=None, **settings):
    """The answers of a new process's predictor, and what f was asked for."""
    config = _config(**settings)
    functions.asked.clear()
    predictor = predictors.load(config, root)
    assert functions.asked.pop(0) == PROBES
    images = _images() if images is None else images
    p = predictors.probability(predictor, images, config)
    return p, list(functions.asked)


def test_the_second_time_f_is_not_asked(tmp_path):
    p, asked = _judged(tmp_path)
    assert asked == [6]
    np.testing.assert_allclose(
        p, (_images() / 2 + 0.5).mean(axis=(1, 2, 3)), rtol=1e-5
    )
    again, asked = _judged(tmp_path)
    assert asked == []
    assert again.tobytes() == p.tobytes()


def test_f_is_asked_for_new_images_only(tmp_path):
    images = _images()
    _judged(tmp_path, images[:4])
    p, asked = _judged(tmp_path, images[::-1])
    assert asked == [2]
    np.testing.assert_allclose(
        p, (images[::-1] / 2 + 0.5).mean(axis=(1, 2, 3)), rtol=1e-5
    )


def test_an_image_that_comes_twice_is_asked_once(tmp_path):
    images = _images(2)[[0, 1, 0, 0]]
    p, asked = _judged(tmp_path, images)
    assert asked == [2]
    assert p[0] == p[2] == p[3] != p[1]


def test_the_last_bit_of_an_image_counts(tmp_path):
    predictor, images = predictors.load(_config(), tmp_path), _images(1)
    predictor.predict(images)
    images[0, 3, 3, 1] = np.nextafter(images[0, 3, 3, 1], np.float32(2))
    functions.asked.clear()
    predictor.predict(images)
    predictor.predict(images)
    assert functions.asked == [1]


def test_the_shape_of_an_image_counts(tmp_path):
    images = _images(1)
    _judged(tmp_path, images)
    assert _judged(tmp_path, images.reshape(1, 4, 16, 3))[1] == [1]


def test_settings_that_change_the_answer_count_and_others_do_not(tmp_path):
    _judged(tmp_path)
    same = {"batch_size": 3, "threshold": 0.3, "http_retries": 1}
    for name, value in same.items():
        assert _judged_anywhere(tmp_path, **{name: value}) == []
    other = {"onnx_scores": "logits", "onnx_mean": (0.5,)}
    for name, value in (*other.items(), ("name", "counted_too")):
        assert _judged_anywhere(tmp_path, **{name: value}) == [6]


def _judged_anywhere(root, **settings):
    config = _config(**settings)
    predictor = predictors.load(config, root)
    functions.asked.clear()
    predictors.probability(predictor, _images(), config)
    return list(functions.asked)


def test_another_model_of_the_same_name_is_asked(tmp_path, monkeypatch):
    p, _ = _judged(tmp_path)
    monkeypatch.setattr(
        functions, "brightness", lambda x: x.mean(axis=(1, 2, 3)) ** 2
    )
    squared, asked = _judged(tmp_path)
    assert asked == [6]
    np.testing.assert_allclose(squared, p.astype(np.float64) ** 2, rtol=1e-4)


def test_another_file_is_asked_even_if_the_probes_see_no_difference(tmp_path):
    class Model:
        files: ClassVar = {"f.onnx": "a"}

        def predict(self, images):
            functions.asked.append(len(images))
            return np.full(len(images), 0.5)

    for name in ("a", "b", "b"):
        Model.files["f.onnx"] = name
        CachedPredictor(Model(), _config(), tmp_path, "same").predict(_images())
    assert functions.asked == [6, 6]


def test_it_can_be_switched_off(tmp_path):
    for _ in range(2):
        assert _judged(tmp_path, cache=False)[1] == [6]
    assert not list(tmp_path.iterdir())


def test_an_interrupted_stage_goes_on_where_it_was(tmp_path, monkeypatch):
    config, images = _config(batch_size=2), _images()
    predictor = predictors.load(config, tmp_path)

    def interrupted(batch):
        if len(functions.asked) == 3:
            raise KeyboardInterrupt
        return batch.mean(axis=(1, 2, 3))

    functions.asked.clear()
    with monkeypatch.context() as patch:
        patch.setattr(functions, "brightness", interrupted)
        with pytest.raises(KeyboardInterrupt):
            predictors.probability(predictor, images, config)
    assert functions.asked == [2, 2, 2]
    functions.asked.clear()
    p = predictors.probability(predictor, images, config)
    assert functions.asked == [2]
    np.testing.assert_array_equal(p, _judged(tmp_path, cache=False)[0])


def test_a_wrong_answer_is_not_kept(tmp_path, monkeypatch):
    config, images = _config(), _images()
    predictor = predictors.load(config, tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(
            functions, "brightness", lambda x: np.full(len(x), np.nan)
        )
        with pytest.raises(predictors.PredictorError, match="nan"):
            predictors.probability(predictor, images, config)
    assert np.all(predictors.probability(predictor, images, config) > 0)


def test_a_damaged_file_is_told(tmp_path):
    _judged(tmp_path)
    path = tmp_path / FOLDER / FILE
    path.write_bytes(b"no database" * 100)
    with pytest.raises(predictors.PredictorError, match="delete it") as told:
        _judged(tmp_path)
    assert str(path) in str(told.value)


def test_a_failure_of_f_is_not_blamed_on_the_file(tmp_path, monkeypatch):
    predictor = predictors.load(_config(), tmp_path)

    def fails(_):
        raise FileNotFoundError("weights.pt")

    monkeypatch.setattr(functions, "brightness", fails)
    with pytest.raises(FileNotFoundError, match=r"weights\.pt"):
        predictors.probability(predictor, _images(), _config())


def test_floats_come_back_bit_by_bit(tmp_path):
    values = np.float32([0, 1, 1e-45, 1e-38, 0.1, np.nextafter(1, 0)])
    kept = store.Store(tmp_path / "new" / "file")
    assert kept.get([b"key"]) == {}
    kept.put({b"key": values, b"other": values[:1]})
    found = kept.get([b"key", b"missing", b"other"])
    assert sorted(found) == [b"key", b"other"]
    assert found[b"key"].tobytes() == values.tobytes()
    assert found[b"key"].dtype == np.float32
    assert found[b"other"].tobytes() == values[:1].tobytes()


# Without the package, whose import takes seconds.
_WRITER = """
import itertools, runpy, sys
import numpy as np
source, path, first, rounds, rows = sys.argv[1:]
kept = runpy.run_path(source)["Store"](__import__("pathlib").Path(path))
for turn in itertools.islice(itertools.count(int(first)), int(rounds)):
    keys = range(turn * int(rows), (turn + 1) * int(rows))
    kept.put({b"%d" % key: np.full(3, key, np.float32) for key in keys})
"""


def _writer(path, first, rounds, rows):
    return subprocess.Popen(
        [
            *(sys.executable, "-c", _WRITER, store.__file__),
            *map(str, (path, first, rounds, rows)),
        ]
    )


def _count(path):
    with closing(sqlite3.connect(path, 60)) as file:
        assert file.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return file.execute("SELECT COUNT(*) FROM answers").fetchone()[0]


def test_a_killed_process_leaves_a_whole_file(tmp_path):
    path, rows = tmp_path / "file", 500
    kept = store.Store(path)
    for round_ in range(3):
        writer = _writer(path, round_ * 10**6, 10**6, rows)
        end = time.monotonic() + 30
        while not kept.get([b"%d" % (round_ * 10**6 * rows)]):
            assert time.monotonic() < end and writer.poll() is None
            time.sleep(0.01)
        time.sleep(0.02 * round_)
        writer.send_signal(signal.SIGKILL)
        assert writer.wait() == -signal.SIGKILL
        # All of a batch or nothing.
        assert _count(path) % rows == 0
        key = b"%d" % (round_ * 10**6 * rows + rows - 1)
        np.testing.assert_array_equal(
            kept.get([key])[key], np.full(3, float(key), np.float32)
        )
    assert _count(path) >= 3 * rows


def test_two_processes_write_at_once(tmp_path):
    path, rounds, rows = tmp_path / "file", 30, 20
    # The second one begins in the middle of the first one's rows.
    writers = [_writer(path, first, rounds, rows) for first in (0, 15)]
    assert [writer.wait(60) for writer in writers] == [0, 0]
    assert _count(path) == 45 * rows
    keys = [b"%d" % n for n in range(45 * rows)]
    found = store.Store(path).get(keys)
    for key in keys:
        np.testing.assert_array_equal(found[key], np.full(3, float(key)))


def test_the_store_needs_nothing_of_the_package():
    assert "Store" in runpy.run_path(store.__file__)
