"""From a pseudonym back to the file, and who may not come along."""

import csv
import dataclasses
import logging

import numpy as np
import pytest
from PIL import Image

from jaxstyle import pipeline as stages
from jaxstyle import workdir
from jaxstyle.config import WalkConfig
from jaxstyle.data import pipeline, prepare, problems, pseudonyms
from jaxstyle.explain import look_up, render
from tests.data import dicoms, images
from tests.launch import processes, stripes

HEADER = "path,label,patient"


def test_files_of_the_manifest_and_of_a_folder(tmp_path):
    rows = images.write_folder(tmp_path / "in")
    manifest = images.write_manifest(tmp_path / "in", HEADER, rows)
    config = images.folder_config(manifest, pseudonyms=True)
    root = tmp_path / "run"
    prepare.run(config, root)
    split = pipeline.open_split(config, root, "test")
    for id_, group, image in zip(
        split.ids, split.groups, split.images(range(len(split))), strict=True
    ):
        (path,) = look_up.run(config, root, id_).values()
        with Image.open(path) as file:
            pixels = np.asarray(file)
        np.testing.assert_array_equal(
            np.rint((image[..., 0] + 1) * 127.5), pixels
        )
        theirs = look_up.run(config, root, group)
        assert len(theirs) == 2 and path in theirs.values()
    Image.fromarray(pixels).save(tmp_path / "new.png")
    (tmp_path / "list.txt").write_text("new.png\n")
    config.walk = WalkConfig(images=str(tmp_path / "list.txt"))
    id_ = pseudonyms.existing(root).of("new.png")
    for wanted in (id_, f"{id_}-f0012"):
        found = look_up.run(config, root, wanted)
        assert found == {"1": str(tmp_path / "new.png")}
    with pytest.raises(problems.DataError, match="has the id 'abc'"):
        look_up.run(config, root, "abc")
    workdir.salt(root).unlink()
    with pytest.raises(workdir.WorkdirError, match="salt is missing"):
        look_up.run(config, root, id_)


def test_rows_of_arrays(tmp_path):
    config = stripes.config("npz", stripes.save(tmp_path), "w")
    root = tmp_path / "run"
    prepare.run(config, root)
    group = pipeline.open_split(config, root, "test").groups[0]
    found = look_up.run(config, root, group)
    patients = stripes.tiles()[2]
    rows = [int(told.split()[1]) for told in found.values()]
    assert len(rows) == 2 and len({patients[row] for row in rows}) == 1
    assert all(str(config.data.path) in told for told in found.values())


def test_the_launcher(tmp_path):
    path = stripes.save(tmp_path)
    config = stripes.get_config(str(path))
    prepare.run(config, tmp_path / "run")
    group = pipeline.open_split(config, tmp_path / "run", "val").groups[0]
    (said,) = processes.succeed(
        "launch.look_up",
        f"--config=tests/launch/stripes.py:{path}",
        f"--workdir={tmp_path / 'run'}",
        f"--id={group}",
    )
    assert f"of {path}" in said


# --- identifiers in every field

SECRETS = (
    *("Muellerowna", "Quixotefile", "Case0815X", "PatX4711"),
    *("Xanadu^Hospital", "19501231", "Secretname", "Newcomerova"),
)


def _planted(folder):
    """Tiles as DICOM, PNG and damaged files, whose names tell who it is."""
    tiles, labels, patients = stripes.tiles()
    rows = []
    for n, pixels in enumerate(tiles):
        name = f"Muellerowna/Quixotefile-{n}"
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if n % 2:
            Image.fromarray(pixels).save(folder / f"{name}.png")
            name += ".png"
        else:
            _save_dicom(folder / name, pixels)
        case = f"Case0815X-{n}"
        patient = f"PatX4711-{patients[n]}"
        rows.append([name, str(labels[n]), patient, case])
    for name in (rows[0][0], rows[1][0]):
        whole = (folder / name).read_bytes()
        (folder / name).write_bytes(whole[:-30])
    return images.write_manifest(folder, "path,label,patient,id", rows)


def _save_dicom(path, pixels):
    dicoms.save(
        path,
        dicoms.made(
            pixels,
            PatientBirthDate="19501231",
            InstitutionName="Xanadu^Hospital",
            InstitutionAddress="Xanadu^Hospital, 19501231",
            ReferringPhysicianName="Xanadu^Hospital",
            StudyID="PatX4711",
            AccessionNumber="PatX4711",
            StudyDescription="Secretname 19501231",
            ImageComments="Secretname",
        ),
    )


def _newcomers(folder):
    """Other files for the finished run, one of them damaged."""
    folder.mkdir()
    tiles = stripes.tiles()[0]
    Image.fromarray(tiles[0]).save(folder / "Newcomerova-1.png")
    _save_dicom(folder / "Newcomerova-2", tiles[1])
    whole = (folder / "Newcomerova-1.png").read_bytes()
    (folder / "Newcomerova-3.png").write_bytes(whole[:-30])
    (folder / "Newcomerova-4.png").write_bytes(b"no image")


def test_no_identifier_is_written_anywhere(tmp_path, caplog):
    """All stages, the page included; then files that came later."""
    caplog.set_level(logging.INFO)
    manifest = _planted(tmp_path / "in")
    config = stripes.config("folder", manifest, "w", stripes.BLACK_BOX)
    config.data.skip_unreadable = True
    root = tmp_path / "run"
    stages.run(config, root)
    _newcomers(tmp_path / "new")
    walk = dataclasses.replace(config.walk, images=str(tmp_path / "new"))
    walked = dataclasses.replace(config, walk=walk)
    result = render.run(walked, root)
    assert (result["images"], result["refused"]) == (2, 2)
    assert workdir.result(config, root, "data")["refused"] == 2
    files = [path for path in root.rglob("*") if path.is_file()]
    assert {"index.html", "index.csv", "refused.csv", "images.csv"} <= {
        path.name for path in files
    }
    for path in files:
        told = path.read_bytes() + str(path.relative_to(root)).encode()
        for secret in SECRETS:
            assert secret.encode() not in told, (path, secret)
    # What is told while all goes well names nobody either.
    info = [r for r in caplog.records if r.levelno <= logging.INFO]
    told = "\n".join(record.getMessage() for record in info)
    assert "prepared" in told
    assert not [secret for secret in SECRETS if secret in told]
    with (root / "render_images" / "images.csv").open(newline="") as file:
        ids = [row["image_id"] for row in csv.DictReader(file)]
    of = pseudonyms.existing(root).of
    assert ids == [of("Newcomerova-1.png"), of("Newcomerova-2")]
