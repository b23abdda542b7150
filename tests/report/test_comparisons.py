"""Comparisons are on the page where they were run, and nowhere else."""

import re
import shutil

import numpy as np
import pytest
from PIL import Image

from jaxstyle import workdir
from jaxstyle.config import DirectionConfig
from jaxstyle.report import (
    build,
    comparisons,
    images,
    inversions,
    methods,
    opinions,
    question,
    ranking,
    sanity,
)
from jaxstyle.report.content import Compared
from tests.report import fake_comparisons, fake_run


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("compared")
    settings = fake_run.config(images=1)
    fake_run.make(root, settings, images=2)
    fake_comparisons.make(root, settings)
    return root


def _page(root):
    build.run(fake_run.config(images=1), root)
    return (root / "report" / "index.html").read_text("utf-8")


def _rows(html):
    """Rows of the table's body: (header, cells), tags left out."""
    table = html[html.index("<table") : html.index("</table>")]
    return [
        (
            re.sub(r"<.*?>", "", *re.findall(r"<th.*?</th>", row)),
            [re.sub(r"<.*?>", "|", c) for c in re.findall(r"<td.*?</td>", row)],
        )
        for row in re.findall(r"<tr>(.*?)</tr>", table)
        if "<td" in row
    ]


def _best(rows):
    """Positions of the rows that are marked, by column."""
    marked = [["best" in cell for cell in cells] for _, cells in rows]
    return [np.flatnonzero(c).tolist() for c in np.transpose(marked)]


def test_only_what_is_complete_under_this_config(root, tmp_path):
    shutil.copytree(root, tmp_path / "run")
    html = _page(tmp_path / "run")
    for stage, title in comparisons.TITLES.items():
        assert html.count(f'<section id="{stage}">') == 1
        assert html.count(f'<a href="#{stage}">{title}</a>') == 1
    for stage in comparisons.TITLES:
        path = tmp_path / "run" / stage / "complete.json"
        if stage == "compare_directions":
            other = {"config_hash": "of another config", "seconds": 1.0}
            workdir.write_json(path, other)
        else:
            path.unlink()
    html = _page(tmp_path / "run")
    for stage, title in comparisons.TITLES.items():
        assert stage not in html and title not in html


def test_methods_in_order_with_their_common_numbers():
    result = fake_comparisons.methods_result()
    html = methods.section(Compared(result, {}), "whitened")
    rows = _rows(html)
    assert len(rows) == len(DirectionConfig.METHODS)
    for (head, cells), method in zip(
        rows, DirectionConfig.METHODS, strict=True
    ):
        assert head.endswith(method)
        assert ("this run" in head) == (method == "whitened")
        numbers, fidelity = result[method], result[method]["fidelity"]
        for cell, value, digits in (
            (cells[0], fidelity["auc_vs_predictor"], 3),
            (cells[1], fidelity["r2"], 3),
            (cells[3], numbers["flip_lambda_common"], 2),
            (cells[4], numbers["proximity_common"], 3),
            (cells[5], numbers["off_target_common"], 3),
        ):
            assert f"|{value:.{digits}f}|".replace("-", "−") in cell
        low, high = numbers["flip_rate_low"], numbers["flip_rate_high"]
        assert f"|{numbers['flip_rate']:.1%}|" in cells[2]
        assert f"|{low:.1%} – {high:.1%}|" in cells[2]
    assert "431 of 512" in html


def test_the_nearest_counterfactual_stands_beside_the_directions():
    result = fake_comparisons.methods_result()
    result[methods.NEAREST] = result["logistic"]
    html = methods.section(Compared(result, {}), methods.NEAREST)
    head, _ = _rows(html)[-1]
    assert methods.NEAREST in head and "this run" in head
    assert len(_rows(html)) == len(DirectionConfig.METHODS) + 1


def test_the_best_methods():
    """By their place: least_squares 1, svm 2, whitened 6, mlp 7."""
    result = fake_comparisons.methods_result()
    html = methods.section(Compared(result, {}), "logistic")
    assert _best(_rows(html)) == [[7], [6], [1, 2], [7], [6], [6]]


def test_methods_that_flip_nothing_in_common():
    result = fake_comparisons.methods_result()
    for numbers in result.values():
        if isinstance(numbers, dict):
            for key in [key for key in numbers if "_common" in key]:
                del numbers[key]
    result["flipped_by_all"] = 0
    html = methods.section(Compared(result, {}), "mlp")
    for _, cells in _rows(html):
        assert all("not measured" in cell for cell in cells[3:])
        assert not any("best" in cell for cell in cells[3:])
    assert "0 of 512" in html


def test_inversions_in_the_pictures_order():
    result = fake_comparisons.inversions_result()
    html = inversions.section(Compared(result, {}))
    names = re.findall(r'scope="rowgroup">(.*?)<', html)
    assert names == [
        *("w synthetic", "w adapted", "w plus adapted", "w plus refined")
    ]
    rows = _rows(html)
    assert [head for head, _ in rows[:5]] == [
        "0 further passes",
        "1 further pass",
        "2 further passes",
        "3 further passes",
        "0 further passes, then 300 steps of projection",
    ]
    for (_, cells), row in zip(rows, result["w_synthetic"], strict=False):
        for cell, text in zip(
            cells,
            (
                f"{row['gap']:.3f}",
                f"{row['ssim']:.3f}",
                f"{row['agreement']:.1%}",
                f"{row['flip_rate']:.1%}" if "flip_rate" in row else "–",
                f"{row['images']}",
            ),
            strict=True,
        ):
            assert f"|{text}|" in cell
        assert ("not measured" in cells[3]) == ("flip_rate" not in row)


def test_fewer_images_are_not_ranked_with_all():
    """The last way's projection is ahead, but over a hundred images only."""
    result = fake_comparisons.inversions_result()
    rows = _rows(inversions.section(Compared(result, {})))
    assert result["w_synthetic"][-1]["gap"] < result["w_synthetic"][3]["gap"]
    gap, *_, count = _best(rows)
    # Three passes of `w_synthetic`, which `_inversion` makes the best.
    assert (gap, count) == ([3], [])


def test_sanity_checks_from_the_logits_down():
    result = fake_comparisons.sanity_result()
    html = sanity.section(Compared(result, {}))
    names = re.findall(r'scope="rowgroup">(.*?)<', html)
    assert names == [
        *("Controls", "Networks that know less", "The same, balanced")
    ]
    rows = _rows(html)
    layers = ["logits", "stage_1_block_0", "stage_0_block_0", "stem"]
    heads = [f"new: {layer.replace('_', ' ')}" for layer in layers]
    assert [head for head, _ in rows[2:7]] == [*heads, "permuted labels"]
    assert [head for head, _ in rows[7:]] == [head for head, _ in rows[2:7]]
    # No value is better than another here.
    assert not any("best" in cell for _, cells in rows for cell in cells)
    less = result["randomised"]
    for start, kind in ((2, "as_it_is"), (7, "balanced")):
        for (_, cells), layer in zip(rows[start:], layers, strict=False):
            numbers = less[layer][kind]
            cam = numbers["grad_cam"]["spearman"]
            assert f"|{numbers['answers']:.3f}|" in cells[0]
            assert f"|{cam:.3f}|" in cells[5]
            assert f"|{numbers['compared']}|" in cells[6]
            assert ("not measured" in cells[2]) == ("cosine" not in numbers)
    assert "not measured" in rows[5][1][2]
    assert "AUC 0.512" in html and "95.1% of the 512 images" in html


def test_a_second_opinion_by_the_way_that_walks_go():
    result = fake_comparisons.opinions_result()
    asked = question.Question.of(fake_run.config())
    html = opinions.section(Compared(result, {}), asked)
    rows = _rows(html)
    assert [head for head, _ in rows] == [
        *("All walks", f"Towards “{asked.ends[1]}”")
    ]
    for (_, cells), told in zip(
        rows, (result, result["towards"]["1"]), strict=True
    ):
        assert "|431|" in cells[0]
        assert f"|{told['end.share']:.1%}|" in cells[1]
        low, high = told["end.share_low"], told["end.share_high"]
        assert f"|{low:.1%} – {high:.1%}|" in cells[1]
        assert f"|{told['flip.share']:.1%}|" in cells[2]
        assert f"|{told['end.change']:.3f}|" in cells[3]
        assert "|0.930|" in cells[4]
    assert not any("best" in cell for _, cells in rows for cell in cells)
    assert "AUC 0.988" in html and "96.9% of the images" in html


def test_a_second_opinion_on_nothing():
    told = {"classifier": {"auc": 0.9}, "agrees": 0.5, "compared": 0}
    asked = question.Question.of(fake_run.config())
    ((head, cells),) = _rows(opinions.section(Compared(told, {}), asked))
    assert head == "All walks" and "|0|" in cells[0]
    assert all("not measured" in cell for cell in cells[1:])


@pytest.mark.parametrize(
    ("size", "smaller"), [((1200, 40), False), ((3000, 100), True)]
)
def test_pictures_are_whole_or_told_to_be_smaller(tmp_path, size, smaller):
    path = tmp_path / "comparison.png"
    Image.new("RGB", size, "teal").save(path)
    bounded = images.comparison(path)
    assert bounded.smaller == smaller
    assert (bounded.uri == images.data_uri(path)) == (not smaller)
    assert bounded.size == ((2176, 73) if smaller else size)
    compared = Compared({}, {"some/file.png": bounded})
    html = ranking.picture(compared, "some/file.png", "Said.", "Alt")
    assert f'src="{bounded.uri}"' in html and 'loading="lazy"' in html
    assert 'width="{}" height="{}"'.format(*bounded.size) in html
    assert ("Made smaller" in html) == smaller
    assert "Said." in html and "some/file.png" in html


def test_a_heavy_picture_is_told_to_be_less_than_the_file(
    tmp_path, monkeypatch
):
    noise = np.random.default_rng(0).integers(0, 256, (99, 99, 3), np.uint8)
    path = tmp_path / "comparison.png"
    Image.fromarray(noise).save(path)
    weight = path.stat().st_size
    for most, smaller in ((weight, False), (weight // 2, True)):
        monkeypatch.setattr(images, "_MOST_COMPARISON_BYTES", most)
        bounded = images.comparison(path)
        assert bounded.size == (99, 99) and bounded.smaller == smaller
        assert bounded.uri.startswith("data:image/jpeg") == smaller


def test_pictures_that_are_missing_or_bombs_are_left_out(tmp_path, monkeypatch):
    path = tmp_path / "comparison.png"
    assert images.comparison(path) is None
    Image.new("RGB", (100, 100)).save(path)
    # Beyond this Pillow warns, beyond twice as much it refuses.
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 6000)
    assert images.comparison(path).uri == images.data_uri(path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 4000)
    assert images.comparison(path) is None
    assert ranking.picture(Compared({}, {}), "a.png", "Said.", "Alt") is None


def test_each_picture_stands_in_its_section(root, tmp_path):
    shutil.copytree(root, tmp_path / "run")
    (tmp_path / "run" / "sanity_checks" / "sanity.png").unlink()
    html = _page(tmp_path / "run")
    places = {
        "compare_directions": ["comparison.png"],
        "compare_inversions": ["comparison.png"],
        "sanity_checks": ["sanity_balanced.png"],
    }
    for stage, files in places.items():
        section = html[html.index(f'<section id="{stage}">') :]
        section = section[: section.index("</section>")]
        expected = [
            images.data_uri(tmp_path / "run" / stage / file) for file in files
        ]
        assert re.findall(r'<img src="(.*?)"', section) == expected
