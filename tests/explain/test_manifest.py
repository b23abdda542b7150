"""The two tables after a kill at any byte."""

import csv
from pathlib import Path

import pytest

from jaxstyle.explain import manifest
from jaxstyle.explain.manifest import FRAME_FIELDS, IMAGE_FIELDS, Manifest


def _rows(name, count=3):
    image = {field: f"{name}-{field}" for field in IMAGE_FIELDS}
    image["image_id"] = name
    frames = [
        {field: f"{name}-{k}-{field}" for field in FRAME_FIELDS}
        | {"image_id": name, "frame": str(k)}
        for k in range(count)
    ]
    return image, frames


def _open(folder):
    return Manifest(folder / "manifest.csv", folder / "images.csv")


def _ids(folder):
    with (folder / "images.csv").open(newline="") as file:
        images = [row["image_id"] for row in csv.DictReader(file)]
    with (folder / "manifest.csv").open(newline="") as file:
        frames = [row["image_id"] for row in csv.DictReader(file)]
    return images, frames


def test_a_new_table_has_its_columns_and_keeps_its_rows(tmp_path):
    table = _open(tmp_path)
    assert table.done == set()
    for file, fields in (
        ("manifest.csv", FRAME_FIELDS),
        ("images.csv", IMAGE_FIELDS),
    ):
        assert (tmp_path / file).read_text() == ",".join(fields) + "\n"
    for name in "ab":
        table.add(*_rows(name))
    assert table.done == {"a", "b"}
    image, frames = _rows("b")
    assert list(manifest.read(tmp_path / "images.csv"))[1] == image
    assert list(manifest.read(tmp_path / "manifest.csv"))[3:] == frames
    before = [path.read_bytes() for path in sorted(tmp_path.iterdir())]
    assert _open(tmp_path).done == {"a", "b"}
    assert [path.read_bytes() for path in sorted(tmp_path.iterdir())] == before


@pytest.mark.parametrize("file", ["manifest.csv", "images.csv"])
def test_killed_at_any_byte(file, tmp_path):
    """Whatever was written of the last image goes, the others stay."""
    table = _open(tmp_path)
    table.add(*_rows("a"))
    start = {
        path: path.read_bytes()
        for path in (tmp_path / "manifest.csv", tmp_path / "images.csv")
    }
    table.add(*_rows("b"))
    whole = {path: path.read_bytes() for path in start}
    cut_path = tmp_path / file
    first, last = len(start[cut_path]), len(whole[cut_path])
    for cut in [0, 5, *range(first, last)]:
        # Frames come first: where they are cut, the image is not told yet.
        for path in start:
            path.write_bytes(whole[path])
        if file == "manifest.csv":
            (tmp_path / "images.csv").write_bytes(
                start[tmp_path / "images.csv"] if cut >= first else b""
            )
        cut_path.write_bytes(whole[cut_path][:cut])
        table = _open(tmp_path)
        assert table.done == ({"a"} if cut >= first else set())
        for name in ("a", "b", "c"):
            if name not in table.done:
                table.add(*_rows(name))
        images, frames = _ids(tmp_path)
        assert images == ["a", "b", "c"]
        assert frames == ["a"] * 3 + ["b"] * 3 + ["c"] * 3


def test_a_table_of_other_columns_is_begun_anew(tmp_path):
    (tmp_path / "images.csv").write_text("image_id,old\na,1\n")
    assert _open(tmp_path).done == set()
    assert _ids(tmp_path) == ([], [])


def test_carried_columns_are_part_of_the_table(tmp_path):
    """A table that has others of them is begun anew."""
    paths = tmp_path / "manifest.csv", tmp_path / "images.csv"
    image, frames = _rows("a")
    carried = ("column.age", "column.site")
    cells = {"column.age": "61", "column.site": "x, y"}
    Manifest(*paths, carried).add(image | cells, frames)
    assert Manifest(*paths, carried).done == {"a"}
    rows = list(manifest.read(paths[1]))
    assert rows == [image | cells]
    assert list(rows[0]) == [*IMAGE_FIELDS, *carried]
    cut = paths[1].read_bytes()[:-2]
    paths[1].write_bytes(cut)
    assert Manifest(*paths, carried).done == set()
    Manifest(*paths, carried).add(image | cells, frames)
    assert Manifest(*paths, carried[:1]).done == set()


def _part(folder, index):
    return Manifest(
        *(
            manifest.part(folder / name, index)
            for name in ("manifest.csv", "images.csv")
        )
    )


def _gather(folder):
    manifest.gather(folder / "manifest.csv", folder / "images.csv")


def test_parts_are_gathered_in_the_order_of_processes(tmp_path):
    _open(tmp_path).add(*_rows("a"))
    # More than ten: by number, not by name.
    for index, name in ((10, "d"), (2, "c"), (0, "b")):
        _part(tmp_path, index).add(*_rows(name))
    _gather(tmp_path)
    assert _ids(tmp_path) == (list("abcd"), [n for n in "abcd" for _ in "123"])
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"manifest.csv", "images.csv"}
    before = _ids(tmp_path)
    _gather(tmp_path)
    assert _ids(tmp_path) == before


def test_killed_while_gathering(tmp_path, monkeypatch):
    """At any table and any file: nothing is lost, nothing is there twice."""
    expected = (list("abc"), [n for n in "abc" for _ in "123"])
    for stopped_at in range(20):
        folder = tmp_path / str(stopped_at)
        folder.mkdir()
        parts = (_part(folder, 0), _part(folder, 1))
        for part, name in zip((*parts, parts[1]), "abc", strict=True):
            part.add(*_rows(name))
        acts = iter(range(stopped_at, -1, -1))

        def counted(act, acts=acts):
            def acting(*given):
                if next(acts) == 0:
                    raise KeyboardInterrupt
                return act(*given)

            return acting

        finished = False
        with monkeypatch.context() as patch:
            patch.setattr(manifest, "_append", counted(manifest._append))
            patch.setattr(Path, "unlink", counted(Path.unlink))
            try:
                _gather(folder)
                finished = True
            except KeyboardInterrupt:
                pass
        _gather(folder)
        assert _ids(folder) == expected, stopped_at
        if finished:
            break
    # 3 images into 2 tables each, and 4 files deleted.
    assert stopped_at == 10
