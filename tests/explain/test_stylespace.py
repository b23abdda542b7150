"""Counterfactuals of few StyleSpace channels."""

import dataclasses

import jax
import numpy as np
import pytest

from jaxstyle.encoder import train as encoder_train
from jaxstyle.explain import stylespace
from jaxstyle.stylegan2 import networks


@pytest.fixture(scope="module")
def parts(made):
    """config, codec, codes [3, rows, D] and an offset of w that shows."""
    config, root = made
    codec = encoder_train.load(config, root)
    codes = codec.sample_codes(3, seed=0)
    other = codec.sample_codes(1, seed=9)
    return config, codec, codes, 2 * (other - codes.mean(0))[0]


def _rendered(parts, shares):
    config, codec, codes, offset = parts
    generator = networks.generator(config)
    return jax.jit(lambda *given: stylespace.render_moved(generator, *given))(
        (codec.gan["g_ema"], codec.noise),
        *(codes, np.tile(offset, (3, 1, 1)), np.float32(shares)),
    )


def _channels(parts):
    config, codec, _, offset = parts
    moves = stylespace.style_moves(
        networks.generator(config), codec.gan["g_ema"], offset[None]
    )
    return {name: move.shape[1] for name, move in sorted(moves.items())}


def test_all_styles_together_are_the_walk(parts):
    _, codec, codes, offset = parts
    total = sum(_channels(parts).values())
    for share in (0.0, 0.5, 1.0):
        np.testing.assert_allclose(
            _rendered(parts, np.full((3, total), share)),
            codec.decode(codes + share * offset),
            atol=1e-4,
        )


def test_the_styles_of_a_layer_are_those_of_its_own_code(parts):
    """The layers of one row moved are a W+ code of which it is moved."""
    config, codec, codes, offset = parts
    sizes = _channels(parts)
    layer_rows = networks.style_rows(config.data.resolution)
    rows = networks.layer_count(config.data.resolution)
    assert sorted(set(layer_rows.values())) == [*range(rows)]
    for row in range(rows):
        shares = np.concatenate(
            [np.full(sizes[name], layer_rows[name] == row) for name in sizes]
        )
        moved = np.repeat(codes, rows, axis=1)
        moved[:, row] += offset[0]
        expected = codec.decode(moved)
        np.testing.assert_allclose(
            _rendered(parts, np.tile(shares, (3, 1))), expected, atol=1e-4
        )
        assert np.abs(expected - codec.decode(codes)).max() > 0.01


def test_rows_that_go_each_their_own_way_are_moved_so(parts):
    """Of a way in W+ every layer moves by its own row's offset."""
    config, codec, codes, offset = parts
    rows = networks.layer_count(config.data.resolution)
    ways = offset * np.linspace(-1, 1, rows, dtype=np.float32)[:, None]
    total = sum(_channels(parts).values())
    np.testing.assert_allclose(
        _rendered((config, codec, codes, ways), np.ones((3, total))),
        codec.decode(codes + ways),
        atol=1e-4,
    )


class Brightness:
    """f is the mean of the red channel."""

    def predict(self, images):
        return images[..., :1].mean(axis=(1, 2))


def test_fewer_channels_flip_and_none_is_left_that_need_not_move(parts):
    config, codec, codes, offset = parts
    sparsify = stylespace.Sparsifier(config, codec, Brightness())
    assert sparsify.channels == sum(_channels(parts).values())
    code = codes[0]
    every = np.ones((1, sparsify.channels))
    start = sparsify._asked(code, offset, 0 * every)[1][0]
    end = sparsify._asked(code, offset, every)[1][0]
    decided = bool(start > end)
    # A fifth of the way is enough.
    threshold = float(start + (end - start) / 5)
    sparsify._config = dataclasses.replace(
        config,
        target=dataclasses.replace(config.target, threshold=threshold),
    )
    found = sparsify(code, offset, decided)
    assert found is not None
    assert 0 < len(found.channels) < sparsify.channels / 2
    assert 0 < found.share <= 1
    assert (found.judged >= np.float32(threshold)) != decided
    again = sparsify._asked(
        code,
        offset,
        found.share * np.isin(sparsify.names, found.channels)[None],
    )
    np.testing.assert_array_equal(again[0][0], found.frame)


def test_what_not_even_all_channels_flip_is_not_found(parts):
    config, codec, codes, offset = parts
    sparsify = stylespace.Sparsifier(config, codec, Brightness())
    still = np.zeros((1, sparsify.channels))
    judged = sparsify._asked(codes[0], offset, still)[1][0]
    decided = bool(judged >= np.float32(config.target.level))
    assert sparsify(codes[0], 0 * offset, decided) is None


@pytest.mark.parametrize("first", [1, 2, 7, 63, 100])
def test_the_smallest_count_is_found(first):
    asked = []

    def flips(counts):
        asked.extend(counts)
        assert all(count == int(count) for count in counts)
        return counts >= first

    assert stylespace.smallest(flips, 100, whole=True) == first
    assert len(asked) <= 32


def test_the_smallest_share_is_found_within_the_last_bracket():
    found = stylespace.smallest(lambda x: x >= 0.3217, 1.0)
    assert 0.3217 <= found <= 0.3217 + 8.0**-4
    assert stylespace.smallest(lambda x: x > 2, 1.0) is None
    # Not monotone: the first flip of the grid, not an unflipped value.
    odd = stylespace.smallest(lambda x: (x > 0.3) & (x < 0.4), 1.0)
    assert 0.3 < odd < 0.4
