"""Names become hashes that nobody can turn back without the salt."""

import csv
import hashlib
import hmac
import json
import os
import stat
import string

import numpy as np
import pytest

from jaxstyle import workdir
from jaxstyle.config import Config, DataConfig
from jaxstyle.data import npz, pipeline, prepare, pseudonyms
from jaxstyle.data.problems import DataError
from tests import fake_processes
from tests.data import dicoms, images

HEADER = "path,label,patient"


def _config(manifest, **data):
    return images.folder_config(manifest, **{"pseudonyms": True} | data)


def _opened(config, root):
    """Entries by id."""
    return {e.id: e for e in prepare.open_source(config, root).entries}


def _reference(root, name):
    """RFC 2104 by hand: H((key ^ opad) + H((key ^ ipad) + text))."""
    salt = bytes.fromhex((root / "salt").read_text().strip())
    key = salt.ljust(64, b"\0")
    inner = hashlib.sha256(bytes(b ^ 0x36 for b in key) + name.encode())
    outer = bytes(b ^ 0x5C for b in key) + inner.digest()
    return hashlib.sha256(outer).hexdigest()[:12]


def test_the_salt_is_secret_whole_and_made_once(tmp_path):
    config = _config("manifest.csv")
    root = tmp_path / "run"
    before = os.umask(0)
    try:
        known = pseudonyms.load(config, root)
    finally:
        os.umask(before)
    path = workdir.salt(root)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    text = path.read_text()
    assert len(text) == 65 and set(text[:-1]) <= set(string.hexdigits)
    assert [file.name for file in root.iterdir()] == ["salt"]
    again = pseudonyms.load(config, root)
    assert path.read_text() == text
    for name in ("p0", "ä/b.png", "\udcff.png"):
        assert known.of(name) == again.of(name)
    assert known.of("p0") == _reference(root, "p0")
    # Another run, other pseudonyms.
    other = pseudonyms.load(config, tmp_path / "other")
    assert other.of("p0") != known.of("p0")
    assert pseudonyms.load(_config("x", pseudonyms=False), "nowhere") is None


def test_a_damaged_or_missing_salt_is_told(tmp_path):
    with pytest.raises(workdir.WorkdirError, match="looked up any more"):
        pseudonyms.existing(tmp_path)
    for text in ("", "abc\n", "g" * 64 + "\n", "a" * 64):
        workdir.salt(tmp_path).write_text(text)
        for read in (
            lambda: pseudonyms.existing(tmp_path),
            lambda: pseudonyms.load(_config("x"), tmp_path),
        ):
            with pytest.raises(workdir.WorkdirError, match="salt is damaged"):
                read()


def test_the_first_process_makes_the_salt_for_all(tmp_path, monkeypatch):
    processes = fake_processes.Processes(monkeypatch)
    config, told = _config("x"), []
    for index in (0, 1):
        with processes.acting(index):
            told.append(pseudonyms.load(config, tmp_path).of("p0"))
        # What another process asks for, it is told: not read.
        workdir.salt(tmp_path).unlink(missing_ok=True)
    assert told[0] == told[1]


def test_two_names_never_share_a_pseudonym(monkeypatch):
    class Always:
        def hexdigest(self):
            return "0" * 64

    known = pseudonyms.Pseudonyms(b"salt")
    monkeypatch.setattr(hmac, "new", lambda *_: Always())
    assert known.of("a") == known.of("a") == "0" * 12
    with pytest.raises(DataError, match="another --workdir"):
        known.of("b")


def test_images_and_patients_of_a_folder(tmp_path):
    rows = images.write_folder(tmp_path)
    manifest = images.write_manifest(tmp_path, HEADER, rows)
    root = tmp_path / "run"
    config = _config(manifest)
    result = prepare.run(config, root)
    assert result["origin"] == "manifest.csv"
    expected = {
        _reference(root, path): (_reference(root, patient), int(label))
        for path, label, patient in rows
    }
    seen = {}
    for name in ("train", "val", "test"):
        split = pipeline.open_split(config, root, name)
        told = zip(split.groups, split.labels.tolist(), strict=True)
        seen |= dict(zip(split.ids, told, strict=True))
    assert seen == expected


def test_splits_do_not_depend_on_the_salt(tmp_path):
    """Nor does anything else: the same images under other names."""
    rows = images.write_folder(tmp_path)
    for header in (HEADER, "path,label"):
        columns = header.count(",") + 1
        cut = [row[:columns] for row in rows]
        manifest = images.write_manifest(tmp_path, header, cut)
        named = prepare.open_source(
            _config(manifest, pseudonyms=False), tmp_path
        )
        hashed = prepare.open_source(_config(manifest), tmp_path / "a")
        told = [
            [(e.label, e.split) for e in source.entries]
            for source in (named, hashed)
        ]
        assert told[0] == told[1]
        groups = [[e.group for e in s.entries] for s in (named, hashed)]
        pairs = set(zip(*groups, strict=True))
        assert len(pairs) == len(set(groups[0])) == len(set(groups[1]))
        assert not set(groups[0]) & set(groups[1])


def test_given_ids_and_frames(tmp_path):
    rows = []
    for number in range(8):
        stored = images.random_pixels(3, 8, 8, dtype=np.uint16, seed=number)
        dicoms.save(tmp_path / f"study{number}", dicoms.made(stored))
        for frame in (0, 2):
            rows.append([f"study{number}", str(number % 2), str(frame)])
    manifest = images.write_manifest(tmp_path, "path,label,frame", rows)
    root = tmp_path / "run"
    entries = _opened(_config(manifest), root)
    assert set(entries) == {
        f"{_reference(root, path)}-{int(frame):04d}" for path, _, frame in rows
    }
    assert all(e.group == f"{id_[:12]}-0000" for id_, e in entries.items())
    rows = [[*row, f"case {n}"] for n, row in enumerate(rows)]
    manifest = images.write_manifest(tmp_path, "path,label,frame,id", rows)
    assert set(_opened(_config(manifest), root)) == {
        _reference(root, f"case {n}") for n in range(16)
    }


def test_arrays_with_and_without_names(tmp_path):
    root = tmp_path / "run"
    path = tmp_path / "a.npz"
    data = DataConfig(source="npz", path=str(path), resolution=8, channels=1)
    config = Config(data=data)
    arrays = {
        "image": images.random_pixels(12, 8, 8),
        "label": np.arange(12) % 2,
        "split": np.repeat(["train", "val", "test"], 4),
    }
    np.savez(path, **arrays)
    # Numbers name nobody: no salt is made.
    assert list(_opened(config, root)) == [f"{n:06d}" for n in range(12)]
    assert not root.exists()
    patients = np.array([f"{n:06d}" for n in range(11, -1, -1)])
    np.savez(path, **arrays, patient=patients)
    entries = _opened(config, root)
    assert list(entries) == [f"{n:06d}" for n in range(12)]
    assert [e.group for e in entries.values()] == [
        _reference(root, patient) for patient in patients
    ]
    names = np.array([f"scan {n // 2}".encode() for n in range(12)])
    np.savez(path, **arrays, patient=patients, name=names)
    ids = [_reference(root, f"scan {n}") for n in range(6)]
    assert list(_opened(config, root)) == [
        id_ + mark for id_ in ids for mark in ("", "-2")
    ]
    assert [name.image for name in npz.names(path)] == [
        name.decode() for name in names
    ]


@pytest.mark.parametrize(
    "name",
    [
        *("PatientName", "patient_name", "surname", "lastname"),
        *("birth", "BirthDate", "date_of_birth", "DOB", "mrn", "hospital-mrn"),
        *("ssn", "Address", "phone_number", "InstitutionName", "hospital"),
        *("study_date", "StudyInstanceUID", "e-mail", "AccessionNumber"),
        *("PatientID", "subject_id", "StudyID", "filename", "birthdate"),
    ],
)
def test_columns_that_tell_who_it_is_are_refused(tmp_path, name):
    rows = [[*row, "x"] for row in images.write_folder(tmp_path)]
    manifest = images.write_manifest(tmp_path, f"{HEADER},{name}", rows)
    root = tmp_path / "run"
    with pytest.raises(DataError, match=rf"column '{name}' may tell who"):
        prepare.open_source(_config(manifest, columns=(name,)), root)
    public = _config(manifest, columns=(name,), pseudonyms=False)
    assert prepare.open_source(public, root).entries[0].columns == {name: "x"}


@pytest.mark.parametrize(
    "name",
    [
        *("age", "sex", "scanner", "site", "view", "kvp", "manufacturer"),
        *("opacity", "eccentricity", "velocity", "candidate", "update"),
    ],
)
def test_other_columns_are_taken(tmp_path, name):
    assert not pseudonyms.identifying(name)


@pytest.mark.parametrize(
    ("cells", "are"),
    [
        (["2024-01-31", "", "1999-12-01"], True),
        (["20240131", "19991201"], True),
        (["20240131121530.123+0100"], True),
        (["2024-01-31T12:15:30"], True),
        (["20240131", "unknown"], True),
        (["20240131", "unknown", "none"], False),
        (["31.1.2024", "1.02.1999"], True),
        (["31/01/2024"], True),
        (["3/4"], False),
        (["20241331"], False),
        (["63", "71"], False),
        (["00010101"], False),
        (["", ""], False),
    ],
)
def test_dates_are_told_by_their_looks(tmp_path, cells, are):
    assert pseudonyms.are_dates(cells) == are
    rows = images.write_folder(tmp_path)
    rows = [[*row, cells[n % len(cells)]] for n, row in enumerate(rows)]
    manifest = images.write_manifest(tmp_path, f"{HEADER},when", rows)
    config = _config(manifest, columns=("when",))
    if are:
        with pytest.raises(DataError, match="column 'when' holds dates"):
            prepare.open_source(config, tmp_path / "run")
    else:
        prepare.open_source(config, tmp_path / "run")


def test_dates_in_arrays(tmp_path):
    path = tmp_path / "a.npz"
    arrays = {
        "image": images.random_pixels(12, 8, 8),
        "label": np.arange(12) % 2,
        "split": np.repeat(["train", "val", "test"], 4),
    }
    for when in (np.full(12, 20240131), np.full(12, 20240131.0)):
        np.savez(path, **arrays, when=when)
        data = DataConfig(source="npz", path=str(path), columns=("when",))
        with pytest.raises(DataError, match="column 'when' holds dates"):
            npz.open_source(Config(data=data))


def test_what_is_left_out_is_named_by_its_pseudonym(tmp_path, caplog):
    rows = images.write_folder(tmp_path)
    (tmp_path / rows[0][0]).write_text("no image")
    cut = (tmp_path / rows[3][0]).read_bytes()[:-30]
    (tmp_path / rows[3][0]).write_bytes(cut)
    manifest = images.write_manifest(tmp_path, HEADER, rows)
    root = tmp_path / "run"
    prepare.run(_config(manifest, skip_unreadable=True), root)
    with (root / "data" / "refused.csv").open(newline="") as file:
        refused = list(csv.DictReader(file))
    assert [row["file"] for row in refused] == [
        _reference(root, rows[n][0]) for n in (0, 3)
    ]
    assert "image00" not in json.dumps(refused)
    # On the terminal people see which.
    assert "image00.png" in caplog.text and "image03.png" in caplog.text
