"""The stage: which frames become which files, and that it goes on."""

import csv
import shutil
import subprocess
import sys

import numpy as np
import pydicom
import pytest
from PIL import Image

from configs import ihc
from jaxstyle import workdir
from jaxstyle.clinical import export, secondary_capture
from launch import common
from tests.clinical import made_render


class Killed(Exception):
    pass


def _exported(settings, root):
    """Its result, and its datasets by path."""
    result = export.run(settings, root)
    name = "dicom_images" if settings.walk.images else "dicom"
    folder = workdir.stage(settings, root, name).path
    paths = sorted(folder.rglob("*.dcm"))
    return result, {
        path.relative_to(folder).as_posix(): pydicom.dcmread(path)
        for path in paths
    }


def _bytes(folder):
    return {
        path.relative_to(folder): path.read_bytes()
        for path in folder.rglob("*.dcm")
    }


def _image(read, height, width):
    """The frame inside a canvas; a line has to end it below and above."""
    words = read.DerivationDescription.split()
    scale = int(words[words.index("x") - 1])
    top = int(words[words.index("row") + 1].rstrip(",")) - 1
    left = int(words[words.index("column") + 1].rstrip(".")) - 1
    inside = read.pixel_array[top:, left : left + width * scale]
    assert (read.pixel_array[top - 1] == 255).any()
    assert (inside[height * scale] == 255).all()
    return inside[: height * scale : scale, ::scale]


@pytest.mark.parametrize("channels", (1, 3))
def test_frames_are_exported_without_their_bars(channels, tmp_path):
    settings = made_render.config(channels)
    made_render.write(settings, tmp_path)
    result, files = _exported(settings, tmp_path)
    # The second image's reconstruction is judged differently.
    assert result == {"series": 2, "instances": 6, "left_out": 1}
    assert workdir.result(settings, tmp_path, "dicom") == result
    assert workdir.is_complete(settings, tmp_path, "dicom")
    assert list(files) == [
        f"case-{number}/0{frame}.dcm" for number in (0, 2) for frame in "012"
    ]
    for path, read in files.items():
        number, frame = int(path[5]), int(path[8])
        wanted = made_render.levels(number, frame, channels)
        wanted = wanted[..., 0] if channels == 1 else wanted
        shown = _image(read, *made_render.shown_size(number))
        np.testing.assert_array_equal(shown, wanted)


def test_cropped_images_have_no_bars(tmp_path):
    settings = made_render.config(fit="crop")
    stage = made_render.write(settings, tmp_path)
    _, files = _exported(settings, tmp_path)
    side = made_render.SIDE
    shown = _image(files["case-0/00.dcm"], side, side)
    with Image.open(stage.path / "frames/case-0/00.png") as frame:
        np.testing.assert_array_equal(shown, np.asarray(frame))


def test_each_image_is_a_series_in_a_study_of_its_own(tmp_path):
    settings = made_render.config()
    made_render.write(settings, tmp_path)
    _, files = _exported(settings, tmp_path)
    walks = [list(files.values())[:3], list(files.values())[3:]]
    for number, walk in zip((0, 2), walks, strict=True):
        for name in ("StudyInstanceUID", "SeriesInstanceUID", "PatientID"):
            assert len({read[name].value for read in walk}) == 1
        assert walk[0].PatientID == f"case-{number}"
        assert [read.InstanceNumber for read in walk] == [1, 2, 3]
        assert made_render.FINGERPRINT in walk[0].ImageComments
        for read, told in zip(walk, ("-1.5", "0", "0.25"), strict=True):
            assert f"lambda = {told} " in read.ImageComments
        for read, told in zip(walk, (0.125, 0.75, 0.875), strict=True):
            shown = f": {told:.3f}; on the original"
            assert shown in read.ImageComments
    # f decides otherwise on the first frame, which is a flip in one walk.
    roles = [[read.ImageType[3] for read in walk] for walk in walks]
    assert roles == [
        ["COUNTERFACTUAL", "RECONSTRUCTION", "WALK"],
        ["WALK", "RECONSTRUCTION", "WALK"],
    ]
    assert "Walk: flipped" in walks[0][0].ImageComments
    assert "Walk: no flip inside" in walks[1][0].ImageComments
    for name in ("StudyInstanceUID", "SeriesInstanceUID"):
        assert walks[0][0][name] != walks[1][0][name]
    assert len({read.SOPInstanceUID for read in files.values()}) == 6


def test_no_pixel_of_the_original_is_exported(tmp_path):
    settings = made_render.config()
    made_render.write(settings, tmp_path)
    _, files = _exported(settings, tmp_path)
    for path, read in files.items():
        shown = _image(read, *made_render.shown_size(int(path[5])))
        assert not (shown == made_render.ORIGINAL).any()


def test_a_second_run_writes_the_same_files(tmp_path):
    settings, contents = made_render.config(), []
    for name in ("one", "two"):
        made_render.write(settings, tmp_path / name)
        export.run(settings, tmp_path / name)
        contents.append(_bytes(tmp_path / name))
    assert len(contents[0]) == 6 and contents[0] == contents[1]


def test_it_goes_on_where_it_was_stopped(tmp_path, monkeypatch):
    settings = made_render.config()
    made_render.write(settings, tmp_path / "whole")
    made_render.write(settings, tmp_path / "run")
    expected = export.run(settings, tmp_path / "whole")
    save, saved = secondary_capture.save, []

    def dying(path, image):
        if len(saved) == 4:
            raise Killed
        saved.append(path)
        save(path, image)

    with monkeypatch.context() as patch:
        patch.setattr(secondary_capture, "save", dying)
        with pytest.raises(Killed):
            export.run(settings, tmp_path / "run")
    folder = tmp_path / "run" / "dicom"
    assert not workdir.is_complete(settings, tmp_path / "run", "dicom")
    # What is half written is no image's folder yet.
    assert (folder / "case-0").is_dir() and not (folder / "case-2").exists()
    saved.clear()
    monkeypatch.setattr(
        secondary_capture,
        "save",
        lambda path, image: (saved.append(path), save(path, image)),
    )
    assert export.run(settings, tmp_path / "run") == expected
    assert len(saved) == 3
    assert _bytes(folder) == _bytes(tmp_path / "whole" / "dicom")
    assert not list(folder.glob("*.draft"))


def test_other_frames_have_other_uids(tmp_path, caplog):
    """An archive would keep the old pixels under an old UID."""
    settings = made_render.config()
    made_render.write(settings, tmp_path)
    _, before = _exported(settings, tmp_path)
    shutil.rmtree(tmp_path / "render")
    made_render.write(settings, tmp_path, shift=1)
    _, after = _exported(settings, tmp_path)
    assert list(before) == list(after)
    for path, read in after.items():
        old = before[path]
        assert (read.pixel_array != old.pixel_array).any()
        assert read.StudyInstanceUID == old.StudyInstanceUID
        assert read.SeriesInstanceUID != old.SeriesInstanceUID
        assert read.SOPInstanceUID != old.SOPInstanceUID
    assert "other frames than before" in caplog.text


def test_walks_of_files_have_a_folder_of_their_own(tmp_path):
    settings = made_render.config(images="inbox")
    made_render.write(settings, tmp_path)
    result, files = _exported(settings, tmp_path)
    assert result["instances"] == len(files) == 6
    assert not (tmp_path / "dicom").exists()


def test_what_is_missing_or_damaged_is_named(tmp_path):
    settings = made_render.config()
    with pytest.raises(workdir.WorkdirError, match=r"launch\.render`"):
        export.run(settings, tmp_path)
    stage = made_render.write(settings, tmp_path)
    frame = stage.path / "frames" / "case-2" / "01.png"
    frame.write_bytes(frame.read_bytes()[:60])
    with pytest.raises(workdir.WorkdirError, match=r"case-2/01\.png cannot"):
        export.run(settings, tmp_path)
    assert not workdir.is_complete(settings, tmp_path, "dicom")


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda rows: [row[:1] + row[3:] for row in rows], "how large images"),
        (lambda rows: [rows[0], *rows[:0:-1]], "has case-0 where"),
    ],
)
def test_tables_that_do_not_fit_are_refused(change, message, tmp_path):
    settings = made_render.config()
    stage = made_render.write(settings, tmp_path)
    with stage.summary.open(newline="") as file:
        rows = list(csv.reader(file))
    with stage.summary.open("w", newline="") as file:
        csv.writer(file).writerows(change(rows))
    with pytest.raises(workdir.WorkdirError, match=message):
        export.run(settings, tmp_path)


def test_the_launcher(tmp_path):
    made_render.write(ihc.get_config("tiny"), tmp_path)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "launch.export_dicom"),
            *("--config=configs/ihc.py:tiny", f"--workdir={tmp_path}"),
        ],
        cwd=common.__file__.removesuffix("launch/common.py"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "export DICOM: 3/3 images" in done.stderr
    assert len(list((tmp_path / "dicom").rglob("*.dcm"))) == 6
