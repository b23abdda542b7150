"""Parquet manifests are CSV manifests of the same table."""

import builtins
import decimal
import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jaxstyle.data import folder, manifest, parquet, pipeline, prepare
from jaxstyle.data.problems import DataError
from tests.data import images

HEADER = "path,label,patient,age,weight,scanner,smoker,empty"
COLUMNS = tuple(HEADER.split(",")[3:])
AGES = [
    None if i == 3 else float("nan") if i == 4 else i / 2 for i in range(24)
]
WEIGHTS = [None if i == 9 else 0.1 * i for i in range(24)]
SCANNERS = [None if i == 5 else f"scanner, {i % 3}" for i in range(24)]
SMOKERS = [None if i == 7 else i % 5 == 0 for i in range(24)]


def _table(rows, **changes) -> pa.Table:
    """The rows of `images.write_folder`, with columns of many types."""
    paths, labels, patients = zip(*rows, strict=True)
    columns = {
        "path": pa.array(paths),
        "label": pa.array(map(int, labels), pa.int8()),
        "patient": pa.array(patients, pa.large_string()),
        "age": pa.array(AGES, pa.float64()),
        "weight": pa.array(WEIGHTS, pa.float32()),
        "scanner": pa.array(SCANNERS).dictionary_encode(),
        "smoker": pa.array(SMOKERS),
        "empty": pa.nulls(len(rows)),
    }
    return pa.table(columns | changes)


def _csv_rows(rows) -> list[list[str]]:
    """The same table, written by hand."""
    out = []
    for i, row in enumerate(rows):
        age = "" if i in (3, 4) else str(i / 2)
        weight = "" if i == 9 else str(np.float32(0.1 * i))
        scanner = "" if i == 5 else f'"scanner, {i % 3}"'
        smoker = "" if i == 7 else str(int(i % 5 == 0))
        out.append([*row, age, weight, scanner, smoker, ""])
    return out


def _written(table: pa.Table, **options) -> bytes:
    file = io.BytesIO()
    pq.write_table(table, file, **options)
    return file.getvalue()


def _read(path, carried=()):
    return manifest.read(path, carried)[0]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"compression": "none", "row_group_size": 5},
        {"compression": "zstd", "data_page_version": "2.0"},
        {"use_dictionary": False, "store_schema": False},
    ],
)
def test_parquet_and_csv_of_a_table_are_the_same(tmp_path, options):
    rows = images.write_folder(tmp_path)
    csv_path = images.write_manifest(tmp_path, HEADER, _csv_rows(rows))
    # Told by its suffix, or by its content alone.
    for name in ("table.parquet", "table.csv"):
        path = tmp_path / name
        path.write_bytes(_written(_table(rows), **options))
        sources = [
            folder.open_source(images.folder_config(file, columns=COLUMNS))
            for file in (path, csv_path)
        ]
        assert sources[0].entries == sources[1].entries
        assert len(sources[0].entries) == 24
        columns = sources[0].entries[3].columns
        # float64 of the words that a float32 has: 0.3, not 0.30000001192...
        assert columns["age"] is None and columns["weight"] == 0.3
    assert [row.line for row in _read(path, COLUMNS)] == list(range(1, 25))
    lines = [row.line for row in _read(csv_path, COLUMNS)]
    assert lines == list(range(2, 26))


def test_columns_of_parquet_reach_the_prepared_split(tmp_path):
    rows = images.write_folder(tmp_path)
    path = tmp_path / "table.parquet"
    path.write_bytes(_written(_table(rows)))
    config = images.folder_config(path, columns=COLUMNS)
    prepare.run(config, tmp_path / "run")
    seen = 0
    for name in ("train", "val", "test"):
        split = pipeline.open_split(config, tmp_path / "run", name)
        for place, id_ in enumerate(split.ids):
            number = int(id_.removeprefix("image"))
            age = split.columns["age"][place]
            assert np.isnan(age) if number in (3, 4) else age == number / 2
            assert split.columns["scanner"][place] == SCANNERS[number] or (
                number == 5 and split.columns["scanner"][place] == ""
            )
            seen += 1
    assert seen == 24


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pa.array([1, None], pa.uint64()), ["1", ""]),
        (pa.array([2**63, 0], pa.uint64()), [str(2**63), "0"]),
        (pa.array([0.1, None], pa.float32()), ["0.1", ""]),
        (pa.array([1.5, float("inf")]), ["1.5", "inf"]),
        (pa.array([True, False]), ["1", "0"]),
        (pa.array([" a ", None], pa.string_view()), ["a", ""]),
        (pa.array([decimal.Decimal("1.50"), None]), ["1.50", ""]),
        (pa.array([7, 7]).dictionary_encode(), ["7", "7"]),
        (pa.nulls(2), ["", ""]),
    ],
)
def test_cells_of_each_type(tmp_path, values, expected):
    path = tmp_path / "table.parquet"
    table = pa.table({"path": ["a", "b"], "label": [0, 1], "x": values})
    path.write_bytes(_written(table))
    rows = _read(path, ("x",))
    assert [row.columns["x"] for row in rows] == expected


def test_half_floats(tmp_path):
    values = pa.array(np.array([0.5, 2.0], np.float16))
    path = tmp_path / "table.parquet"
    table = pa.table({"path": ["a", "b"], "label": [0, 1], "x": values})
    path.write_bytes(_written(table))
    assert [row.columns["x"] for row in _read(path, ("x",))] == ["0.5", "2.0"]


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (pa.array([[1], [2]]), "list<"),
        (pa.array([{"a": 1}, {"a": 2}]), "struct<"),
        (pa.array([[("a", 1)], []], pa.map_("string", "int8")), "map<"),
        (pa.array([b"a", b"b"]), "binary"),
        (pa.array([0, 1], pa.timestamp("ns")), "timestamp[ns]"),
        (
            pa.array([b"0" * 16, b"1" * 16], pa.uuid()),
            "extension<arrow.uuid>",
        ),
    ],
)
def test_other_types_are_refused_by_name(tmp_path, values, told):
    path = tmp_path / "table.parquet"
    table = pa.table({"path": ["a", "b"], "label": values, "x": values})
    path.write_bytes(_written(table))
    with pytest.raises(DataError) as error:
        manifest.read(path, ("x",))
    assert len(error.value.problems) == 2
    for name, text in zip(("label", "x"), error.value.problems, strict=True):
        assert text.startswith(f"column {name!r} is {told}")


def test_problems_name_their_rows(tmp_path):
    rows = images.write_folder(tmp_path)
    rows[0][0] = "missing.png"
    labels = pa.array([0.5, *(int(row[1]) for row in rows[1:])])
    path = tmp_path / "table.parquet"
    table = _table(rows).select(["path", "patient"])
    path.write_bytes(_written(table.append_column("label", labels)))
    with pytest.raises(DataError) as error:
        folder.open_source(images.folder_config(path))
    found = error.value.problems
    assert "row 1: missing.png: label '0.5' is not an integer" in found
    assert "row 1: missing.png: the file does not exist" in found
    assert "row 2: image01.png: label '0.0' is not an integer" in found


def test_headers_are_checked(tmp_path):
    path = tmp_path / "table.parquet"
    path.write_bytes(_written(pa.table({"path": ["a"], "surname": ["b"]})))
    with pytest.raises(DataError) as error:
        manifest.read(path)
    assert "no column 'label'" in str(error.value)
    assert "unknown column 'surname'" in str(error.value)


def test_more_rows_than_any_manifest_has(tmp_path, monkeypatch):
    path = tmp_path / "table.parquet"
    path.write_bytes(_written(pa.table({"path": ["a"] * 9, "label": [0] * 9})))
    assert len(_read(path)) == 9
    monkeypatch.setattr(parquet, "MAX_ROWS", 8)
    with pytest.raises(DataError, match="9 rows are claimed"):
        manifest.read(path)


def test_rows_are_read_a_few_at_a_time(tmp_path, monkeypatch):
    path = tmp_path / "table.parquet"
    count = 10_000
    names = [f"{i}.png" for i in range(count)]
    path.write_bytes(_written(pa.table({"path": names, "label": [0] * count})))
    asked = []
    cells = parquet._cells

    def counted(column):
        asked.append(len(column))
        return cells(column)

    monkeypatch.setattr(parquet, "_cells", counted)
    _, rows = parquet.read(path)
    assert next(rows) == (1, ["0.png", "0"])
    # One batch of two columns, though the row group holds all.
    assert asked == [4096, 4096]
    assert sum(1 for _ in rows) == count - 1


def test_a_missing_file_and_a_csv_by_another_name(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        manifest.read(tmp_path / "nothing.parquet")
    path = tmp_path / "table.parquet"
    path.write_text("path,label\na.png,1\n")
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        manifest.read(path)


def test_the_missing_package_is_named(tmp_path, monkeypatch):
    path = tmp_path / "table.parquet"
    path.write_bytes(_written(pa.table({"path": ["a"], "label": [0]})))
    imported = builtins.__import__

    def importing(name, *rest):
        if name.startswith("pyarrow"):
            raise ModuleNotFoundError(name)
        return imported(name, *rest)

    monkeypatch.setattr(builtins, "__import__", importing)
    with pytest.raises(DataError, match=r"pyarrow` \(the extra `parquet`\)"):
        manifest.read(path)


def _mutated(whole: bytes, random: np.random.Generator) -> bytes:
    data = bytearray(whole)
    kind = random.integers(3)
    if kind == 0:
        del data[random.integers(1, len(data)) :]
    for _ in range(random.choice([1, 2, 8])):
        place = random.integers(len(data))
        if kind == 1:
            data[place] ^= 1 << random.integers(8)
        elif kind == 2:
            data[place : place + 1] = random.bytes(random.integers(4))
    return bytes(data)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"compression": "none", "use_dictionary": False},
        {"compression": "zstd", "row_group_size": 7},
        {"compression": "gzip", "data_page_version": "2.0"},
    ],
)
def test_damaged_files_are_read_or_refused(tmp_path, options):
    """Whatever was changed: rows, or an error that names the file."""
    rows = [[f"image{i:02d}.png", str(i % 2), f"p{i}"] for i in range(24)]
    whole = _written(_table(rows), **options)
    path = tmp_path / "table.parquet"
    random = np.random.default_rng(0)
    refused = 0
    for _ in range(200):
        path.write_bytes(_mutated(whole, random))
        try:
            found = manifest.read(path, COLUMNS)[0]
            assert len(found) <= 24
        except DataError as error:
            assert str(error).startswith(str(path))
            refused += 1
    assert 100 < refused < 200


def test_what_points_beyond_a_dictionary_is_refused(tmp_path):
    """A category without a name, as damaged bytes make it."""
    wrong = pa.DictionaryArray.from_arrays(
        pa.array([0, 7], pa.int8()), pa.array(["a"]), safe=False
    )
    batch = pa.record_batch({"path": wrong, "label": pa.array([0, 1])})

    class File:
        schema_arrow = batch.schema

        def iter_batches(self, *_, **__):
            yield batch

    path = tmp_path / "table.parquet"
    with pytest.raises(DataError, match="out of bounds"):
        list(parquet._rows(path, File(), ["path", "label"]))
