"""Generator and discriminator: shapes, structure and determinism."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxstyle.config import Config, DataConfig, GanConfig
from jaxstyle.stylegan2 import networks, state, steps
from tests import reference, tiny

KEY = jax.random.PRNGKey(0)
# The paper's: 16 * 2^10 halved per doubling from 4 px, at most 512.
PAPER = GanConfig(channel_base=32768, batch_size=8)


def _paper(resolution, channels):
    return Config(
        data=DataConfig(resolution=resolution, channels=channels), gan=PAPER
    )


def _scrambled(params):
    """Parameters whose zeros (biases, noise strengths) show."""
    leaves, tree = jax.tree.flatten(params)
    random = np.random.default_rng(0)
    leaves = [
        leaf + 0.3 * random.standard_normal(leaf.shape).astype(np.float32)
        for leaf in leaves
    ]
    return jax.tree.unflatten(tree, leaves)


def _noise(shapes, batch=1, seed=0):
    random = np.random.default_rng(seed)
    return [
        random.standard_normal((batch, *shape)).astype(np.float32)
        for shape in shapes
    ]


@pytest.fixture(scope="module")
def sixteen():
    """A config of 16 px, its generator, parameters and noise."""
    config = tiny.config(data={"resolution": 16})
    generator = networks.generator(config)
    noise = _noise(networks.noise_shapes(16))
    z = jnp.ones((1, config.gan.z_dim))
    params = jax.jit(generator.init)(KEY, z, noise)
    return config, generator, _scrambled(params), noise


@pytest.fixture(scope="module")
def render(sixteen):
    _, generator, _, _ = sixteen

    @jax.jit
    def function(params, ws, noise):
        return generator.apply(
            params,
            ws,
            noise,
            method="synthesise",
            mutable=["intermediates"],
            capture_intermediates=True,
        )

    return function


def _codes(seed=1, batch=2, rows=6, w_dim=8):
    random = np.random.default_rng(seed)
    return random.standard_normal((batch, rows, w_dim)).astype(np.float32)


# --- sizes


def test_widths_of_the_paper():
    assert networks.widths(_paper(1024, 3)) == (
        *(512, 512, 512, 512, 512),
        *(256, 128, 64, 32),
    )


@pytest.mark.parametrize(
    ("resolution", "rows"), [(8, 4), (32, 8), (256, 14), (1024, 18)]
)
def test_layer_count_and_noise_shapes(resolution, rows):
    assert networks.layer_count(resolution) == rows
    shapes = networks.noise_shapes(resolution)
    # Every convolution takes a code and a noise; one more code is for the
    # last pixels.
    assert len(shapes) == rows - 1
    sizes = [shape[0] for shape in shapes]
    assert sizes[0] == 4 and sizes[-1] == resolution
    assert sizes == sorted(sizes)
    assert all(sizes.count(s) == 2 for s in set(sizes) - {4})
    assert all(shape == (shape[0], shape[0], 1) for shape in shapes)


def _parameters_by_algebra(config):
    """Counts of G and D from the paper's figure 2 and section 4."""
    widths, channels = networks.widths(config), config.data.channels
    w_dim, depth = config.gan.w_dim, config.gan.mapping_layers

    def modulated(taps, before, after):
        return (w_dim + 1) * before + taps * before * after

    g = depth * (w_dim + 1) * w_dim + 16 * widths[0]
    g += modulated(9, widths[0], widths[0]) + widths[0] + 1
    d = (channels + 1) * widths[-1]
    for before, after in itertools.pairwise(widths):
        g += modulated(9, before, after) + after + 1
        g += modulated(9, after, after) + after + 1
        d += (9 * after + 1) * after + (9 * after + 1) * before + after * before
    for width in widths:
        g += modulated(1, width, channels) + channels
    d += (9 * (widths[0] + 1) + 1) * widths[0]
    d += (16 * widths[0] + 1) * widths[0] + widths[0] + 1
    return g, d


def test_parameters_of_the_paper_s_networks():
    """As the paper's own code counts them at 1024 px in RGB."""
    assert _parameters_by_algebra(_paper(1024, 3)) == (30370060, 29012513)


def _size(tree):
    return sum(leaf.size for leaf in jax.tree.leaves(tree))


@pytest.mark.parametrize(
    ("resolution", "channels"),
    [(32, 1), (64, 3), (128, 1), (256, 3), (1024, 3)],
)
def test_shapes_at_full_size(resolution, channels):
    config = _paper(resolution, channels)
    generator = networks.generator(config)
    discriminator = networks.discriminator(config)
    rows = networks.layer_count(resolution)

    def everything():
        z = jnp.zeros((8, 512))
        noise = [jnp.zeros((8, *s)) for s in networks.noise_shapes(resolution)]
        g_params = generator.init(KEY, z, noise)
        w = generator.apply(g_params, z, method="map")
        ws = generator.apply(g_params, w, method="broadcast")
        images = generator.apply(g_params, ws, noise, method="synthesise")
        d_params = discriminator.init(KEY, images)
        return (
            g_params,
            d_params,
            w,
            ws,
            images,
            discriminator.apply(d_params, images),
        )

    g, d, w, ws, images, (logits, features) = jax.eval_shape(everything)
    assert w.shape == (8, 512)
    assert ws.shape == (8, rows, 512)
    assert images.shape == (8, resolution, resolution, channels)
    assert logits.shape == (8,)
    sizes = [size for size in networks.resolutions(resolution)[:-1]]
    assert [f.shape for f in features] == [
        (8, size, size, width)
        for size, width in zip(
            sizes[::-1], networks.widths(config)[-2::-1], strict=True
        )
    ]
    leaves = jax.tree.leaves((g, d, images, logits))
    assert all(leaf.dtype == jnp.float32 for leaf in leaves)
    assert (_size(g), _size(d)) == _parameters_by_algebra(config)


@pytest.mark.parametrize("make", ["main_step", "r1_step", "path_length_step"])
def test_steps_at_full_size_keep_the_state_s_shapes(make):
    config = _paper(1024, 3)
    before = jax.eval_shape(lambda: state.create(config))
    batch = {
        "image": jax.ShapeDtypeStruct((8, 1024, 1024, 3), jnp.float32),
        "label": jax.ShapeDtypeStruct((8,), jnp.int32),
    }
    after, metrics = jax.eval_shape(getattr(steps, make)(config), before, batch)
    assert jax.tree.structure(before) == jax.tree.structure(after)
    for a, b in zip(
        jax.tree.leaves(before), jax.tree.leaves(after), strict=True
    ):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
    assert all(value.shape == () for value in metrics.values())


# --- the generator


def test_mapping_is_its_definition(sixteen):
    _, generator, params, _ = sixteen
    z = _codes()[:, 0] * 7
    x = z / np.sqrt(np.mean(np.float64(z) ** 2, axis=1, keepdims=True) + 1e-8)
    for index in range(2):
        dense = params["params"]["mapping"][f"dense_{index}"]
        x = 0.01 * (
            x @ np.float64(dense["kernel"]) / np.sqrt(8)
            + np.float64(dense["bias"])
        )
        x = reference.leaky_relu(x)
    actual = generator.apply(params, z, method="map")
    np.testing.assert_allclose(actual, x, rtol=1e-4, atol=1e-5)


def test_mapping_starts_with_unit_scale():
    """0.01 at run time against 1 / 0.01 in what is stored."""
    mapping = networks.Mapping(256, 8)
    z = np.random.default_rng(0).standard_normal((512, 256), np.float32)
    params = mapping.init(KEY, z)
    stored = np.std(params["params"]["dense_0"]["kernel"])
    assert stored == pytest.approx(100, rel=0.05)
    w = np.asarray(mapping.apply(params, z))
    assert np.sqrt(np.mean(w**2)) == pytest.approx(1, rel=0.3)


def _styled(x, own, w, noise, up):
    style = _affine(own["conv"], w)
    kernel = _scaled(own["conv"])
    images = []
    for image, s in zip(x, style, strict=True):
        k = kernel * s[None, None, :, None]
        k = k / np.sqrt(np.sum(k**2, axis=(0, 1, 2)) + 1e-8)
        apply = reference.upsample_conv3x3 if up else reference.conv
        images.append(apply(image[None], k)[0])
    y = np.stack(images) + noise * np.float64(own["noise_strength"])
    return reference.leaky_relu(y + np.float64(own["bias"]))


def _affine(own, w):
    dense = own["affine"]
    matrix = np.float64(dense["kernel"]) / np.sqrt(w.shape[1])
    return w @ matrix + np.float64(dense["bias"])


def _scaled(own):
    kernel = np.float64(own["kernel"])
    return kernel / np.sqrt(np.prod(kernel.shape[:3]))


def _pixels(x, own, w):
    modulated = x * _affine(own["conv"], w)[:, None, None, :]
    return reference.conv(modulated, _scaled(own["conv"])) + np.float64(
        own["bias"]
    )


def test_synthesis_is_the_paper_s_skip_generator(sixteen, render):
    _, _, params, noise = sixteen
    ws, own = _codes(), params["params"]["synthesis"]
    x = np.repeat(np.float64(own["const"])[None], 2, axis=0)
    x = _styled(x, own["conv_4_1"], ws[:, 0], noise[0], up=False)
    image = _pixels(x, own["rgb_4"], ws[:, 1])
    for size, row in ((8, 1), (16, 3)):
        block = own[f"conv_{size}_0"]
        x = _styled(x, block, ws[:, row], noise[row], up=True)
        block = own[f"conv_{size}_1"]
        x = _styled(x, block, ws[:, row + 1], noise[row + 1], up=False)
        image = reference.upsample_pixels(image)
        image = image + _pixels(x, own[f"rgb_{size}"], ws[:, row + 2])
    actual, _ = render(params, ws, noise)
    np.testing.assert_allclose(actual, image, atol=1e-4)


LAYERS = ["conv_4_1", "conv_8_0", "conv_8_1", "conv_16_0", "conv_16_1"]
PIXELS = {"rgb_4": 1, "rgb_8": 3, "rgb_16": 5}


@pytest.mark.parametrize("row", range(6))
def test_a_row_rules_its_layer_and_the_finer_ones(sixteen, render, row):
    _, _, params, noise = sixteen
    ws = _codes()
    changed = ws.copy()
    changed[:, row] += 1
    _, before = render(params, ws, noise)
    _, after = render(params, changed, noise)
    before = before["intermediates"]["synthesis"]
    after = after["intermediates"]["synthesis"]

    def same(name):
        a, b = before[name]["__call__"][0], after[name]["__call__"][0]
        return bool(np.array_equal(a, b))

    for index, name in enumerate(LAYERS):
        assert same(name) == (index < row), name
    for name, last in PIXELS.items():
        assert same(name) == (last < row), name


def test_one_code_and_noise_are_one_image(sixteen, render):
    _, _, params, noise = sixteen
    ws = _codes()
    first, _ = render(params, ws, noise)
    np.testing.assert_array_equal(first, render(params, ws, noise)[0])
    other = _noise(networks.noise_shapes(16), seed=9)
    assert not np.allclose(first, render(params, ws, other)[0], atol=1e-2)
    assert not np.allclose(first[0], first[1], atol=1e-2)


def test_parameters_do_not_know_the_noise(sixteen):
    _, generator, _, noise = sixteen
    z = jnp.ones((4, 8))

    def shapes(noise):
        tree = jax.eval_shape(generator.init, KEY, z, noise)
        return jax.tree.map(lambda leaf: leaf.shape, tree)

    params = shapes(noise)
    assert params == shapes(_noise(networks.noise_shapes(16), batch=4))
    assert set(params) == {"params"}
    strengths = [
        params["params"]["synthesis"][name]["noise_strength"] for name in LAYERS
    ]
    assert strengths == [()] * 5


@pytest.mark.parametrize(
    ("noise_from", "silent"), [(4, 0), (8, 1), (16, 3), (32, 5)]
)
def test_noise_starts_at_a_chosen_side(noise_from, silent):
    config = tiny.config(data={"resolution": 16}, noise_from=noise_from)
    generator = networks.generator(config)
    noise = [jnp.ones((1, *shape)) for shape in networks.noise_shapes(16)]
    tree = jax.eval_shape(generator.init, KEY, jnp.ones((1, 8)), noise)
    synthesis = tree["params"]["synthesis"]
    learned = ["noise_strength" in synthesis[name] for name in LAYERS]
    assert learned == [False] * silent + [True] * (5 - silent)


def test_codes_are_broadcast_to_all_rows(sixteen):
    _, generator, params, _ = sixteen
    w = _codes()
    for given in (w[:, 0], w[:, :1]):
        ws = generator.apply(params, given, method="broadcast")
        np.testing.assert_array_equal(ws, np.repeat(w[:, :1], 6, axis=1))
    ws = generator.apply(params, w, method="broadcast")
    np.testing.assert_array_equal(ws, w)


def test_render_and_call_are_synthesis_of_broadcast_codes(sixteen, render):
    _, generator, params, noise = sixteen
    z = _codes()[:, 0]
    w = generator.apply(params, z, method="map")
    expected, _ = render(params, np.repeat(w[:, None], 6, axis=1), noise)

    @jax.jit
    def both(params, z, w):
        return generator.apply(params, z, noise), generator.apply(
            params, w, noise, method="render"
        )

    for actual in both(params, z, w):
        np.testing.assert_allclose(actual, expected, atol=1e-5)


def test_truncation_pulls_towards_the_mean():
    w, mean = _codes()[:, 0], _codes(seed=2)[0, 0]
    np.testing.assert_allclose(networks.truncate(w, mean, 1.0), w, atol=1e-6)
    np.testing.assert_allclose(
        networks.truncate(w, mean, 0.0), np.stack([mean, mean]), atol=1e-6
    )
    np.testing.assert_allclose(
        networks.truncate(w, mean, 0.7), 0.7 * w + 0.3 * mean, atol=1e-6
    )


def test_fixed_noise_follows_the_seed():
    noise = networks.fixed_noise(tiny.config())
    shapes = [(1, *shape) for shape in networks.noise_shapes(tiny.SIDE)]
    assert [layer.shape for layer in noise] == shapes
    assert all(layer.dtype == np.float32 for layer in noise)
    again = networks.fixed_noise(tiny.config())
    other = networks.fixed_noise(tiny.config(seed=1))
    for a, b, c in zip(noise, again, other, strict=True):
        np.testing.assert_array_equal(a, b)
        assert not np.allclose(a, c)
    assert not np.allclose(noise[1], noise[2])


# --- the discriminator


@pytest.fixture(scope="module")
def judge():
    """A discriminator of 16 px: its function and parameters."""
    config = tiny.config(data={"resolution": 16})
    discriminator = networks.discriminator(config)
    images = jnp.zeros((1, 16, 16, 3))
    params = _scrambled(jax.jit(discriminator.init)(KEY, images))
    return jax.jit(discriminator.apply), params


def _pictures(count, seed=3):
    random = np.random.default_rng(seed)
    return random.uniform(-1, 1, (count, 16, 16, 3)).astype(np.float32)


def _biased(x, own):
    return reference.leaky_relu(x + np.float64(own["bias"]))


def _dense(x, own):
    matrix = np.float64(own["kernel"]) / np.sqrt(x.shape[1])
    return x @ matrix + np.float64(own["bias"])


def test_discriminator_is_the_paper_s_residual_one(judge):
    function, params = judge
    own, images = params["params"], _pictures(8)
    x = reference.conv(images, _scaled(own["from_rgb"]))
    x = _biased(x, own["from_rgb"])
    expected = []
    for size in (16, 8):
        skip = reference.conv(
            reference.downsample(x), _scaled(own[f"skip_{size}"])
        )
        conv = own[f"conv_{size}_0"]
        x = _biased(reference.conv(x, _scaled(conv)), conv)
        conv = own[f"conv_{size}_1"]
        x = _biased(reference.downsample_conv3x3(x, _scaled(conv)), conv)
        x = (x + skip) / np.sqrt(2)
        expected.append(x)
    groups = x.reshape(2, 4, *x.shape[1:])
    deviation = np.sqrt(np.var(groups, axis=1) + 1e-8).mean(axis=(1, 2, 3))
    plane = np.repeat(deviation, 4)[:, None, None, None] * np.ones((8, 4, 4, 1))
    x = np.concatenate([x, plane], axis=3)
    x = _biased(reference.conv(x, _scaled(own["last_conv"])), own["last_conv"])
    x = reference.leaky_relu(_dense(x.reshape(8, -1), own["last"]))
    logits, features = function(params, images)
    np.testing.assert_allclose(
        logits, _dense(x, own["logit"])[:, 0], rtol=1e-4, atol=1e-4
    )
    for actual, wanted in zip(features, expected, strict=True):
        np.testing.assert_allclose(actual, wanted, rtol=1e-4, atol=1e-4)


def test_a_split_batch_is_judged_as_the_whole(judge):
    function, params = judge
    images = _pictures(8)
    whole, _ = function(params, images)
    parts = [function(params, images[i : i + 4])[0] for i in (0, 4)]
    np.testing.assert_allclose(whole, np.concatenate(parts), atol=1e-5)
    # A smaller batch than a group is a group of its own.
    pair, _ = function(params, images[:2])
    assert not np.allclose(pair, whole[:2], atol=1e-4)
