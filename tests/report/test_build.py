"""The page from a run folder: complete, self-contained, escaped."""

import base64
import hashlib
import io
import json
import math
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from jaxstyle import workdir
from jaxstyle.report import build, images, numbers
from tests.report import fake_run
from tests.report.conftest import EVIL


class _Tags(HTMLParser):
    """Collects what a browser would see: tags, texts and scripts."""

    def __init__(self):
        super().__init__()
        self.tags, self.scripts, self.text = [], [], ""
        self._script = None

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == "script":
            self._script = [dict(attrs), ""]
            self.scripts.append(self._script)

    def handle_endtag(self, tag):
        if tag == "script":
            self._script = None

    def handle_data(self, data):
        if self._script is not None:
            self._script[1] += data
        else:
            self.text += data


def _read(page):
    reader = _Tags()
    reader.feed(page.read_text("utf-8"))
    reader.close()
    return reader


def _with(reader, name, class_):
    return [
        attrs
        for tag, attrs in reader.tags
        if tag == name and class_ in (attrs.get("class") or "").split()
    ]


def _run(tmp_path, settings=None, **options):
    settings = settings or fake_run.config()
    fake_run.make(tmp_path, settings, **options)
    return settings, build.run(settings, tmp_path)


def test_result_and_marker(tmp_path):
    settings, result = _run(tmp_path, images=5)
    page = tmp_path / "report" / "index.html"
    assert result == {
        "rendered": 5,
        "shown": 5,
        "not_explained": 1,
        "bytes": page.stat().st_size,
    }
    assert workdir.result(settings, tmp_path, "report") == result
    assert workdir.is_complete(settings, tmp_path, "report")


def test_every_number_is_on_the_page_with_its_meaning(page):
    text = _read(page).text
    for key, value in fake_run.EVALUATION.items():
        meaning = numbers.MEANINGS[key]
        assert key in text
        assert numbers.formatted(value, meaning.pattern) in text
        assert meaning.sentence in text
    for key, ends in fake_run.INTERVALS.items():
        pattern = numbers.MEANINGS[key].pattern
        assert numbers.interval(ends, pattern) in text
    assert "By chance it would be 0.20%." in text
    assert "Not measured in this run" not in text


def test_numbers_for_specialists_are_folded(page):
    html = page.read_text("utf-8")
    folded = html[html.index("<details>") : html.index("</details>")]
    assert "latent.r2" in folded and "gan.precision" in folded
    assert "walk.flip_rate" not in folded
    assert "walk.fid_ratio" not in folded
    assert "Counterfactuals of all images, by feature network" in folded
    assert "reconstruction sFID" in folded


def test_tables_have_captions_and_headers_a_scope(page):
    reader = _read(page)
    count = [tag for tag, _ in reader.tags].count
    assert count("table") == count("caption") >= 6
    assert all(attrs.get("scope") for tag, attrs in reader.tags if tag == "th")
    assert all(attrs.get("alt") for tag, attrs in reader.tags if tag == "img")
    for attrs in _with(reader, "div", "scroll"):
        assert attrs["role"] == "region" and attrs["aria-label"]


def test_failures_are_counted_and_shown(page):
    text = _read(page).text
    assert "7 of 9 rendered images flip; 2 of 9 are not explained" in text
    # On each badge, and in each story.
    assert text.count("no flip inside the trust limit") == 4
    assert "not for diagnosis" in text


def test_images_are_the_renderers_bytes(page):
    reader = _read(page)
    frames = page.parents[1] / "render" / "frames"
    cards = _with(reader, "article", "card")
    data = [s for a, s in reader.scripts if "id" not in a and "type" in a]
    assert len(cards) == len(data) == 9
    sources = [a["src"] for tag, a in reader.tags if tag == "img"]
    for card, text in zip(cards, data, strict=True):
        folder = frames / card["data-id"]
        for index, frame in enumerate(json.loads(text)):
            png = (folder / f"{index:02d}.png").read_bytes()
            _, encoded = frame["src"].split("base64,")
            assert base64.b64decode(encoded) == png
        names = ["original", "reconstruction", "grad_cam"]
        if (folder / "sparse.png").exists():
            names.append("sparse")
        for name in names:
            assert images.data_uri(folder / f"{name}.png") in sources


def test_sliders_start_at_the_flip_or_the_end_asked(page):
    reader = _read(page)
    rows = {
        walk["image_id"]: walk
        for walk in fake_run_rows(page.parents[1] / "render" / "images.csv")
    }
    sliders = [
        attrs
        for tag, attrs in reader.tags
        if tag == "input" and attrs["type"] == "range"
    ]
    cards = _with(reader, "article", "card")
    for card, slider in zip(cards, sliders, strict=True):
        row = rows[card["data-id"]]
        end = fake_run.FRAMES - 1 if row["asked"] == "1" else 0
        assert int(slider["value"]) == int(row["flip_frame"] or end)
        assert slider["max"] == str(fake_run.FRAMES - 1)
        assert card["data-id"] in slider["aria-label"]


def fake_run_rows(path):
    header, *lines = path.read_text().splitlines()
    names = header.split(",")
    return [dict(zip(names, n.split(","), strict=True)) for n in lines]


def test_grad_cam_only_where_there_is_one(page, evil_page):
    assert len(_alts(_read(page), "Grad-CAM of ")) == 9
    assert not _alts(_read(evil_page), "Grad-CAM of ")
    assert "Grad-CAM" not in _read(evil_page).text


def _alts(reader, start):
    alts = [attrs["alt"] for tag, attrs in reader.tags if tag == "img"]
    return [alt for alt in alts if alt.startswith(start)]


def test_the_fewest_channels_only_where_they_were_found(page, tmp_path):
    reader = _read(page)
    assert reader.text.count("Fewest channels”") == 1
    alts = _alts(reader, "Counterfactual of ")
    assert sorted(alts) == [
        f"Counterfactual of tile_{n:04d} that moves {n + 1} of the "
        "generator’s channels"
        for n in (0, 2, 4, 5, 6, 8)
    ]
    assert "6 of the generator’s channels; f = 0.431" in reader.text
    assert "7 of the generator’s channels; f = 0.569" in reader.text
    # The second and the failures: no tile, nor a word if there is none.
    for kind, count in (("still-4", 6), ("still-3", 3)):
        assert len(_with(reader, "div", kind)) == count
    settings = fake_run.config()
    fake_run.make(tmp_path, settings, images=2)
    summary = tmp_path / "render" / "images.csv"
    sparse = "frames/tile_0000/sparse.png,conv_8:0,0.568750"
    text = summary.read_text()
    assert text.count(sparse) == 1
    summary.write_text(text.replace(sparse, ",,"))
    build.run(settings, tmp_path)
    without = _read(tmp_path / "report" / "index.html")
    assert "channels" not in without.text
    assert len(_with(without, "div", "still-3")) == 2


def test_nothing_is_loaded_from_anywhere(page):
    reader = _read(page)
    for tag, attrs in reader.tags:
        for name in ("src", "href", "srcset", "action", "poster"):
            value = attrs.get(name)
            if value:
                assert value.startswith(("data:", "#")), (tag, value[:60])
    text = page.read_text("utf-8")
    assert not re.search(r"https?://", text)
    assert not re.search(r"url\(|@import", text)
    assert "link" not in [t for t, a in reader.tags if a.get("rel") != "icon"]


def test_policy_allows_this_script_and_no_other(page):
    reader = _read(page)
    (policy,) = [
        a["content"] for _, a in reader.tags if a.get("http-equiv") is not None
    ]
    (script,) = [text for attrs, text in reader.scripts if not attrs]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest())
    assert f"script-src 'sha256-{digest.decode()}'" in policy
    assert policy.startswith("default-src 'none'")


def test_text_from_data_stays_text(page, evil_page):
    good, evil = _read(page), _read(evil_page)
    assert {t for t, _ in evil.tags} <= {t for t, _ in good.tags}
    assert all("onerror" not in a for _, a in evil.tags)
    assert len(evil.scripts) == 4 + 2
    # Title, name, status and the second class each at least once.
    assert evil.text.count(EVIL) >= 4
    (settings,) = [t for a, t in evil.scripts if a.get("id") == "settings"]
    assert json.loads(settings)["classes"][1] == EVIL


def test_details_and_gaps_of_the_evaluation(tmp_path):
    settings = fake_run.config()
    fake_run.make(tmp_path, settings, images=2)
    folder = tmp_path / "evaluation"
    values = {**fake_run.EVALUATION, "gan.recall": math.nan}
    for key in ("concept.dab_monotonicity", "walk.fid", "walk.fid_ratio"):
        del values[key]
    workdir.write_json(folder / "result.json", values)
    workdir.write_json(
        folder / "details.json",
        {
            "feature_networks": {
                "classifier_penultimate": {"fid": 12.5, "kid": 0.25},
                "random_convolutional": {"fid": 1.5, "recall": 0.75},
            },
            "intervals": {"walk.flip_rate": [0.9, 0.99]},
        },
    )
    build.run(settings, tmp_path)
    text = _read(tmp_path / "report" / "index.html").text
    assert "not measured" in text
    assert "DAB" not in text and "By chance" not in text
    (told,) = re.findall(r"Not measured in this run, [^:]*: ([^.]*)\.", text)
    assert told == "Realism of counterfactuals; Distance to real images"
    assert "90.0% – 99.0%" in text
    assert "95.3% – 98.0%" not in text
    assert "random_convolutional" in text and "1.5" in text
    assert "bootstrap interval" in text


def test_curves_and_the_newest_samples(page):
    reader = _read(page)
    names = ("loss d", "loss g", "r1", "path length", "loss", "val auc")
    assert len(_with(reader, "figure", "multiple")) == len(names)
    for name in names:
        assert name in reader.text
    (grid,) = _with(reader, "img", "samples")
    samples = page.parents[1] / "gan" / "samples"
    assert "after 40 thousand training images" in reader.text
    assert grid["src"] == images.data_uri(samples / "kimg_00040.0.png")


def test_a_huge_sample_grid_is_made_small(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (1500, 2000, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "kimg_00001.0.png")
    kimg, uri = images.sample_grid(tmp_path)
    content = base64.b64decode(uri.split("base64,")[1])
    assert kimg == 1.0
    assert len(content) < 1_500_000
    with Image.open(io.BytesIO(content)) as image:
        assert image.size == (1024, 768)


def test_no_samples_and_no_metrics_are_no_fault(tmp_path):
    settings = fake_run.config()
    fake_run.make(tmp_path, settings, images=2)
    shutil.rmtree(tmp_path / "gan" / "samples")
    for stage in ("gan", "classifier"):
        (tmp_path / stage / "metrics.jsonl").unlink()
    build.run(settings, tmp_path)
    reader = _read(tmp_path / "report" / "index.html")
    assert not _with(reader, "figure", "multiple")
    assert not _with(reader, "img", "samples")


def test_the_page_tells_what_walks_follow(page, tmp_path):
    assert "one fixed direction" in _read(page).text
    settings = fake_run.config()
    settings.walk.along = "nearest"
    _run(tmp_path, settings, images=2)
    text = _read(tmp_path / "report" / "index.html").text
    assert "one fixed direction" not in text
    assert "own way to the least change" in text


@pytest.mark.parametrize(
    "method, told",
    [
        ("class_means", "along one fixed direction, from “"),
        ("transport", "would become those of the other, from “"),
        ("mlp", "a curve on which the latent predictor rises, from “"),
    ],
)
def test_the_page_tells_where_the_method_leads(tmp_path, method, told):
    settings = fake_run.config()
    settings.direction.method = method
    _run(tmp_path, settings, images=2)
    text = _read(tmp_path / "report" / "index.html").text
    assert told in text
    assert ("one fixed direction" in text) == (method == "class_means")


def test_limit_of_images(tmp_path):
    _, result = _run(tmp_path, fake_run.config(images=3), images=9)
    assert result["shown"] == 3 and result["rendered"] == 9
    reader = _read(tmp_path / "report" / "index.html")
    kinds = [a["data-kind"] for _, a in reader.tags if "data-kind" in a]
    assert kinds == ["positive", "negative", "failed"]
    assert reader.text.count("1 of ") >= 3


def test_missing_inputs_name_the_command(tmp_path):
    settings = fake_run.config()
    fake_run.make(tmp_path, settings, images=2)
    (tmp_path / "evaluation" / "complete.json").unlink()
    with pytest.raises(workdir.WorkdirError, match=r"launch\.evaluate"):
        build.run(settings, tmp_path)


def test_launcher(tmp_path):
    (tmp_path / "settings.py").write_text(
        "from tests.report import fake_run\n"
        "def get_config():\n    return fake_run.config(images=2)\n"
    )
    fake_run.make(tmp_path / "run", fake_run.config(images=2), images=2)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "launch.report"),
            f"--config={tmp_path / 'settings.py'}",
            f"--workdir={tmp_path / 'run'}",
        ],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "report" / "index.html").exists()
    assert "not_explained" in done.stderr


def test_the_page_names_the_model(tmp_path):
    """By its answers, and by the hash of its file."""
    settings = fake_run.config(images=2)
    fake_run.make(tmp_path, settings)

    def page():
        build.run(settings, tmp_path)
        return (tmp_path / "report" / "index.html").read_text("utf-8")

    assert "have the fingerprint" not in page()
    told = {
        "kind": "onnx",
        "address": "<b>net.onnx",
        "fingerprint": "0123456789abcdef",
        "files": {"net.onnx": "ab" * 32},
    }
    folder = workdir.stage(settings, tmp_path, "render").path
    workdir.write_json(folder / "predictor.json", told)
    text = page()
    assert "f is the onnx &lt;b&gt;net.onnx" in text
    assert "<code>0123456789abcdef</code>" in text
    assert f"net.onnx has sha256 <code>{'ab' * 32}</code>" in text
