"""Whatever happens to the files, the newest whole checkpoint is found."""

import collections
import logging
import os
import shutil

import numpy as np
import pytest

from jaxstyle import checkpoints
from jaxstyle.checkpoints import checksums, folder
from tests.checkpoints import on_disk


def _assert_whole_or_older(path, caplog, what):
    """Exactly the newest, or exactly the older one with a warning."""
    caplog.clear()
    restored = on_disk.restore(path)
    if on_disk.is_number(restored, 2):
        assert on_disk.names(path) == ["1", "2"], what
        return False
    assert on_disk.is_number(restored, 1), what
    newest = path / "checkpoints" / "2"
    told = [
        record.getMessage()
        for record in caplog.records
        if record.levelno == logging.WARNING
        and f"{newest} is damaged" in record.getMessage()
    ]
    aside = path / "checkpoints.damaged" / "2"
    assert len(told) == 1 and str(aside) in told[0], what
    assert aside.exists() and not newest.exists(), what
    # Training comes to the same step again.
    on_disk.save(path, 2)
    assert on_disk.is_number(on_disk.restore(path), 2), what
    return True


@pytest.mark.parametrize("damage", on_disk.DAMAGES)
def test_any_damaged_file_gives_the_newest_or_the_older_one(
    two, tmp_path, caplog, damage
):
    newest = two / "checkpoints" / "2"
    files = [p.relative_to(newest) for p in newest.rglob("*") if p.is_file()]
    assert len(files) > 10
    fell_back = collections.Counter()
    for number, file in enumerate(files):
        copy = tmp_path / str(number)
        shutil.copytree(two, copy)
        on_disk.DAMAGES[damage](copy / "checkpoints" / "2" / file)
        what = f"{file} {damage}"
        fell_back[file.parts[0]] += _assert_whole_or_older(copy, caplog, what)
    # The record, and of the state at least its structure and both kinds of
    # data, cannot be done without.
    assert fell_back["record"] >= 1
    assert fell_back["state"] >= 3


def test_any_deleted_folder_gives_the_newest_or_the_older_one(
    two, tmp_path, caplog
):
    newest = two / "checkpoints" / "2"
    folders = [p.relative_to(newest) for p in newest.rglob("*") if p.is_dir()]
    for number, folder_name in enumerate(folders):
        copy = tmp_path / str(number)
        shutil.copytree(two, copy)
        shutil.rmtree(copy / "checkpoints" / "2" / folder_name)
        fell_back = _assert_whole_or_older(copy, caplog, folder_name)
        assert fell_back or folder_name.parts[0] == "state"


def test_an_emptied_checkpoint_gives_the_older_one(two, tmp_path, caplog):
    copy = tmp_path / "run"
    shutil.copytree(two, copy)
    newest = copy / "checkpoints" / "2"
    shutil.rmtree(newest)
    newest.mkdir()
    assert _assert_whole_or_older(copy, caplog, "emptied")


def test_a_checkpoint_that_is_a_file_gives_the_older_one(two, tmp_path, caplog):
    copy = tmp_path / "run"
    shutil.copytree(two, copy)
    newest = copy / "checkpoints" / "2"
    shutil.rmtree(newest)
    newest.write_text("")
    assert _assert_whole_or_older(copy, caplog, "a file")


@pytest.mark.parametrize("item", [folder.STATE, folder.RECORD])
def test_what_orbax_reads_without_complaint_is_still_checked(
    two, tmp_path, caplog, item
):
    """A whole item of another checkpoint: only the checksums can tell."""
    copy = tmp_path / "run"
    shutil.copytree(two, copy)
    newest = copy / "checkpoints" / "2"
    shutil.rmtree(newest / item)
    shutil.copytree(copy / "checkpoints" / "1" / item, newest / item)
    assert _assert_whole_or_older(copy, caplog, item)
    assert "is altered" in caplog.text


def test_a_position_that_was_altered_gives_the_older_one(two, tmp_path, caplog):
    """It is JSON of the right kind still: only its checksum can tell."""
    copy = tmp_path / "run"
    shutil.copytree(two, copy)
    record = copy / "checkpoints" / "2" / "record" / "metadata"
    text = record.read_text()
    altered = text.replace(r"{\"next\": 2}", r"{\"next\": 3}")
    assert altered != text
    record.write_text(altered)
    assert _assert_whole_or_older(copy, caplog, "altered")


def test_the_run_that_fell_back_saves_the_same_step_again(two, tmp_path):
    copy = tmp_path / "run"
    shutil.copytree(two, copy)
    on_disk.flip(copy / "checkpoints" / "2" / "record" / "metadata")
    saver, position = on_disk.series(copy), on_disk.Position()
    assert on_disk.same(
        saver.restore_latest(on_disk.state(0), position), on_disk.state(1)
    )
    for step in (2, 3):
        saver.save(step, on_disk.state(step), on_disk.Position(step))
    saver.close()
    assert on_disk.names(copy) == ["2", "3"]
    assert on_disk.is_number(on_disk.restore(copy), 3)


def test_a_damaged_older_one_is_not_in_the_way(two, tmp_path):
    copy = tmp_path / "run"
    shutil.copytree(two, copy)
    for file in (copy / "checkpoints" / "1").rglob("*"):
        if file.is_file():
            on_disk.half(file)
    assert on_disk.is_number(on_disk.restore(copy), 2)
    on_disk.save(copy, 3)
    assert on_disk.names(copy) == ["2", "3"]
    assert not (copy / "checkpoints.damaged").exists()


def test_none_whole_is_an_error_that_moves_nothing(two, tmp_path):
    copy = tmp_path / "run"
    shutil.copytree(two, copy)
    for step in ("1", "2"):
        on_disk.flip(copy / "checkpoints" / step / "record" / "metadata")
    # Twice: a run that is started again by itself must not begin anew.
    for _ in range(2):
        with pytest.raises(
            checkpoints.DamagedError,
            match=r"checkpoints/2 is damaged.*checkpoints/1 is damaged.*"
            r"Move that folder away, and .* starts from the beginning",
        ):
            on_disk.restore(copy)
        assert not (copy / "checkpoints.damaged").exists()
        assert on_disk.names(copy) == ["1", "2"]
    # As told.
    (copy / "checkpoints").rename(tmp_path / "away")
    position = on_disk.Position(7)
    saver, state = on_disk.series(copy), on_disk.state(0)
    assert saver.restore_latest(state, position) is state
    saver.close()
    assert position.at == 7


def test_damaged_ones_of_the_same_step_lie_side_by_side(tmp_path):
    for _ in range(2):
        on_disk.save(tmp_path, 1, 2)
        on_disk.flip(tmp_path / "checkpoints" / "2" / "record" / "metadata")
        assert on_disk.is_number(on_disk.restore(tmp_path), 1)
        shutil.rmtree(tmp_path / "checkpoints")
    assert sorted(os.listdir(tmp_path / "checkpoints.damaged")) == [
        "2",
        "2.1",
    ]


@pytest.mark.parametrize("error", [MemoryError, PermissionError])
def test_other_failures_are_no_damage(two, tmp_path, monkeypatch, error):
    copy = tmp_path / "run"
    shutil.copytree(two, copy)

    def fail(*args):
        raise error

    monkeypatch.setattr(checksums, "require_unaltered", fail)
    with pytest.raises(error):
        on_disk.restore(copy)
    assert on_disk.names(copy) == ["1", "2"]


def test_checksums_are_of_bytes_type_and_shape():
    """CRC-32 of a reference: RFC 1952 section 8, bit by bit."""
    leaf = np.asarray([[1.5, -2.0]], np.float32)
    register = 0xFFFFFFFF
    for byte in leaf.tobytes():
        register ^= byte
        for _ in range(8):
            register = (register >> 1) ^ (0xEDB88320 if register & 1 else 0)
    record = checksums.record({"a": [leaf]}, {"next": 3})
    leaves, position = checksums.opened(record)
    assert leaves == {"a/0": ["float32[1, 2]", register ^ 0xFFFFFFFF]}
    assert position == {"next": 3}
    for other in (leaf.view(np.int32), leaf.T, leaf + np.float32(1e-7)):
        with pytest.raises(ValueError, match="a/0 is altered"):
            checksums.require_unaltered(leaves, {"a": [other]})
