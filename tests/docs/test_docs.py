"""What the documentation names is there: commands, settings, files, words."""

import ast
import dataclasses
import importlib
import pkgutil
import re

import pytest

import jaxstyle
from jaxstyle.config import Config
from jaxstyle.config.faithfulness import FaithfulnessConfig
from jaxstyle.data import builders
from jaxstyle.explain import compare_walks, manifest
from jaxstyle.explain.direction import methods
from jaxstyle.report.meanings import MEANINGS
from tests.docs import pages
from tests.docs.pages import DOCS, PAGES, REPOSITORY, STAGES

CONFIGS = (Config(), FaithfulnessConfig())
# Shorter pieces of a message are in many places.
LEAST = 10
SUFFIXES = ("csv", "json", "npz", "png")


@pytest.fixture(
    params=PAGES, ids=lambda page: str(page.relative_to(REPOSITORY))
)
def page(request):
    return request.param


@pytest.fixture
def text(page):
    return page.read_text("utf-8")


def _is_setting(path):
    """Whether a config of either kind has a field `a.b.c`."""
    for value in CONFIGS:
        for name in path.split("."):
            names = {item.name for item in dataclasses.fields(value)}
            if name not in names:
                break
            value = getattr(value, name)
            if not dataclasses.is_dataclass(value):
                return path.endswith(name)
    return False


def _sections():
    """Names of the parts of both kinds of configs."""
    return {
        item.name
        for config in CONFIGS
        for item in dataclasses.fields(config)
        if dataclasses.is_dataclass(getattr(config, item.name))
    }


def test_settings_are_told_apart():
    assert _is_setting("gan.kimg") and _is_setting("run.data.path")
    assert _is_setting("plants.kinds") and _is_setting("seed")
    for wrong in ("gan", "gan.kimgs", "gan.kimg.more", "gans.kimg"):
        assert not _is_setting(wrong)


def test_launchers_exist(text):
    for name in re.findall(r"\blaunch\.(\w+)", text):
        assert (REPOSITORY / "launch" / f"{name}.py").exists(), name


def test_flags_name_settings(text):
    for path in re.findall(r"--config\.([\w.]*\w)", text):
        assert _is_setting(path), path


def test_fields_exist(text):
    """`section.field`, if it is no number of the evaluation."""
    wanted = "|".join(sorted(_sections()))
    for code in pages.codes(text):
        for path in re.findall(
            rf"(?<![\w./-])((?:{wanted})(?:\.\w+)+)(?![-\w])", code
        ):
            is_file = path.rpartition(".")[2] in SUFFIXES
            assert is_file or path in MEANINGS or _is_setting(path), path


def test_configs_load(text):
    for name, variant in re.findall(r"configs/(\w+)\.py(?::(\w+))?", text):
        module = importlib.import_module(f"configs.{name}")
        if hasattr(module, "get_config"):
            module.get_config(variant)


def test_links_and_pictures_exist(page, text):
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        file = target.partition("#")[0]
        if file and not re.match(r"[a-z]+:", file):
            assert (page.parent / file).exists(), target
    for file in re.findall(r"(?<![\w/])(?:docs|configs)/[\w./-]*\w", text):
        assert (REPOSITORY / file).exists(), file


def test_stages_are_told_alike():
    for name, page in STAGES.items():
        if name == "index":
            continue
        titles = re.findall(r"^#+ (.*)", page.read_text("utf-8"), re.M)
        assert titles[0] == name
        parts = ["What goes in", "What it writes", "How long it takes"]
        parts += ["When it fails", "The method"]
        assert [title for title in titles if title in parts] == parts


def test_columns_are_those_of_the_tables():
    def named(head):
        return [
            name
            for cells in pages.rows(STAGES["render"], head)
            for name in pages.codes(cells[0])
        ]

    frame, image = (
        named(f"column of `{name}.csv`") for name in ("manifest", "images")
    )
    assert sorted(frame) == sorted(manifest.FRAME_FIELDS)
    assert sorted(image) == sorted([*manifest.IMAGE_FIELDS, manifest.SOURCE])
    told = STAGES["prepare_data"].read_text("utf-8")
    columns = re.search(r"Columns of `index.csv`: (.*?)\n\n", told, re.S)
    # `data.columns` is a setting.
    names = [code for code in pages.codes(columns[1]) if "." not in code]
    assert names == list(builders.INDEX_COLUMNS)


def test_the_evaluation_has_the_numbers_that_are_told():
    told = [
        name
        for cells in pages.rows(STAGES["evaluate"], "number")
        for name in pages.codes(cells[0])
    ]
    assert sorted(told) == sorted(MEANINGS)


def test_the_directions_are_those_compared():
    told = pages.rows(STAGES["compare_directions"], "method")
    names = [pages.codes(cells[0])[0] for cells in told]
    assert set(names) == {*methods.NORMALS, "mlp", compare_walks.NEAREST}


def _messages():
    """All texts in the code, "..." where values are filled in."""
    for folder in ("jaxstyle", "launch"):
        for file in (REPOSITORY / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text("utf-8"))):
                parts = node.values if isinstance(node, ast.JoinedStr) else []
                if isinstance(node, ast.Constant):
                    parts = [node]
                yield "".join(
                    str(part.value) if isinstance(part, ast.Constant) else "..."
                    for part in parts
                ).replace("`", "")


@pytest.fixture(scope="module")
def messages():
    return "\n".join(_messages())


def test_messages_are_those_of_the_code(page, messages):
    """Pieces between "..." and examples; fields are looked at above."""
    for cells in pages.rows(page, "message"):
        (message,) = pages.codes(cells[0])
        for piece in re.split(r"\.{3,}|'[^']*'", message):
            piece = piece.strip(" =:;,.()")
            if len(piece) >= LEAST and not _is_setting(piece):
                found = piece in messages
                assert found, piece


def test_no_module_is_left_out():
    """Of the reference: under a directive, or imported where one is."""
    text = "\n".join(p.read_text("utf-8") for p in DOCS.glob("reference/*"))
    shown = dict(re.findall(r"^::: ([\w.]+)\n((?: +.*\n)*)", text, re.M))
    for info in pkgutil.walk_packages(jaxstyle.__path__, "jaxstyle."):
        name = info.name
        if name.startswith("jaxstyle.benchmark") or name in shown:
            continue
        package = next(
            (p for p in _parents(name) if p in shown), "no directive"
        )
        options = shown.get(package, "")
        imported = "show_submodules: false" in options and _imports(
            package, name
        )
        assert package in shown, f"add `::: {name}` to docs/reference"
        assert imported or "show_submodules: false" not in options, (
            f"add `::: {name}` to docs/reference, where {package} is"
        )


def _parents(name):
    while "." in name:
        name = name.rpartition(".")[0]
        yield name


def _imports(package, name):
    """Whether the package hands on something that is defined there."""
    there = importlib.import_module(package)
    return any(
        getattr(getattr(there, one), "__module__", "") == name
        for one in there.__all__
    )
