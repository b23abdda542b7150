"""Folders and lists of images: good ones, bad ones, many."""

import dataclasses
import shutil
import time
import weakref

import numpy as np
import pytest
from PIL import Image

from jaxstyle import predictors, workdir
from jaxstyle.data import problems, pseudonyms
from jaxstyle.explain import (
    render,
    render_files,
    search,
    sources,
)
from jaxstyle.report import sheet
from tests.explain import rendering


def test_a_folder_and_a_list(rendered, tmp_path):
    """The split's own images as files give the split's own walks."""
    config, whole, _ = rendered
    root = rendering.another(whole, tmp_path)
    expected, _, folder = rendering.tables(config, whole)
    inbox = tmp_path / "inbox" / "sub"
    inbox.mkdir(parents=True)
    for row in expected[:5]:
        shutil.copy(folder / row["original"], inbox / f"{row['image_id']}.png")
    listed = tmp_path / "list.txt"
    listed.write_text(f"inbox/sub/{expected[2]['image_id']}.png\n")
    for place, prefix, rows in (
        (inbox.parent, "sub/", expected[:5]),
        (listed, "inbox/sub/", expected[2:3]),
    ):
        settings = _with_images(config, place)
        result = render.run(settings, root)
        assert result["images"] == len(rows)
        actual, frames, _ = rendering.tables(settings, root, "render_images")
        assert len(frames) == len(rows) * rendering.FRAMES
        for row, theirs in zip(actual, rows, strict=True):
            name = f"{prefix}{theirs['image_id']}.png"
            assert row["image_id"] == pseudonyms.existing(root).of(name)
            assert row["target"] == ""
            assert (row["height"], row["width"]) == ("8", "8")
            assert row["status"] == theirs["status"]
            # Of 8 bits here, of floats there.
            assert (
                abs(
                    float(row["predictor_reconstruction"])
                    - float(theirs["predictor_reconstruction"])
                )
                < 0.01
            )
    assert not (root / "render").exists()
    assert (root / "render_images.previous-1").exists()


def _with_images(config, place):
    return dataclasses.replace(
        config, walk=dataclasses.replace(config.walk, images=str(place))
    )


def test_bad_files_are_told_before_anything_is_rendered(made, tmp_path):
    config, whole = made
    root = rendering.another(whole, tmp_path)
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    for name in ("one.png", "two.png"):
        (inbox / name).write_bytes(b"no image")
    with pytest.raises(problems.DataError, match=r"2 problem(.|\n)*two\.png"):
        render.run(_with_images(config, inbox), root)
    assert not list((root / "render_images").rglob("*.png"))


def test_good_images_are_rendered_among_bad_ones(rendered, tmp_path):
    config, whole, _ = rendered
    root = rendering.another(whole, tmp_path)
    rows, _, folder = rendering.tables(config, whole)
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    for number, row in enumerate(rows[:9]):
        shutil.copy(folder / row["original"], inbox / f"{number}.png")
    (inbox / "5b.png").write_bytes(b"no image")
    for name in ("1.png", "2.png", "7.png"):
        # The header is whole, so it is found when its turn has come.
        (inbox / name).write_bytes((inbox / name).read_bytes()[:-40])
    settings = _with_images(config, inbox)
    result = render.run(settings, root)
    assert (result["images"], result["refused"]) == (6, 4)
    actual, frames, place = rendering.tables(settings, root, "render_images")
    of = pseudonyms.existing(root).of
    good = [of(f"{number}.png") for number in (0, 3, 4, 5, 6, 8)]
    assert [row["image_id"] for row in actual] == good
    assert len(frames) == 6 * rendering.FRAMES
    refused = rendering.table(place / "refused.csv")
    bad = [of(name) for name in ("5b.png", "1.png", "2.png", "7.png")]
    assert [row["file"] for row in refused] == bad
    assert refused[0]["reason"] == "is no PNG, JPEG or TIFF image"
    assert not list(place.glob("*.part-*"))
    # Once they are mended, they alone are rendered.
    for number in (1, 2, 7):
        original = folder / rows[number]["original"]
        shutil.copy(original, inbox / f"{number}.png")
    result = render.run(settings, root)
    assert (result["images"], result["refused"]) == (9, 1)


def test_files_that_are_others_now_are_rendered_anew(
    rendered, tmp_path, caplog
):
    """An inbox is filled again with files of the same names."""
    config, whole, _ = rendered
    root = rendering.another(whole, tmp_path)
    rows, _, folder = rendering.tables(config, whole)
    inbox = tmp_path / "inbox"
    inbox.mkdir()

    def fill(**files):
        for name, number in files.items():
            original = folder / rows[number]["original"]
            shutil.copy(original, inbox / f"{name}.png")

    fill(a=0, b=1, c=2)
    settings = _with_images(config, inbox)
    assert render.run(settings, root)["images"] == 3
    before, _, place = rendering.tables(settings, root, "render_images")
    kept = place / before[2]["strip"]
    written = kept.stat().st_mtime_ns
    assert "other content" not in caplog.text

    fill(a=5, d=3)
    (inbox / "b.png").unlink()
    assert render.run(settings, root)["images"] == 3
    after, frames, _ = rendering.tables(settings, root, "render_images")
    of = pseudonyms.existing(root).of
    found = {row["image_id"]: row for row in after}
    assert set(found) == {of("a.png"), of("c.png"), of("d.png")}
    for name, number in {"a": 5, "c": 2, "d": 3}.items():
        judged = float(found[of(f"{name}.png")]["predictor_original"])
        expected = float(rows[number]["predictor_original"])
        assert judged == pytest.approx(expected, abs=0.01)
    assert len({rows[n]["predictor_original"] for n in (0, 5)}) == 2
    assert len(frames) == 3 * rendering.FRAMES
    assert kept.stat().st_mtime_ns == written
    assert "2 image(s) rendered before are gone or have other" in caplog.text
    # The salted name of the content, not its plain digest.
    digest = sources._digest(inbox / "a.png")
    assert found[of("a.png")]["source_digest"] == of(digest) != digest


@pytest.mark.parametrize("status", [search.NO_FLIP, search.NOT_EXPLAINED])
def test_pictures_of_walks_that_explain_nothing_say_so(
    made, tmp_path, monkeypatch, status
):
    texts = []
    monkeypatch.setattr(
        sheet.Sheet, "_text", lambda self, x, y, text, *_: texts.append(text)
    )
    frames = np.linspace(-1, 1, 3 * 8 * 8 * 3, dtype=np.float32)
    frames = frames.reshape(3, 8, 8, 3)
    item = rendering.walk_of(
        frames,
        judged_original=0.2,
        judged=np.array([0.1, 0.2, 0.3]),
        reconstruction_frame=1,
        status=status,
    )
    render_files.write(made[0], tmp_path, item, (8, 8))
    assert f"not explained: {status}" in texts
    assert texts.count("f 0.20 (not explained)") == 1
    texts.clear()
    found = dataclasses.replace(item, flip_frame=2, status=search.FLIPPED)
    render_files.write(made[0], tmp_path, found, (8, 8))
    assert texts and not any("not explained" in text for text in texts)


def test_a_folder_of_damaged_images_is_no_success(made, tmp_path):
    config, whole = made
    root = rendering.another(whole, tmp_path)
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    for number in range(2):
        path = inbox / f"{number}.png"
        Image.new("RGB", (8, 8)).save(path)
        path.write_bytes(path.read_bytes()[:-25])
    settings = _with_images(config, inbox)
    with pytest.raises(problems.DataError, match=r"2 problem(.|\n)*cannot"):
        render.run(settings, root)
    assert not workdir.is_complete(settings, root, "render_images")


def test_memory_does_not_grow_with_the_folder(made, tmp_path, monkeypatch):
    """Fast device, slow disk: few batches are alive at any time."""
    config, whole = made
    root = rendering.another(whole, tmp_path)
    count, size = 32, config.walk.batch_size
    alive, most = weakref.WeakSet(), []

    class Batch(np.ndarray):
        """Can be told apart in a set, unlike arrays."""

        __hash__ = object.__hash__

    def read(positions):
        most.append(len(alive))
        images = np.zeros((len(positions), 8, 8, 3), np.float32).view(Batch)
        alive.add(images)
        return images

    class Fast:
        predictor = predictors.load(config, root)

        def __init__(self, *_):
            pass

        def __call__(self, ids, targets, images):
            return [
                rendering.walk_of(np.stack([images[n]] * 3), image_id=ids[n])
                for n in range(len(ids))
            ]

    write = render_files.write

    def slow(*args):
        time.sleep(0.005)
        return write(*args)

    ids = [f"{n:03d}" for n in range(count)]
    monkeypatch.setattr(
        render.sources,
        "open_images",
        lambda *_: sources.Images(
            ids, [""] * count, read, np.full((count, 2), 8)
        ),
    )
    monkeypatch.setattr(render, "Explainer", Fast)
    monkeypatch.setattr(render_files, "write", slow)
    monkeypatch.setattr(render_files.strips, "strip", lambda *_, **__: _Blank())
    monkeypatch.setattr(render_files.strips, "save_animation", lambda *_: None)
    result = render.run(config, root)
    assert result == {
        "images": count,
        search.FLIPPED: 0,
        search.NO_FLIP: count,
        search.NOT_EXPLAINED: 0,
    }
    assert len(most) == count // size
    # One is read while the one before it is being written.
    assert max(most) <= 2


class _Blank:
    def save(self, path, **__):
        path.write_bytes(b"")
