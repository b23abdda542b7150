"""The choice of walks is balanced, even, and hides no failure."""

import dataclasses
from pathlib import Path

import pytest

from jaxstyle.report import selection
from jaxstyle.report.records import Walk


def _walk(tmp_path, name, asked, flipped, size=10):
    file = tmp_path / f"{name}.png"
    file.write_bytes(b"x" * size)
    return Walk(
        image_id=name,
        target="",
        predictor_original=0.1,
        predictor_reconstruction=0.1,
        decision=1 - asked,
        asked=asked,
        flipped=flipped,
        status="",
        flip_frame=0 if flipped else None,
        reconstruction_frame=0,
        original=file,
        reconstruction=file,
        grad_cam=None,
        sparse=None,
        sparse_channels=0,
        sparse_probability=None,
        frames=(),
    )


def _walks(tmp_path: Path, positive, negative, failed) -> list[Walk]:
    kinds = [(1, True)] * positive + [(0, True)] * negative
    kinds += [(0, False)] * failed
    return [
        _walk(tmp_path, f"{i:03d}", asked, flipped)
        for i, (asked, flipped) in enumerate(kinds)
    ]


@pytest.mark.parametrize(
    ("counts", "limit", "shown"),
    [
        ((30, 30, 30), 12, (4, 4, 4)),
        ((30, 31, 3), 40, (19, 18, 3)),
        ((50, 2, 0), 10, (8, 2, 0)),
        ((5, 5, 1), 1, (0, 0, 1)),
        ((2, 1, 1), 40, (2, 1, 1)),
        ((4, 4, 4), 0, (0, 0, 0)),
    ],
)
def test_kinds_share_the_page(tmp_path, counts, limit, shown):
    groups, smaller = selection.choose(_walks(tmp_path, *counts), limit)
    assert [g.kind for g in groups] == ["positive", "negative", "failed"]
    assert tuple(g.total for g in groups) == counts
    assert tuple(len(g.shown) for g in groups) == shown
    assert not smaller


def test_walks_of_a_kind_are_evenly_spaced(tmp_path):
    groups, _ = selection.choose(_walks(tmp_path, 20, 0, 0), 4)
    ids = [int(walk.image_id) for walk in groups[0].shown]
    assert ids == [0, 5, 10, 15]


def test_the_size_of_the_page_is_bounded_and_told(tmp_path):
    walks = _walks(tmp_path, 6, 6, 6)
    # Each walk has two files of ten bytes here.
    groups, smaller = selection.choose(walks, 18, most_bytes=100)
    assert sum(len(g.shown) for g in groups) == 5
    assert smaller


def test_one_failure_is_shown_even_if_it_is_too_large(tmp_path):
    walks = _walks(tmp_path, 2, 2, 1)
    walks = [dataclasses.replace(w) for w in walks]
    groups, smaller = selection.choose(walks, 5, most_bytes=1)
    assert [len(g.shown) for g in groups] == [0, 0, 1]
    assert smaller
