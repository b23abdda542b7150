"""What is to be explained: a split, a folder or a list of files."""

import nibabel
import numpy as np
import pytest
from PIL import Image

from jaxstyle.config import Config, DataConfig, WalkConfig
from jaxstyle.data import formats, pipeline, prepare, problems
from jaxstyle.explain import sources
from tests.data import dicoms
from tests.data import images as data_images


def _config(images, limit=0, **data):
    return Config(
        data=DataConfig(
            **{"source": "npz", "path": "x", "resolution": 8, "channels": 3}
            | {"pseudonyms": False}
            | data
        ),
        walk=WalkConfig(images=str(images), limit=limit),
    )


def _save(path, seed=0, shape=(8, 8, 3)):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, shape, np.uint8)
    Image.fromarray(pixels).save(path)
    return pixels / 127.5 - 1


def test_a_folder_with_its_subfolders(tmp_path):
    folder = tmp_path / "in"
    expected = [
        _save(folder / "a" / "scan.png", 0),
        _save(folder / "b" / "scan.PNG", 1),
        _save(folder / "scan.tif", 2),
    ]
    (folder / "notes.txt").write_text("no image")
    images = sources.open_images(_config(folder), tmp_path)
    assert images.ids == ["a_scan", "b_scan", "scan"]
    assert images.targets == [""] * 3
    np.testing.assert_allclose(
        images.read([2, 0]), [expected[2], expected[0]], atol=1e-6
    )
    batches = list(images.batches(2, [0, 1, 2]))
    assert [positions for positions, _ in batches] == [[0, 1], [2]]
    assert batches[1][1].dtype == np.float32
    np.testing.assert_allclose(batches[1][1][0], expected[2], atol=1e-6)
    assert sources.open_images(_config(folder, 2), tmp_path).ids == [
        "a_scan",
        "b_scan",
    ]


def test_an_image_keeps_its_id_when_others_come(tmp_path):
    """Or what is rendered already would pass for what is new."""
    folder = tmp_path / "in"
    _save(folder / "b" / "scan.png")
    before = sources.open_images(_config(folder), tmp_path).ids
    _save(folder / "a" / "scan.png")
    after = sources.open_images(_config(folder), tmp_path).ids
    assert after == ["a_scan", *before]


def test_a_list_of_files(tmp_path):
    expected = _save(tmp_path / "x" / "one.png", 0)
    other = _save(tmp_path / "y" / "one.png", 1)
    listed = tmp_path / "list.txt"
    listed.write_text(f"x/one.png\n\n  {tmp_path / 'y' / 'one.png'}  \n")
    images = sources.open_images(_config(listed), tmp_path)
    assert images.ids[0] == "x_one" and images.ids[1].endswith("_y_one")
    np.testing.assert_allclose(
        images.read([0, 1]), [expected, other], atol=1e-6
    )


def test_a_long_path_keeps_its_end(tmp_path):
    for name in ("one", "two"):
        _save(tmp_path / ("d" * 150) / f"{name}.png")
    images = sources.open_images(_config(tmp_path), tmp_path)
    assert [image_id[-4:] for image_id in images.ids] == ["_one", "_two"]


def test_other_sizes_and_greys_fit_the_model(tmp_path):
    _save(tmp_path / "in" / "wide.png", shape=(16, 32))
    _save(tmp_path / "in" / "high.png", shape=(24, 6))
    images = sources.open_images(_config(tmp_path / "in"), tmp_path)
    read = images.read([1])
    assert read.shape == (1, 8, 8, 3)
    # The other file was not read.
    assert images.ids == ["high", "wide"]
    assert images.sizes.tolist() == [[0, 0], [16, 32]]
    # Grey in all channels, black above and below.
    np.testing.assert_array_equal(read[..., 0], read[..., 2])
    np.testing.assert_array_equal(read[0, [0, 1, 6, 7]], -1)


def test_bad_files_are_left_out_and_noted(tmp_path, caplog):
    folder = tmp_path / "in"
    _save(folder / "good.png")
    (folder / "broken.png").write_bytes(b"no png")
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "gone.png").symlink_to(folder / "nothing.png")
    # A folder is no image; what is in it is.
    _save(folder / "scan.png" / "one.png")
    images = sources.open_images(_config(folder), tmp_path)
    assert images.ids == ["good", "scan.png_one"]
    reason = "is no PNG, JPEG or TIFF image"
    assert images.refused == [
        ("broken.png", reason),
        ("empty.jpg", reason),
        ("gone.png", "does not exist"),
    ]
    told = [record.getMessage() for record in caplog.records]
    assert f"left out: {folder / 'broken.png'} {reason}" in told
    assert "3 image(s) or file(s) were left out" in told
    listed = tmp_path / "list.txt"
    listed.write_text("in/good.png\nin/lost.png\n")
    images = sources.open_images(_config(listed), tmp_path)
    assert images.ids == ["in_good"]
    assert images.refused == [("in/lost.png", "does not exist")]


def test_without_a_good_file_all_are_told(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("broken.png", "empty.jpg"):
        (folder / name).write_bytes(b"")
    with pytest.raises(problems.DataError) as caught:
        sources.open_images(_config(folder), tmp_path)
    assert len(caught.value.problems) == 2
    for name in ("broken.png", "empty.jpg"):
        assert any(name in problem for problem in caught.value.problems)


def test_the_limit_counts_good_images(tmp_path):
    folder = tmp_path / "in"
    for name in ("b", "d", "e"):
        _save(folder / f"{name}.png")
    for name in ("a", "c"):
        (folder / f"{name}.png").write_bytes(b"no png")
    images = sources.open_images(_config(folder, 2), tmp_path)
    assert images.ids == ["b", "d"]


def test_damaged_pixels_are_left_out(tmp_path):
    """Their headers are whole."""
    folder = tmp_path / "in"
    expected = [_save(folder / f"{n}.png", n, (40, 40, 3)) for n in range(9)]
    for n in (1, 2, 6):
        path = folder / f"{n}.png"
        path.write_bytes(path.read_bytes()[:-1500])
    config = _config(folder, resolution=64)
    images = sources.open_images(config, tmp_path)
    assert len(images.ids) == 9 and not images.refused
    batches = list(images.batches(3, range(9)))
    assert [positions for positions, _ in batches] == [[0], [3, 4, 5], [7, 8]]
    for positions, read in batches:
        assert read.shape == (len(positions), 64, 64, 3)
        for position, image in zip(positions, read, strict=True):
            mean = expected[position].mean()
            assert image.mean() == pytest.approx(mean, abs=0.02)
    assert [file for file, _ in images.refused] == ["1", "2", "6"]
    assert all("cannot be read" in why for _, why in images.refused)
    assert not list(images.batches(1, [1, 2]))


def test_batches_do_not_depend_on_what_is_wanted():
    def read(positions):
        return np.stack([np.full((4, 4, 1), n, np.float32) for n in positions])

    names = [str(n) for n in range(8)]
    images = sources.Images(names, [""] * 8, read, np.zeros((8, 2), np.int32))
    for wanted, expected in (
        (range(8), [[0, 1, 2], [3, 4, 5], [6, 7]]),
        ([1, 7], [[0, 1, 2], [6, 7]]),
        ([5, 3], [[3, 4, 5]]),
        ([], []),
    ):
        assert [rows for rows, _ in images.batches(3, wanted)] == expected


def _mixed(folder):
    """A picture, a DICOM file of one frame and one of three, a volume."""
    random = np.random.default_rng(0)
    frames = random.integers(0, 256, (4, 8, 8), np.uint8)
    _save(folder / "a.png", 1, (8, 8))
    dicoms.save(folder / "IM0001", dicoms.made(frames[0]))
    dicoms.save(folder / "IM0002.dcm", dicoms.made(frames[1:]))
    dicoms.save(folder / "DICOMDIR", dicoms.made(frames[0]))
    voxels = random.integers(0, 256, (8, 8, 4), np.uint8)
    nibabel.save(nibabel.Nifti1Image(voxels, np.eye(4)), folder / "v.nii.gz")
    return frames, voxels


def test_dicom_and_volumes_are_found_and_every_frame_shown(tmp_path):
    folder = tmp_path / "in"
    frames, voxels = _mixed(folder)
    config = _config(folder, channels=1, slice_range=(1, 3))
    images = sources.open_images(config, tmp_path)
    assert images.ids == [
        *("IM0001", "IM0002-f0000", "IM0002-f0001", "IM0002-f0002"),
        *("a", "v-s0001", "v-s0002"),
    ]
    read = (images.read([0, 1, 3, 6])[..., 0] + 1) * 127.5
    expected = [*frames[[0, 1, 3]], voxels[::-1, ::-1, 2].T]
    np.testing.assert_allclose(read, expected, atol=1e-3)
    config = _config(folder, 3, channels=1, slice_range=(1, 3))
    assert sources.open_images(config, tmp_path).ids == images.ids[:3]


def test_files_are_shown_as_preparation_shows_them(tmp_path):
    """One policy of intensities and shapes for both ways in."""
    rows = []
    for number in range(6):
        values = np.random.default_rng(number).integers(0, 4096, (8, 12))
        image = dicoms.made(
            values.astype(np.uint16), WindowCenter=900, WindowWidth=800
        )
        dicoms.save(tmp_path / f"IM{number}", image)
        rows.append([f"IM{number}", str(number % 2)])
    manifest = data_images.write_manifest(tmp_path, "path,label", rows)
    for policy in (
        {},
        {"window": (2000.0, 1000.0), "fit": "crop"},
        {"intensity_range": (100.0, 4000.0)},
    ):
        config = data_images.folder_config(manifest, **policy)
        prepare.run(config, tmp_path / "run")
        config.walk = WalkConfig(images=str(tmp_path))
        shown = sources.open_images(config, tmp_path)
        for name in ("train", "val", "test"):
            split = pipeline.open_split(config, tmp_path / "run", name)
            places = [shown.ids.index(id_) for id_ in split.ids]
            np.testing.assert_allclose(
                shown.read(places),
                split.images(range(len(split))),
                atol=2 / 65535,
            )


def test_links_out_of_the_folder_are_refused(tmp_path):
    folder = tmp_path / "in"
    _save(folder / "good.png")
    _save(tmp_path / "out.png")
    (folder / "link.png").symlink_to(tmp_path / "out.png")
    (folder / "within.png").symlink_to("good.png")
    (folder / "loop.png").symlink_to(folder / "loop.png")
    _save(tmp_path / "outside" / "other.png")
    (folder / "outside").symlink_to(tmp_path / "outside")
    images = sources.open_images(_config(folder), tmp_path)
    assert images.ids == ["good", "within"]
    reason = "is a link that leads out of the folder"
    assert images.refused == [("link.png", reason), ("loop.png", reason)]


def test_pixels_that_cannot_be_used_name_their_file(tmp_path):
    import tifffile

    path = tmp_path / "in" / "deep.tif"
    path.parent.mkdir()
    tifffile.imwrite(path, np.full((8, 8), 300, np.float32))
    images = sources.open_images(_config(path.parent), tmp_path)
    with pytest.raises(formats.FormatError, match=r"deep\.tif .*300.*range"):
        images.read([0])
    ranged = _config(path.parent, intensity_range=(0.0, 600.0))
    read = sources.open_images(ranged, tmp_path).read([0])
    np.testing.assert_allclose(read, 0, atol=1e-6)


@pytest.mark.parametrize(
    "place, message",
    [
        ("nowhere", "no folder and no list"),
        ("empty", r"no .png, .*file in it"),
        ("empty.txt", "lists no file"),
        ("image.png", "is no text in UTF-8; give a folder"),
    ],
)
def test_nothing_to_explain_is_told(place, message, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty.txt").write_text("\n")
    _save(tmp_path / "image.png")
    with pytest.raises(problems.DataError, match=message):
        sources.open_images(_config(tmp_path / place), tmp_path)


def test_a_split(made):
    config, root = made
    images = sources.open_images(config, root)
    with np.load(config.data.path) as data:
        test = data["split"] == "test"
        expected = data["image"][test] * 2 - 1
        targets = [str(label) for label in data["label"][test]]
    assert images.targets == targets and len(set(targets)) == 2
    assert images.sizes.tolist() == [[8, 8]] * len(targets)
    np.testing.assert_allclose(
        images.read(range(len(targets))), expected, atol=2 / 255
    )


def test_batches_of_damaged_images_alone_are_passed_over():
    """Of a folder read by two: 2 and 3 are damaged, and so is the last."""
    damaged, names = {2, 3, 8}, [str(n) for n in range(9)]

    def read(positions):
        for position in positions:
            if position in damaged:
                raise formats.FormatError(f"{position} is bad", "is bad")
        return np.stack([np.full((4, 4, 1), n, np.float32) for n in positions])

    images = sources.Images(names, [""] * 9, read, np.zeros((9, 2), np.int32))
    for size, expected in (
        (2, [[0, 1], [4, 5], [6, 7]]),
        (4, [[0, 1], [4, 5, 6, 7]]),
        (8, [[0, 1, 4, 5, 6, 7]]),
    ):
        images.refused.clear()
        found = list(images.batches(size, range(9)))
        assert [rows for rows, _ in found] == expected
        for rows, pixels in found:
            np.testing.assert_array_equal(pixels[:, 0, 0, 0], rows)
        assert [refusal.file for refusal in images.refused] == ["2", "3", "8"]
    # What was made before its file was damaged is not refused.
    images.refused.clear()
    assert [rows for rows, _ in images.batches(4, [1, 3])] == [[0, 1]]
    assert [refusal.file for refusal in images.refused] == ["3"]
