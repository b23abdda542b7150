"""The renderer: what it writes, and how it goes on."""

import dataclasses
import shutil

import numpy as np
import pytest
from PIL import Image
from scipy import special

from jaxstyle import workdir
from jaxstyle.config import NearestConfig, ProjectConfig
from jaxstyle.data import prepare
from jaxstyle.encoder import train as encoder_train
from jaxstyle.explain import direction as direction_lib
from jaxstyle.explain import (
    manifest,
    nearest,
    render,
    render_files,
    search,
    sources,
    stylespace,
)
from jaxstyle.report import records, sheet, strips
from tests import made_run
from tests.explain import rendering


class Killed(Exception):
    pass


def test_the_tables_have_their_columns(rendered):
    config, root, _ = rendered
    images, frames, _ = rendering.tables(config, root)
    assert tuple(images[0]) == manifest.IMAGE_FIELDS
    assert tuple(frames[0]) == manifest.FRAME_FIELDS
    ids = [row["image_id"] for row in images]
    assert len(ids) == made_run.TEST and len(set(ids)) == len(ids)
    assert [row["image_id"] for row in frames] == [
        image_id for image_id in ids for _ in range(rendering.FRAMES)
    ]
    assert [row["frame"] for row in frames[: rendering.FRAMES]] == list(
        "0123456"
    )


def test_the_result_counts_each_status(rendered):
    config, root, result = rendered
    images, _, _ = rendering.tables(config, root)
    statuses = [row["status"] for row in images]
    names = (search.FLIPPED, search.NO_FLIP, search.NOT_EXPLAINED)
    assert result == {
        "images": made_run.TEST,
        **{name: statuses.count(name) for name in names},
    }
    # How many depends on the processor; enough for the tests below.
    assert result[search.FLIPPED] > made_run.TEST / 4
    assert workdir.result(config, root, "render") == result
    asked = {row["asked"] for row in images if row["flipped"] == "1"}
    assert asked == {"0", "1"}


def test_every_number_is_that_of_the_file(rendered):
    """f again on the files that were written; the rest by algebra."""
    config, root, _ = rendered
    images, frames, folder = rendering.tables(config, root)
    threshold = np.float32(config.target.level)
    direction = direction_lib.load(config, root)
    for number, row in enumerate(images):
        mine = frames[
            number * rendering.FRAMES : (number + 1) * rendering.FRAMES
        ]
        files = [folder / frame["file"] for frame in mine]
        judged = [float(frame["predictor_probability"]) for frame in mine]
        np.testing.assert_allclose(judged, rendering.f(files), atol=2e-6)
        original = float(row["predictor_original"])
        # Originals are judged before they are rounded to 8 bits.
        np.testing.assert_allclose(
            original, rendering.f([folder / row["original"]])[0], rtol=0.05
        )
        decision = original >= threshold
        assert (row["decision"], row["asked"]) == (
            str(int(decision)),
            str(int(not decision)),
        )
        lambdas = np.array([float(frame["lambda"]) for frame in mine])
        assert np.all(np.diff(lambdas) > 0)
        recon = int(row["reconstruction_frame"])
        assert mine[recon]["lambda"] == "0"
        assert row["reconstruction"] == mine[recon]["file"]
        assert (
            row["predictor_reconstruction"]
            == (mine[recon]["predictor_probability"])
        )
        assert float(row["reconstruction_gap"]) == pytest.approx(
            abs(original - judged[recon]), abs=2e-6
        )
        pixels = [rendering.pixels(file) for file in files]
        np.testing.assert_allclose(
            [float(frame["distance"]) for frame in mine],
            [np.abs(image - pixels[recon]).mean() for image in pixels],
            atol=1e-6,
        )
        np.testing.assert_allclose(
            float(row["reconstruction_l1"]),
            np.abs(
                rendering.pixels(folder / row["original"]) - pixels[recon]
            ).mean(),
            atol=0.003,
        )
        latent = [float(frame["latent_probability"]) for frame in mine]
        start = special.logit(latent[recon])
        np.testing.assert_allclose(
            latent, special.expit(start + direction.scale * lambdas), atol=3e-6
        )
        _check_flip(row, mine, lambdas, decision, recon)


def _check_flip(row, mine, lambdas, decision, recon):
    flipped = [frame["flipped"] == "1" for frame in mine]
    asked = -lambdas if decision else lambdas
    shown = [k for k in range(rendering.FRAMES) if flipped[k] and asked[k] > 0]
    if flipped[recon]:
        assert row["status"] == search.NOT_EXPLAINED
    elif not shown:
        assert row["status"] == search.NO_FLIP
    else:
        first = min(shown, key=lambda k: asked[k])
        assert row["status"] == search.FLIPPED
        assert row["flip_frame"] == str(first)
        assert row["flip_lambda"] == mine[first]["lambda"]
    found = row["status"] == search.FLIPPED
    assert row["flipped"] == str(int(found))
    assert bool(row["flip_frame"]) == bool(row["flip_lambda"]) == found


def test_the_pictures(rendered):
    config, root, _ = rendered
    images, _, folder = rendering.tables(config, root)
    split_ids = sources.open_images(config, root).ids
    for row in images:
        assert row["image_id"] in split_ids
        # A black box has no gradient to show.
        assert row["grad_cam"] == ""
        assert not (
            folder / "frames" / row["image_id"] / "grad_cam.png"
        ).exists()
        with Image.open(folder / row["animation"]) as walk:
            assert walk.n_frames == 2 * rendering.FRAMES - 2
        with Image.open(folder / row["strip"]) as strip:
            # Original, reconstruction, frames, difference.
            assert strip.width > 96 * (rendering.FRAMES + 3)
        assert rendering.pixels(folder / row["original"]).shape == (8, 8, 3)


def test_what_is_rendered_is_not_rendered_again(rendered, monkeypatch):
    config, root, result = rendered
    folder = workdir.stage(config, root, "render").path
    before = _contents(folder)
    monkeypatch.setattr(
        render.Explainer, "__call__", lambda *_: pytest.fail("rendered")
    )
    assert render.run(config, root) == result
    assert _contents(folder) == before


def _contents(folder):
    """Every file but the time it took."""
    return {
        path.relative_to(folder): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "complete.json"
    }


def _dies_after(patch, calls):
    """The tables' rows of the image after `calls` are half written."""
    append = manifest._append
    seen = []

    def dying(path, fields, rows):
        if path.name == "images.part-0.csv":
            seen.append(path)
        if len(seen) > calls:
            with path.open("a") as file:
                file.write("half a r")
            raise Killed
        append(path, fields, rows)

    patch.setattr(manifest, "_append", dying)


def test_resume_is_uninterrupted(rendered, tmp_path, monkeypatch):
    """Killed in the middle of a batch, twice; the same files come out."""
    config, whole, result = rendered
    root = rendering.another(whole, tmp_path)
    explain, explained = render.Explainer.__call__, []

    def counted(self, ids, targets, images):
        explained.append(ids)
        return explain(self, ids, targets, images)

    monkeypatch.setattr(render.Explainer, "__call__", counted)
    for calls in (6, 3):
        with monkeypatch.context() as patch:
            _dies_after(patch, calls)
            with pytest.raises(Killed):
                render.run(config, root)
        assert not workdir.is_complete(config, root, "render")
    stage = workdir.stage(config, root, "render")
    rows = (stage.summary, manifest.part(stage.summary, 0))
    assert [len(rendering.table(path)) for path in rows] == [
        6,
        3 + 1,
    ]  # half a row
    explained.clear()
    assert render.run(config, root) == result
    ids = [row["image_id"] for row in rendering.tables(config, whole)[0]]
    size = config.walk.batch_size
    assert 9 % size, "the tenth image should be in the middle of a batch"
    # Its whole batch: beside others, the last bits may be others.
    starts = range(9 // size * size, len(ids), size)
    assert explained == [ids[start : start + size] for start in starts]
    expected = _contents(workdir.stage(config, whole, "render").path)
    assert _contents(workdir.stage(config, root, "render").path) == expected


@pytest.mark.parametrize(("fit", "cut"), [("pad", True), ("crop", False)])
def test_strips_of_wide_images_have_no_bars(made, tmp_path, fit, cut):
    """8 x 4 pixels are padded to 8 x 8; strips show the 8 x 4 again."""
    config, _ = made
    settings = dataclasses.replace(
        config, data=dataclasses.replace(config.data, fit=fit)
    )
    random = np.random.default_rng(0)
    frames = random.uniform(-1, 1, (rendering.FRAMES, 8, 8, 3)).astype(
        np.float32
    )
    item = rendering.walk_of(
        frames,
        image_id="wide",
        heat=np.ones((8, 8), np.float32),
        judged_original=0.2,
        judged=np.linspace(0.1, 0.9, rendering.FRAMES),
        lambdas=np.linspace(-1, 1, rendering.FRAMES),
        reconstruction_frame=3,
        flip_frame=rendering.FRAMES - 1,
        status="flipped",
    )
    render_files.write(settings, tmp_path, item, (4, 8))
    folder = tmp_path / "frames" / "wide"
    with Image.open(folder / "walk.png") as first:
        pixels = np.asarray(first.convert("RGB"))
    scale = sheet.enlargement(8)
    shown = strips.to_rgb(frames[0][2:6] if cut else frames[0])
    expected = np.kron(shown, np.ones((scale, scale, 1), np.uint8))
    np.testing.assert_array_equal(pixels[: len(expected)], expected)
    with Image.open(folder / "00.png") as frame:
        assert frame.size == (8, 8)
    with Image.open(folder / "strip.png") as strip:
        assert strip.height < 12 * scale if cut else strip.height > 8 * scale


def test_what_is_missing_is_told(made, tmp_path):
    config, whole = made
    root = rendering.another(whole, tmp_path)
    shutil.rmtree(root / "direction")
    with pytest.raises(workdir.WorkdirError, match=r"launch\.fit_direction"):
        render.run(config, root)


def test_walks_from_projections(rendered, tmp_path):
    """Nearer to their images than E's on average; as many frames."""
    config, root, _ = rendered
    before, _, _ = rendering.tables(config, root)
    other = rendering.another(root, tmp_path)
    config = dataclasses.replace(
        config,
        walk=dataclasses.replace(config.walk, project=True, limit=6),
        project=ProjectConfig(
            space="w", steps=60, feature_weight=0.0, latent_weight=0.0
        ),
    )
    render.run(config, other)
    after, frames, _ = rendering.tables(config, other)
    gains = [
        float(old["reconstruction_l1"]) - float(new["reconstruction_l1"])
        for old, new in zip(before, after, strict=False)
    ]
    # Not each: what is beyond white or black is cut off in a frame only.
    assert len(gains) == 6 and np.mean(gains) > 0.01
    assert len(frames) == 6 * rendering.FRAMES


@pytest.mark.parametrize("along", ["direction", "nearest"])
def test_sparse_counterfactuals_are_rendered_on_request(
    made, tmp_path, monkeypatch, along
):
    """Few channels, and f on the file that was written has flipped."""
    config, whole = made
    root = rendering.another(whole, tmp_path)
    config = dataclasses.replace(
        config,
        walk=dataclasses.replace(
            config.walk, sparse=True, limit=5, along=along
        ),
        nearest=NearestConfig(steps=120, learning_rate=0.05),
    )
    # The made f stands for the student that has learnt its decisions.
    monkeypatch.setattr(nearest.student, "taught", lambda *_: (config, 5.0))
    monkeypatch.setattr(nearest.predictors, "network", lambda _: made_run.logit)
    render.run(config, root)
    images, _, folder = rendering.tables(config, root)
    flipped = [row for row in images if row["flipped"] == "1"]
    assert flipped
    codec = encoder_train.load(config, root)
    most = stylespace.Sparsifier(config, codec, None).channels
    threshold = np.float32(config.target.level)
    for row in flipped:
        judged = float(row["sparse_probability"])
        np.testing.assert_allclose(
            judged, rendering.f([folder / row["sparse"]])[0], atol=2e-6
        )
        assert (judged >= threshold) == (row["asked"] == "1")
        names = row["sparse_channels"].split()
        assert 0 < len(set(names)) == len(names) < most
        assert all(name.partition(":")[2].isdigit() for name in names)


def test_nothing_sparse_is_told_where_it_was_not_asked_for(rendered):
    config, root, _ = rendered
    images, _, folder = rendering.tables(config, root)
    names = ("sparse", "sparse_channels", "sparse_probability")
    assert all(row[name] == "" for row in images for name in names)
    assert not list(folder.rglob("sparse.png"))


def _with_columns(config, whole, tmp_path):
    """The same run of the same images, with two columns more."""
    path = tmp_path / "carried.npz"
    with np.load(config.data.path) as file:
        arrays = dict(file)
    count = len(arrays["label"])
    ages = np.arange(count) / 4
    ages[-1] = np.nan
    sites = np.array([f"site {n},\r\n{n % 2}" for n in range(count)])
    np.savez(path, **arrays, age=ages, site=sites)
    data = dataclasses.replace(
        config.data, path=str(path), columns=("age", "site")
    )
    config = dataclasses.replace(config, data=data)
    root = tmp_path / "run"
    prepare.run(config, root)
    for name in ("gan", "encoder", "direction"):
        shutil.copytree(whole / name, root / name)
        # They are what they would be: the images are the same.
        workdir.finish(workdir.stage(config, root, name), {}, 0.0)
    return config, root, ages[-made_run.TEST :]


def test_carried_columns_travel_to_the_table(rendered, tmp_path, monkeypatch):
    """Through a kill, too; nothing else changes, and the page reads it."""
    config, whole, result = rendered
    before, _, _ = rendering.tables(config, whole)
    config, root, ages = _with_columns(config, whole, tmp_path)
    with monkeypatch.context() as patch:
        _dies_after(patch, 5)
        with pytest.raises(Killed):
            render.run(config, root)
    assert render.run(config, root) == result
    after, _, _ = rendering.tables(config, root)
    first = made_run.TRAIN + made_run.VAL
    for number, (old, new) in enumerate(zip(before, after, strict=True)):
        n = first + number
        assert new.pop("column.site") == f"site {n}, {n % 2}"
        age = new.pop("column.age")
        assert (age == "") == np.isnan(ages[number])
        assert age == "" or float(age) == ages[number]
        assert new == old
    walks = records.read_walks(workdir.stage(config, root, "render"))
    assert [walk.image_id for walk in walks] == [
        row["image_id"] for row in before
    ]


def test_numbers_that_are_carried_are_whole_where_they_can_be():
    values = np.array([61.0, 0.1 + 0.2, np.nan, -1e22])
    sizes = np.zeros((4, 2), np.int32)
    images = sources.Images(
        [], [], lambda _: values, sizes, columns={"x": values}
    )
    cells = [images.cells(n)["x"] for n in range(4)]
    assert cells == ["61", "0.30000000000000004", "", "-1e+22"]
