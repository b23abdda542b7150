"""The renderer's tables are read exactly, and faults are named."""

import pytest

from jaxstyle import workdir
from jaxstyle.report import records
from tests.report import fake_run


@pytest.fixture
def render(tmp_path):
    settings = fake_run.config()
    fake_run.make(tmp_path, settings, images=4)
    return workdir.stage(settings, tmp_path, "render")


def _edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_walks_are_what_the_tables_say(render):
    walks = records.read_walks(render)
    assert [walk.image_id for walk in walks] == [
        f"tile_{number:04d}" for number in range(4)
    ]
    for number, walk in enumerate(walks):
        assert (walk.decision, walk.asked) == (number % 2, 1 - number % 2)
        assert walk.flipped == (number != 3)
        assert walk.target == str(number % 2)
        assert len(walk.frames) == fake_run.FRAMES
        positions = [frame.position for frame in walk.frames]
        assert positions == sorted(positions)
        assert positions[walk.reconstruction_frame] == 0
        if walk.flipped:
            assert walk.frames[walk.flip_frame].flipped
        # The second and the fourth have no sparse counterfactual.
        assert len(walk.files) == fake_run.FRAMES + (3 if number % 2 else 4)


def test_the_first_frame_shown(render):
    up, down, _, failed = records.read_walks(render)
    assert up.first_shown == up.flip_frame > up.reconstruction_frame
    assert down.first_shown == down.flip_frame < down.reconstruction_frame
    assert failed.asked == 0 and failed.first_shown == 0


def test_sparse_counterfactuals_where_there_are_any(render):
    first, second, third, failed = records.read_walks(render)
    folder = render.path / "frames"
    assert first.sparse == folder / "tile_0000" / "sparse.png"
    assert third.sparse == folder / "tile_0002" / "sparse.png"
    assert first.sparse in first.files
    assert (first.sparse_channels, first.sparse_probability) == (1, 0.56875)
    assert (third.sparse_channels, third.sparse_probability) == (3, 0.56875)
    for walk in (second, failed):
        assert walk.sparse is None and walk.sparse_probability is None
        assert walk.sparse_channels == 0


def test_frames_in_any_order(render):
    header, *rows = render.manifest.read_text().splitlines()
    before = records.read_walks(render)
    render.manifest.write_text("\n".join([header, *reversed(rows)]) + "\n")
    assert records.read_walks(render) == before


@pytest.mark.parametrize(
    ("table", "old", "new", "told"),
    [
        ("manifest", "tile_0001,4,", "tile_0001,4.5x,", "tile_0001.*4.5x"),
        ("manifest", "latent_probability", "latent", "latent_probability"),
        ("summary", ",flipped,", ",,flipped,", "tile_0000"),
        ("summary", "tile_0002,", "tile_0009,", "tile_0009.*not in the mani"),
        ("summary", "/original.png", "/gone.png", "gone.png is missing"),
        ("summary", "/sparse.png", "/gone.png", "gone.png is missing"),
        ("summary", ",conv_8:0,", ",,", "all of sparse"),
        ("summary", ",0.568750", ",", "all of sparse"),
        ("summary", "frames/tile_0000/sparse.png", "", "all of sparse"),
    ],
)
def test_faults_are_named(render, table, old, new, told):
    path = getattr(render, table)
    _edit(path, old, new)
    with pytest.raises(workdir.WorkdirError, match=told) as error:
        records.read_walks(render)
    assert str(path) in str(error.value)
    assert "launch.render" in str(error.value)


def test_a_flip_needs_its_frame(render):
    header, *rows = render.summary.read_text().splitlines()
    columns = header.split(",")
    cells = rows[0].split(",")
    cells[columns.index("flip_frame")] = ""
    render.summary.write_text("\n".join([header, ",".join(cells)]) + "\n")
    with pytest.raises(workdir.WorkdirError, match="flip_frame"):
        records.read_walks(render)


def test_missing_tables_name_the_command(render):
    render.summary.unlink()
    with pytest.raises(workdir.WorkdirError, match=r"launch\.render"):
        records.read_walks(render)
