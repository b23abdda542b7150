"""A finished run against the masks in its data."""

import dataclasses
import json

import numpy as np
import pytest
from PIL import Image

from jaxstyle import workdir
from jaxstyle.config import Config, ConfigError, DataConfig, GanConfig
from jaxstyle.data import builders, problems
from jaxstyle.explain import search
from jaxstyle.faithfulness import masked
from jaxstyle.faithfulness.explanations import METHODS, Explanations

SIDE, COUNT = 8, 12
KEY = "box_mask"


def _config(path, **data):
    settings = {"source": "npz", "path": str(path), "channels": 1}
    settings["pseudonyms"] = False
    return Config(data=DataConfig(**settings | {"resolution": SIDE} | data))


@pytest.fixture
def data(tmp_path):
    """(config, masks bool [N, 16, 16]): twice the model's side."""
    masks = np.zeros((COUNT, 16, 16), np.bool_)
    for n in range(COUNT):
        masks[n, 2 * (n % 6) : 2 * (n % 6) + 4, 4:8] = True
    # Of the third image nobody drew one.
    masks[2] = False
    path = tmp_path / "boxes.npz"
    np.savez(
        path,
        image=np.zeros((COUNT, 16, 16), np.uint8),
        label=np.arange(COUNT) % 2,
        split=np.repeat(["train", "val", "test"], 4),
        id=[f"tile {n}" for n in range(COUNT)],
        **{KEY: masks.astype(np.uint8) * 7},
        flat=masks.any(axis=2),
    )
    return _config(path), masks


def test_masks_are_made_as_small_as_the_images(data):
    config, masks = data
    found = masked.read_masks(config, "", KEY)
    assert list(found) == [f"tile_{n}" for n in range(COUNT)]
    for mask, mine in zip(masks, found.values(), strict=True):
        assert mine.dtype == np.bool_
        np.testing.assert_array_equal(mine, mask[::2, ::2])


def test_half_a_pixel_is_one(data, tmp_path):
    """One source pixel of four is not, two are."""
    masks = np.zeros((2, 16, 16))
    masks[0, 4, 6] = 1
    masks[1, 4, 6:8] = 1
    image = np.zeros((2, 16, 16), np.uint8)
    path = tmp_path / "two.npz"
    split = ["train", "train"]
    np.savez(path, image=image, label=[0, 1], split=split, mask=masks)
    config = dataclasses.replace(data[0], data=_config(path).data)
    entries = builders.records.Entry
    source = builders.records.Source(
        "npz",
        np.dtype(np.uint8),
        [entries(name, 0, name, "train") for name in "ab"],
        lambda _: None,
        "",
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(builders, "open_source", lambda _: source)
        first, second = masked.read_masks(config, "", "mask").values()
    assert not first.any()
    assert np.argwhere(second).tolist() == [[2, 3]]


def test_a_mask_lies_where_its_image_does(tmp_path):
    """Of images that are not square, too: both are fitted alike."""
    masks = np.zeros((6, 8, 16), np.bool_)
    masks[:, 2:6, 4:8] = True
    path = tmp_path / "wide.npz"
    np.savez(
        path,
        image=masks.astype(np.uint8) * 255,
        label=[0, 1] * 3,
        split=np.repeat(["train", "val", "test"], 2),
        mask=masks,
    )
    config = _config(path)
    found = masked.read_masks(config, "", "mask")
    image = builders.open_source(config).load(0).image
    for mask in found.values():
        np.testing.assert_array_equal(mask, image[..., 0] > 0.5)
    assert mask.sum() == 4


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("mask", r"no array 'mask'; it has .*box_mask"),
        ("flat", r"flat has shape \(12, 16\); give \[N, H, W\] for the 12"),
    ],
)
def test_masks_that_are_not_there_are_told(data, key, said):
    with pytest.raises(problems.DataError, match=said):
        masked.read_masks(data[0], "", key)


@pytest.mark.parametrize(
    ("section", "change", "said"),
    [
        ("data", {"source": "ihc", "path": ""}, r"data\.source = 'ihc'.*'npz'"),
        (
            "predictor",
            {"kind": "callable", "address": "a:b"},
            r"predictor\.kind = 'callable': use 'checkpoint'",
        ),
    ],
)
def test_runs_without_masks_or_gradients_are_refused(
    data, tmp_path, section, change, said
):
    changed = dataclasses.replace(getattr(data[0], section), **change)
    config = dataclasses.replace(data[0], **{section: changed})
    with pytest.raises(ConfigError, match=said):
        masked.run(config, tmp_path, KEY)


def test_a_run_that_is_not_rendered_is_told(data, tmp_path):
    with pytest.raises(workdir.WorkdirError, match=r"launch\.pipeline"):
        masked.run(data[0], tmp_path, KEY)


# --- scores

# Image 2 has no mask, 5 does not have the finding, f misses it in 6.
ROWS = [
    {"image_id": f"tile_{n}", "target": "1", "decision": "1"}
    for n in range(COUNT)
]
ROWS[5]["target"] = ROWS[6]["decision"] = "0"
WANTED = [0, 1, 3, 4, 7, 8, 9, 10, 11]


@pytest.fixture
def rendered(data, monkeypatch):
    """(config, explanations that were asked for): maps are the masks.

    The counterfactual of image 3 does not flip; Grad-CAM marks all alike.
    """
    config, masks = data
    made = []

    def explained(mine, root, scores, wanted):
        names = [row["image_id"] for row in ROWS if wanted(row)]
        numbers = [int(name.split("_")[1]) for name in names]
        own = masks[numbers, ::2, ::2].astype(np.float64)
        own[numbers.index(3)] = 0
        status = [search.FLIPPED] * len(names)
        status[numbers.index(3)] = search.NO_FLIP
        pictures = np.zeros((len(names), SIDE, SIDE, 1), np.float32)
        even = np.ones_like(own)
        maps = {m: even for m in METHODS} | {"counterfactual": own}
        judged = np.full(len(names), 0.9)
        made.append(Explanations(names, judged, status, *[pictures] * 3, maps))
        return made[-1]

    monkeypatch.setattr(masked.explanations_lib, "explained", explained)
    return config, made


def test_images_with_the_finding_and_a_mask_count(rendered, tmp_path):
    config, made = rendered
    result = masked.run(config, tmp_path, KEY)
    (found,) = made
    assert found.ids == [f"tile_{n}" for n in WANTED]
    assert result["images"] == len(WANTED)
    assert result["without_mask"] == 1
    assert result["mask"] == KEY
    told = result["explained"]
    assert (told["mean"], told["n"]) == (pytest.approx(8 / 9), 9)


def test_methods_are_scored(rendered, tmp_path):
    config, _ = rendered
    result = masked.run(config, tmp_path, KEY)
    mine = result["methods"]["counterfactual"]
    # A mask covers 4 of 64 pixels; one image in nine shows nothing.
    assert mine["iou"]["mean"] == pytest.approx(8 / 9)
    assert mine["enrichment"]["mean"] == pytest.approx(8 / 9 * 16)
    assert mine["pointing"]["mean"] == pytest.approx(8 / 9)
    assert mine["iou"]["low"] < 8 / 9 < mine["iou"]["high"] <= 1
    even = 4 * 4 / 64
    even = even / (8 - even)
    for method in METHODS[1:]:
        told = result["methods"][method]
        assert told["iou"]["mean"] == pytest.approx(even)
        assert told["enrichment"]["mean"] == pytest.approx(1)
    ratio = mine["iou_to_grad_cam"]["ratio"]
    assert ratio == pytest.approx(8 / 9 / even)


def test_files_are_written(rendered, tmp_path):
    config, _ = rendered
    result = masked.run(config, tmp_path, KEY)
    folder = tmp_path / "faithfulness"
    assert json.loads((folder / "result.json").read_text()) == result
    with np.load(folder / "shown.npz") as file:
        assert file["mask"].shape == (3, SIDE, SIDE)
        np.testing.assert_array_equal(
            file["mask"][2], masked.read_masks(config, "", KEY)["tile_3"]
        )
    with Image.open(folder / "sheet.png") as picture:
        assert picture.height > 3 * 96


def test_any_generator_will_do(rendered, tmp_path):
    """Nothing is shared here, so it may be conditional."""
    config, _ = rendered
    config = dataclasses.replace(config, gan=GanConfig(classes=2))
    assert masked.run(config, tmp_path, KEY)["images"] == len(WANTED)


def test_nothing_to_score_is_told(data, tmp_path, monkeypatch):
    monkeypatch.setattr(masked.explanations_lib, "explained", lambda *_: None)
    with pytest.raises(problems.DataError, match="no rendered image has"):
        masked.run(data[0], tmp_path, KEY)
