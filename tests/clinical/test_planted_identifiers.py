"""No text of a DICOM source is anywhere in what a run writes of it."""

import dataclasses
import io

import numpy as np
import pytest
from array_record.python import array_record_module
from PIL import Image

from jaxstyle import predictors, workdir
from jaxstyle.clinical import export
from jaxstyle.config import PredictorConfig, WalkConfig
from jaxstyle.data import prepare
from jaxstyle.explain import render, search
from tests.clinical import planted
from tests.data import images as data_images
from tests.explain import rendering

FILES = 6


class _Explainer:
    """Frames that are the images themselves: no text is left out by luck."""

    def __init__(self, config, root):
        self.predictor = predictors.load(config, root)

    def __call__(self, ids, targets, images):
        return [
            rendering.walk_of(
                np.stack([images[n]] * 3),
                image_id=ids[n],
                target=targets[n],
                judged=np.array([0.1, 0.1, 0.9]),
                flip_frame=2,
                status=search.FLIPPED,
            )
            for n in range(len(ids))
        ]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """(source folder, workdir) of prepared, rendered and exported files."""
    folder = tmp_path_factory.mktemp("planted")
    source, root = folder / "source", folder / "run"
    source.mkdir()
    rows = []
    for number in range(FILES):
        random = np.random.default_rng(number)
        pixels = random.integers(0, 256, (8, 16), np.uint8)
        planted.write(source / f"IM{number}.dcm", pixels)
        rows.append([f"IM{number}.dcm", str(number % 2)])
    table = data_images.write_manifest(source, "path,label", rows)
    config = dataclasses.replace(
        data_images.folder_config(table, channels=3),
        predictor=PredictorConfig(
            kind="callable", address="tests.made_run:colour"
        ),
        walk=WalkConfig(images=str(source)),
    )
    prepare.run(config, root)
    for name in ("gan", "encoder", "direction"):
        workdir.finish(workdir.begin(config, root, name), {}, 0.0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(render, "Explainer", _Explainer)
        render.run(config, root)
    result = export.run(config, root)
    assert result == {"series": FILES, "instances": 3 * FILES, "left_out": 0}
    return source, root


def _contents(path):
    """A file's bytes; of those that are packed, what was packed, too."""
    yield path.read_bytes()
    if ".array_record" in path.name:
        reader = array_record_module.ArrayRecordReader(str(path))
        yield from reader.read_all()
        reader.close()
    elif path.suffix == ".png":
        with Image.open(io.BytesIO(path.read_bytes())) as image:
            image.load()
            yield repr(image.info).encode()


def test_what_is_planted_is_in_every_text_element(written):
    """The sources hold what is looked for, and the search finds it."""
    source, _ = written
    for path in source.glob("*.dcm"):
        found, contents = planted.strings(path), path.read_bytes()
        tags, texts = zip(*found, strict=True)
        # All public text elements, the preamble, private and nested ones.
        assert len(set(tags)) > 2500
        for name in ("(0010,0010)", "(0010,0020)", "(0008,0020)", "preamble"):
            assert name in tags
        for name in ("(0029,1010)", "(6000,0022)", "(0002,0016)"):
            assert name in tags
        assert tags.count("(0010,0010)") == 2
        assert all(text in contents for text in texts)


def test_nothing_planted_is_anywhere_in_the_run(written):
    source, root = written
    texts = set()
    for path in source.glob("*.dcm"):
        texts |= {text for _, text in planted.strings(path)}
    looked, wrong = [], []
    for path in sorted(root.rglob("*")):
        assert not any(text in str(path).encode() for text in texts)
        if not path.is_file():
            continue
        looked.append(path.suffix)
        for contents in _contents(path):
            wrong += [(path, text) for text in texts if text in contents]
        if path.suffix in (".csv", ".json"):
            # No part of one either.
            assert b"zq" not in path.read_bytes().lower()
    assert wrong == []
    # The dataset, the frames and the exported files were among them.
    assert looked.count(".dcm") == 3 * FILES
    assert looked.count(".png") > 3 * FILES
    assert {".csv", ".json"} <= set(looked)
    assert any("array_record" in str(path) for path in root.rglob("*"))
