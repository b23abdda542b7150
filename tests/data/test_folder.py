import csv
from collections import defaultdict
from pathlib import Path

import nibabel
import numpy as np
import pytest
import tifffile
from PIL import Image

from jaxstyle.data import manifest as manifest_lib
from jaxstyle.data import pipeline, prepare
from jaxstyle.data.problems import DataError
from tests.data import dicoms, images

HEADER = "path,label,patient"


def _refused(manifest: Path, workdir: Path, **data) -> str:
    with pytest.raises(DataError) as error:
        prepare.run(images.folder_config(manifest, **data), workdir)
    left = [path.name for path in (workdir / "data").iterdir()]
    assert left == ["config.json"]
    assert str(manifest) in str(error.value)
    return str(error.value)


def test_splits_are_made_by_patient(tmp_path):
    rows = images.write_folder(tmp_path)
    config = images.folder_config(images.write_manifest(tmp_path, HEADER, rows))
    result = prepare.run(config, tmp_path / "run")
    assert sum(result["images"].values()) == 24
    seen = defaultdict(set)
    for name in ("train", "val", "test"):
        split = pipeline.open_split(config, tmp_path / "run", name)
        for id_, group, label, image in zip(
            split.ids,
            split.groups,
            split.labels,
            split.images(range(len(split))),
            strict=True,
        ):
            seen[group].add(name)
            number = int(id_.removeprefix("image"))
            assert (group, label) == (f"p{number // 2}", number // 2 % 2)
            pixels = images.random_pixels(8, 8, seed=number)
            np.testing.assert_array_equal(
                np.rint((image[..., 0] + 1) * 127.5), pixels
            )
    assert len(seen) == 12
    assert all(len(names) == 1 for names in seen.values())


def test_given_splits_and_ids_are_kept(tmp_path):
    names = ["train", "val", "test"]
    rows = [
        [path, label, names[i % 3], f"case/{i}"]
        for i, (path, label, _) in enumerate(images.write_folder(tmp_path))
    ]
    manifest = images.write_manifest(tmp_path, "path,label,split,id", rows)
    config = images.folder_config(manifest)
    prepare.run(config, tmp_path)
    for place, name in enumerate(names):
        split = pipeline.open_split(config, tmp_path, name)
        assert split.ids == [f"case_{i}" for i in range(place, 24, 3)]


@pytest.mark.parametrize("channels", [1, 3])
def test_16_bit_png_and_tiff_reach_the_model_whole(tmp_path, channels):
    pixels = images.random_pixels(24, 8, 8, channels, dtype=np.uint16)
    rows = images.write_folder(tmp_path)
    for number, row in enumerate(rows):
        if number % 2:
            row[0] = f"image{number:02d}.tif"
            tifffile.imwrite(
                tmp_path / row[0],
                pixels[number].squeeze(),
                photometric="rgb" if channels == 3 else "minisblack",
            )
        else:
            images.save_png16(tmp_path / row[0], pixels[number], [4, 1])
    manifest = images.write_manifest(tmp_path, HEADER, rows)
    config = images.folder_config(manifest, channels=channels)
    assert prepare.run(config, tmp_path)["stored_as"] == "uint16"
    for name in ("train", "val", "test"):
        split = pipeline.open_split(config, tmp_path, name)
        numbers = [int(id_.removeprefix("image")) for id_ in split.ids]
        stored = np.rint((split.images(range(len(split))) + 1.0) * 32767.5)
        np.testing.assert_array_equal(stored, pixels[numbers])


def test_mixed_kinds_and_sizes(tmp_path):
    rows = images.write_folder(tmp_path)
    wide = images.random_pixels(8, 16, 3)
    Image.fromarray(wide).save(tmp_path / "image00.png")
    config = images.folder_config(
        images.write_manifest(tmp_path, HEADER, rows), channels=3
    )
    prepare.run(config, tmp_path)
    for name in ("train", "val", "test"):
        split = pipeline.open_split(config, tmp_path, name)
        if "image00" not in split.ids:
            continue
        place = split.ids.index("image00")
        assert tuple(split.sizes[place]) == (8, 16)
        image = (split.images([place])[0] + 1) * 127.5
        means = wide.reshape(4, 2, 8, 2, 3).mean(axis=(1, 3))
        np.testing.assert_allclose(image[2:6], means, atol=0.501)
        np.testing.assert_array_equal(image[[0, 1, 6, 7]], 0)
        return
    raise AssertionError("image00 is in no split")


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-30])


def test_all_problems_are_listed_at_once(tmp_path):
    rows = images.write_folder(tmp_path)
    rows[0][1] = "ill"
    rows[1][0] = "missing.png"
    rows[2][0] = "../outside.png"
    rows[3][0] = "/etc/passwd"
    rows[4][0] = rows[5][0]
    rows[6].append("one cell too many")
    _truncate(tmp_path / rows[7][0])
    (tmp_path / rows[8][0]).write_text("no image")
    rows[9][2] = ""
    # A bad label does not hide a bad image.
    rows[10][1] = "1.5"
    _truncate(tmp_path / rows[10][0])
    manifest = images.write_manifest(tmp_path, HEADER, rows)
    lines = _refused(manifest, tmp_path / "run").splitlines()[1:]
    expected = [
        ("row 2: image00.png", "label 'ill' is not an integer"),
        ("row 3: missing.png", "does not exist"),
        ("row 4: ../outside.png", "inside of the manifest's folder"),
        ("row 5: /etc/passwd", "inside of the manifest's folder"),
        ("row 7: image05.png", "path 'image05.png' is already in row 6"),
        ("row 8: ", "has 4 cells where the header has 3"),
        ("row 9: ", "image07.png cannot be read as an image"),
        ("row 10: ", "image08.png is no PNG, JPEG or TIFF"),
        ("row 11: image09.png", "patient is empty"),
        ("row 12: ", "image10.png cannot be read as an image"),
        ("row 12: image10.png", "label '1.5' is not an integer"),
    ]
    assert len(lines) == len(expected)
    for line, (start, reason) in zip(lines, expected, strict=True):
        assert line.strip().startswith(start)
        assert reason in line


def test_images_found_broken_while_writing_leave_nothing(tmp_path):
    rows = images.write_folder(tmp_path)
    for number in (3, 17, 20):
        _truncate(tmp_path / rows[number][0])
    manifest = images.write_manifest(tmp_path, HEADER, rows)
    lines = _refused(manifest, tmp_path / "run").splitlines()
    assert "3 problem(s)" in lines[0]
    assert [line.split(":")[0].strip() for line in lines[1:]] == [
        "row 5",
        "row 19",
        "row 22",
    ]


def test_a_long_list_is_cut(tmp_path):
    rows = [[f"missing{i}.png", "0", f"p{i}"] for i in range(70)]
    manifest = images.write_manifest(tmp_path, HEADER, rows)
    lines = _refused(manifest, tmp_path / "run").splitlines()
    assert len(lines) == 52
    # 70 missing files, and no image of the finding in any split.
    assert "73 problem(s)" in lines[0]
    assert lines[-1].strip() == "... and 23 more"


@pytest.mark.parametrize(
    ("header", "reasons"),
    [
        ("file,label,pateint", ["no column 'path'", "'file'", "'pateint'"]),
        ("path,label,label", ["'label' twice"]),
        ("path,patient,id", ["no column 'label'"]),
        ("", ["no column 'path'", "no column 'label'"]),
    ],
)
def test_bad_headers(tmp_path, header, reasons):
    manifest = images.write_manifest(tmp_path, header, [])
    message = _refused(manifest, tmp_path / "run")
    for reason in reasons:
        assert reason in message


def test_bad_splits(tmp_path):
    rows = images.write_folder(tmp_path)
    split = ["train"] * 8 + ["val"] * 8 + ["test"] * 8
    rows = [[*row, name] for row, name in zip(rows, split, strict=True)]
    header = HEADER + ",split"
    rows[0][3] = "training"
    rows[1][3] = ""
    rows[10][2] = rows[4][2]
    manifest = images.write_manifest(tmp_path, header, rows)
    message = _refused(manifest, tmp_path / "run")
    assert "3 problem(s)" in message
    assert "row 2: image00.png: split is 'training'" in message
    assert "row 3: image01.png: split is empty" in message
    assert "patient 'p2' is in more than one split: train, val" in message


def test_splits_without_a_class_or_an_image(tmp_path):
    rows = images.write_folder(tmp_path)
    rows = [[*row, "train" if row[1] == "0" else "val"] for row in rows]
    manifest = images.write_manifest(tmp_path, HEADER + ",split", rows)
    message = _refused(manifest, tmp_path / "run")
    assert "split 'train' has no image of 'positive'" in message
    assert "split 'val' has no image of 'negative'" in message
    assert "split 'test' has no image" in message


def test_double_ids_and_missing_manifest(tmp_path):
    rows = images.write_folder(tmp_path)
    rows = [[*row[:2], f"id{number // 23}"] for number, row in enumerate(rows)]
    manifest = images.write_manifest(tmp_path, "path,label,id", rows[:2])
    message = _refused(manifest, tmp_path / "run")
    assert "row 3: image01.png: id 'id0' is already in row 2" in message
    missing = tmp_path / "nothing.csv"
    assert "does not exist" in _refused(missing, tmp_path / "other")


def test_float_images_need_a_range(tmp_path):
    rows = images.write_folder(tmp_path)
    rows[0][0] = "image00.tif"
    values = np.linspace(-1000, 3000, 64, dtype=np.float32).reshape(8, 8)
    tifffile.imwrite(tmp_path / "image00.tif", values)
    manifest = images.write_manifest(tmp_path, HEADER, rows)
    message = _refused(manifest, tmp_path / "run")
    assert "row 2: " in message
    assert "image00.tif has float values from -1000 to 3000" in message


# --- columns, frames and links


def test_named_columns_travel_with_the_images(tmp_path):
    rows = images.write_folder(tmp_path)
    names = "path,label,patient,age,scanner"
    for number, row in enumerate(rows):
        row += [str(40 + number / 2) if number else "", f"scanner {number % 3}"]
    rows[5][4] = ""
    manifest = images.write_manifest(tmp_path, names, rows)
    config = images.folder_config(manifest, columns=("age", "scanner"))
    prepare.run(config, tmp_path / "run")
    seen = 0
    for name in ("train", "val", "test"):
        split = pipeline.open_split(config, tmp_path / "run", name)
        assert set(split.columns) == {"age", "scanner"}
        assert split.columns["age"].dtype == np.float64
        for place, id_ in enumerate(split.ids):
            number = int(id_.removeprefix("image"))
            age = split.columns["age"][place]
            assert age == 40 + number / 2 if number else np.isnan(age)
            scanner = f"scanner {number % 3}" if number != 5 else ""
            assert split.columns["scanner"][place] == scanner
            seen += 1
    assert seen == 24


def test_columns_are_numbers_or_words():
    cells = ["1", "", "2.5", "nan", "inf"]
    assert manifest_lib.typed(cells) == [1, None, 2.5, None, None]
    assert manifest_lib.typed(["1", "", "b"]) == ["1", "", "b"]
    assert manifest_lib.typed(["", ""]) == ["", ""]


def test_no_other_column_is_taken(tmp_path):
    rows = [[*row, "Smith"] for row in images.write_folder(tmp_path)]
    manifest = images.write_manifest(tmp_path, HEADER + ",surname", rows)
    message = _refused(manifest, tmp_path / "run")
    assert "unknown column 'surname'" in message and "data.columns" in message
    message = _refused(manifest, tmp_path / "other", columns=("age",))
    assert "has no column 'age'" in message
    config = images.folder_config(
        images.write_manifest(tmp_path, HEADER, [row[:3] for row in rows])
    )
    prepare.run(config, tmp_path / "third")
    assert not pipeline.open_split(config, tmp_path / "third", "val").columns


def test_links_and_paths_out_of_the_folder_are_refused(tmp_path):
    folder, outside = tmp_path / "in", tmp_path / "out"
    rows = images.write_folder(folder)
    images.write_folder(outside)
    for name in ("image00.png", "image01.png"):
        # It would be told if they were opened.
        (outside / name).write_text("no image")
    (folder / "image00.png").unlink()
    (folder / "image00.png").symlink_to(outside / "image00.png")
    (folder / "sub").symlink_to(outside)
    (folder / "image02.png").rename(folder / "other.png")
    (folder / "image02.png").symlink_to("other.png")
    rows[1][0] = "sub/image01.png"
    rows[3][0] = "image\0.png"
    manifest = images.write_manifest(folder, HEADER, rows)
    lines = _refused(manifest, tmp_path / "run").splitlines()[1:]
    assert len(lines) == 3
    assert "row 2: image00.png: is a link that leads out" in lines[0]
    assert "row 3: sub/image01.png: is a link that leads out" in lines[1]
    assert "row 5" in lines[2] and "inside of the manifest's" in lines[2]


def _dicom_rows(folder: Path) -> list[list[str]]:
    """Eight files of three frames each."""
    rows = []
    for number in range(8):
        stored = images.random_pixels(3, 8, 8, dtype=np.uint16, seed=number)
        dicoms.save(folder / f"study{number}", dicoms.made(stored))
        for frame in (0, 2):
            rows.append([f"study{number}", str(number % 2), str(frame)])
    return rows


def test_frames_of_dicom_files(tmp_path):
    rows = _dicom_rows(tmp_path)
    manifest = images.write_manifest(tmp_path, "path,label,frame", rows)
    config = images.folder_config(manifest)
    result = prepare.run(config, tmp_path / "run")
    assert result["stored_as"] == "uint16"
    assert sum(result["images"].values()) == 16
    # Frames of a file stay together, though no patient is named.
    assert sum(result["groups"].values()) == 8
    for name in ("train", "val", "test"):
        split = pipeline.open_split(config, tmp_path / "run", name)
        shown = np.rint((split.images(range(len(split))) + 1.0) * 32767.5)
        for id_, image in zip(split.ids, shown[..., 0], strict=True):
            number, frame = int(id_[5]), int(id_[-4:])
            assert id_ == f"study{number}-{frame:04d}"
            stored = images.random_pixels(3, 8, 8, dtype=np.uint16, seed=number)
            np.testing.assert_array_equal(image, stored[frame])
    # Nothing that tells who it is has come along.
    for file in (tmp_path / "run").rglob("*"):
        if file.is_file():
            assert dicoms.SECRET.encode() not in file.read_bytes()


def test_frames_that_are_not_there_or_not_named(tmp_path):
    rows = _dicom_rows(tmp_path)
    rows[0][2], rows[2][2], rows[4][2] = "", "one", "-1"
    rows[6] = list(rows[7])
    manifest = images.write_manifest(tmp_path, "path,label,frame", rows)
    message = _refused(manifest, tmp_path / "run")
    for reason in (
        "row 2: ",
        "study0 holds 3 frames; say which",
        "frame 'one' is not an integer",
        "frame is -1; count from 0",
        "path 'study3 2' is already in row 8",
    ):
        assert reason in message
    rows = _dicom_rows(tmp_path)
    rows[3][2] = "3"
    manifest = images.write_manifest(tmp_path, "path,label,frame", rows)
    assert "study1 has 3 frame(s), no 3" in _refused(manifest, tmp_path / "b")


def test_volumes_become_slices_of_one_patient(tmp_path):
    rows = []
    for number in range(6):
        voxels = images.random_pixels(8, 8, 10, seed=number)
        image = nibabel.Nifti1Image(voxels, np.eye(4))
        nibabel.save(image, tmp_path / f"brain{number}.nii.gz")
        rows.append([f"brain{number}.nii.gz", str(number % 2)])
    manifest = images.write_manifest(tmp_path, "path,label", rows)
    config = images.folder_config(manifest, slice_range=(0.2, 0.5))
    result = prepare.run(config, tmp_path / "run")
    assert sum(result["images"].values()) == 18
    assert sum(result["groups"].values()) == 6
    for name in ("train", "val", "test"):
        split = pipeline.open_split(config, tmp_path / "run", name)
        shown = np.rint((split.images(range(len(split))) + 1) * 127.5)
        for id_, image in zip(split.ids, shown[..., 0], strict=True):
            number, place = int(id_[5]), int(id_[-4:])
            assert id_ == f"brain{number}-s{place:04d}" and 2 <= place < 5
            voxels = images.random_pixels(8, 8, 10, seed=number)
            expected = voxels[::-1, ::-1, place].T
            np.testing.assert_array_equal(image, expected)


def test_the_intensities_are_written_down(tmp_path):
    rows = _dicom_rows(tmp_path)
    manifest = images.write_manifest(tmp_path, "path,label,frame", rows)
    for data, ends in (
        ({}, ["0.0", "65535.0"]),
        ({"intensity_range": (5.0, 600.0)}, ["5.0", "600.0"]),
    ):
        config = images.folder_config(manifest, **data)
        result = prepare.run(config, tmp_path / "run")
        assert result["intensity"]["intensity_range"] == (
            data.get("intensity_range")
        )
        index = tmp_path / "run" / "data" / "dataset" / "index.csv"
        with index.open(newline="") as file:
            read = [
                [row["black"], row["white"]] for row in csv.DictReader(file)
            ]
        assert read == [ends] * 16


# --- files that are left out


def _damage(folder: Path, rows: list[list[str]]) -> None:
    """One header and two images; the first, the fourth and the last."""
    (folder / rows[0][0]).write_text("no image")
    for number in (3, 23):
        _truncate(folder / rows[number][0])


def test_unreadable_files_are_left_out_on_request(tmp_path, caplog):
    rows = images.write_folder(tmp_path)
    _damage(tmp_path, rows)
    manifest = images.write_manifest(tmp_path, HEADER, rows)
    config = images.folder_config(manifest, skip_unreadable=True)
    result = prepare.run(config, tmp_path / "run")
    assert result["refused"] == 3
    assert sum(result["images"].values()) == 21
    assert any("3 file(s) or image(s)" in text for text in result["warnings"])
    seen = {}
    for name in ("train", "val", "test"):
        split = pipeline.open_split(config, tmp_path / "run", name)
        read = np.rint((split.images(range(len(split))) + 1) * 127.5)
        seen |= dict(zip(split.ids, read[..., 0], strict=True))
    # Every other image is there, and is itself.
    assert sorted(seen) == [
        f"image{n:02d}" for n in range(24) if n not in (0, 3, 23)
    ]
    for id_, pixels in seen.items():
        number = int(id_.removeprefix("image"))
        np.testing.assert_array_equal(
            pixels, images.random_pixels(8, 8, seed=number)
        )
    with (tmp_path / "run" / "data" / "refused.csv").open() as file:
        told = [(row["file"], row["reason"]) for row in csv.DictReader(file)]
    assert told[0] == ("image00.png", "is no PNG, JPEG or TIFF image")
    assert [file for file, _ in told[1:]] == ["image03", "image23"]
    # People are told which files they are.
    assert f"row 2: {tmp_path / 'image00.png'} is no PNG" in caplog.text
    assert f"row 5: {tmp_path / 'image03.png'} cannot be read" in caplog.text


def test_without_the_request_nothing_is_left_out(tmp_path):
    rows = images.write_folder(tmp_path)
    _damage(tmp_path, rows)
    manifest = images.write_manifest(tmp_path, HEADER, rows)
    assert "3 problem(s)" in _refused(manifest, tmp_path / "run")
    # Rows that are wrong are so in either case.
    rows[5][1] = "ill"
    manifest = images.write_manifest(tmp_path, HEADER, rows)
    told = _refused(manifest, tmp_path / "run", skip_unreadable=True)
    assert "1 problem(s)" in told and "row 7: " in told


def test_what_is_left_must_have_every_class(tmp_path):
    rows = images.write_folder(tmp_path)
    split = ["train"] * 8 + ["val"] * 8 + ["test"] * 8
    rows = [[*row, name] for row, name in zip(rows, split, strict=True)]
    for row in rows[8:16]:
        if row[1] == "1":
            _truncate(tmp_path / row[0])
    manifest = images.write_manifest(tmp_path, HEADER + ",split", rows)
    told = _refused(manifest, tmp_path / "run", skip_unreadable=True)
    assert "split 'val' has no image of 'positive'" in told
