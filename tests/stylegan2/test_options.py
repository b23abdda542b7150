"""The trainer's options: parts, bfloat16, labels, ADA, freeze-D."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxstyle import parallel
from jaxstyle.stylegan2 import augment, networks, steps
from jaxstyle.stylegan2 import state as state_lib
from tests import tiny

MAKERS = {
    "r1": steps.r1_step,
    "path_length": steps.path_length_step,
    "main": steps.main_step,
}


CLASSES = 3
OPTIONS = {
    "batch_size": 16,
    "mbstd_group": 2,
    "augment": "bgc",
    "augment_p": 0.5,
    "classes": CLASSES,
}


@pytest.fixture(scope="module")
def one():
    """The steps on one device, of a whole batch, with labels and ADA."""
    config = tiny.config(**OPTIONS)
    return {name: jax.jit(make(config)) for name, make in MAKERS.items()}


@pytest.fixture(scope="module")
def warm(one):
    """A state whose Adam no longer divides noise by noise."""
    state = state_lib.create(tiny.config(**OPTIONS))
    for number in range(2):
        for step in one.values():
            state, _ = step(state, tiny.batch(16, number))
    return jax.device_get(state)


def _floats(state, metrics):
    """Each field as one vector of its floats."""
    fields = {}
    for name, tree in {**vars(state), "metrics": metrics}.items():
        leaves = [np.ravel(leaf) for leaf in jax.tree.leaves(tree)]
        leaves = [leaf for leaf in leaves if leaf.dtype == np.float32]
        fields[name] = np.concatenate(leaves or [np.zeros(1)])
    return fields


# --- batch split


@pytest.mark.parametrize("name", MAKERS)
def test_a_batch_in_parts_on_two_devices_is_the_whole_batch(one, warm, name):
    batch, before = tiny.batch(16, 5), _floats(warm, {})
    before.pop("metrics")
    expected = _floats(*one[name](warm, batch))
    step = MAKERS[name](tiny.config(**OPTIONS, batch_split=2), parallel.AXIS)
    two = parallel.train_step(step)
    actual = _floats(*two(parallel.replicated(warm), parallel.shard(batch)))
    for field, values in expected.items():
        change = values - before.get(field, 0)
        error = np.linalg.norm(actual[field] - values)
        assert error <= 1e-3 * np.linalg.norm(change) + 1e-7, field


def test_parts_are_consecutive_and_their_mean_is_taken():
    x = np.arange(12, dtype=np.float32).reshape(6, 2)
    ids = np.arange(6, dtype=np.int32)

    def function(x, ids):
        return {
            "mean": jnp.mean(x, axis=0),
            "first": x[0] * ids[0].astype(x.dtype),
        }

    parts = steps._mean_over_parts(function, 3, (x, ids))
    np.testing.assert_allclose(parts["mean"], np.mean(x, axis=0))
    firsts = np.stack([x[0] * 0, x[2] * 2, x[4] * 4])
    np.testing.assert_allclose(parts["first"], firsts.mean(axis=0))
    whole = steps._mean_over_parts(function, 1, (x, ids))
    np.testing.assert_allclose(whole["first"], x[0] * 0)


# --- bfloat16


@pytest.mark.parametrize(
    ("count", "smallest"), [(0, None), (1, 16), (2, 8), (5, 8)]
)
def test_the_highest_resolutions_compute_in_bfloat16(count, smallest):
    config = tiny.config(data={"resolution": 16}, bfloat16_resolutions=count)
    state = jax.eval_shape(lambda: state_lib.create(config))
    images = jnp.zeros((4, 16, 16, 3))
    logits, features = jax.eval_shape(
        networks.discriminator(config).apply, state.d_params, images
    )
    assert logits.dtype == jnp.float32
    # A feature is the output of the block at twice its side.
    sides = [2 * f.shape[1] for f in features]
    assert [f.dtype == jnp.bfloat16 for f in features] == [
        smallest is not None and side >= smallest for side in sides
    ]
    noise = networks.fixed_noise(config)
    rendered, layers = jax.eval_shape(
        lambda params: networks.generator(config).apply(
            params,
            jnp.zeros((1, 8)),
            noise,
            capture_intermediates=True,
            mutable=["intermediates"],
        ),
        state.g_params,
    )
    assert rendered.dtype == jnp.float32
    for name, layer in layers["intermediates"]["synthesis"].items():
        if name.startswith("conv_"):
            kind = layer["__call__"][0].dtype
            size = int(name.split("_")[1])
            expected = smallest is not None and size >= smallest
            assert (kind == jnp.bfloat16) == expected, name
    leaves = jax.tree.leaves((state.g_params, state.d_params, state.g_opt))
    assert all(x.dtype in (jnp.float32, jnp.int32) for x in leaves)


@pytest.mark.parametrize("name", MAKERS)
def test_bfloat16_steps_are_near_float32_ones(name):
    full, half = tiny.config(), tiny.config(bfloat16_resolutions=1)
    state, batch = state_lib.create(full), tiny.batch(8, 3)
    expected, told = jax.jit(MAKERS[name](full))(state, batch)
    actual, half_told = jax.jit(MAKERS[name](half))(state, batch)
    for a, b in zip(
        jax.tree.leaves(actual), jax.tree.leaves(expected), strict=True
    ):
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        assert np.all(np.isfinite(a))
    for key in set(told) - {"sign_real"}:
        assert half_told[key].dtype == jnp.float32
        assert float(half_told[key]) == pytest.approx(
            float(told[key]), rel=0.1
        ), key
    # And it does compute in another precision.
    assert any(float(half_told[key]) != float(told[key]) for key in told)


# --- labels


@pytest.fixture(scope="module")
def labelled():
    config = tiny.config(classes=CLASSES)
    return config, state_lib.create(config)


def test_labels_condition_both_networks(labelled):
    config, state = labelled
    noise = networks.fixed_noise(config)
    z = np.ones((CLASSES, 8), np.float32)
    labels = np.arange(CLASSES, dtype=np.int32)
    images = networks.generator(config).apply(state.g_params, z, noise, labels)
    assert len(np.unique(np.asarray(images).reshape(CLASSES, -1), axis=0)) == 3
    same = np.repeat(tiny.images(1), CLASSES, axis=0)
    network = networks.discriminator(config).clone(mbstd_group=1)
    logits, features = network.apply(state.d_params, same, labels)
    assert len(np.unique(np.asarray(logits).round(6))) == CLASSES
    # The features are those of the image alone.
    _, alone = network.apply(state.d_params, same)
    for a, b in zip(features, alone, strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_discriminator_s_projection_is_its_definition(labelled):
    """logit(x, y) - logit(x) = <h(x), v_y> / sqrt(dim), linear in h."""
    config, state = labelled
    network = networks.discriminator(config).clone(mbstd_group=1)
    images, labels = tiny.images(6), np.arange(6, dtype=np.int32) % CLASSES
    own = state.d_params["params"]["project"]
    (with_label, _), seen = network.apply(
        state.d_params,
        images,
        labels,
        capture_intermediates=lambda module, _: module.name == "last",
        mutable=["intermediates"],
    )
    without = network.apply(state.d_params, images)[0]
    h = np.asarray(seen["intermediates"]["last"]["__call__"][0], np.float64)
    h = np.where(h > 0, h, 0.2 * h) * np.sqrt(2)
    v = np.float64(own["kernel"])[labels] + np.float64(own["bias"])[None]
    np.testing.assert_allclose(
        np.float64(with_label) - np.float64(without),
        np.sum(h * v, axis=1) / np.sqrt(h.shape[1]),
        atol=1e-4,
    )


def test_labels_that_are_missing_are_asked_for(labelled):
    config, state = labelled
    with pytest.raises(ValueError, match="3 classes needs labels"):
        networks.generator(config).apply(
            state.g_params, np.ones((1, 8), np.float32), method="map"
        )


@pytest.mark.parametrize("name", ["r1", "main"])
def test_the_labels_of_a_batch_count(one, warm, name):
    batch = tiny.batch(16, 7)
    other = batch | {"label": np.roll(batch["label"], 1)}
    metric = {"r1": "r1", "main": "loss_d"}[name]
    a, b = (float(one[name](warm, x)[1][metric]) for x in (batch, other))
    assert a != b


def test_random_labels_are_uniform_and_drawn_per_sample():
    key = jax.random.PRNGKey(0)
    labels = np.asarray(networks.random_labels(key, jnp.arange(3000), CLASSES))
    counts = np.bincount(labels, minlength=CLASSES)
    assert counts.sum() == 3000 and np.all(np.abs(counts - 1000) < 120)
    later = networks.random_labels(key, jnp.arange(1000, 1010), CLASSES)
    np.testing.assert_array_equal(later, labels[1000:1010])
    assert networks.random_labels(key, jnp.arange(3), 0) is None


# --- adaptive augmentation


def _p_after(signs, **options):
    """p after steps whose mean signs of D(real) are planted."""
    config = tiny.config(augment="blit", **options)
    state = state_lib.create(config)
    ps = []
    for sign in signs:
        p, total = steps._adjusted_p(config.gan, state, jnp.float32(sign))
        state = state.replace(augment_p=p, sign_sum=total, step=state.step + 1)
        ps.append(round(float(p), 6))
    return ps


def test_p_moves_towards_the_target_once_in_an_interval():
    # 4 steps of 8 images, of 80 in which p goes from 0 to 1: 0.4 each.
    options = {"augment_kimg": 0.08, "augment_interval": 4}
    up, down = [0.9] * 4, [-0.5, 0.9, 0.9, 0.9]
    ps = _p_after([*up, *up, *up, *down], **options)
    assert ps == [0, 0, 0, 0.4, 0.4, 0.4, 0.4, 0.8, *[0.8] * 7, 0.4]
    ps = _p_after(down, **options)
    assert ps == [0] * 4
    options["augment_target"] = 0.5
    assert _p_after(down, **options)[-1] == 0.4


def test_p_that_is_not_adapted_stays():
    options = {"augment_kimg": 0, "augment_p": 0.3}
    assert _p_after([1.0] * 5, **options) == [0.3] * 5


def test_the_main_step_adapts_p_to_the_mean_over_devices():
    options = {
        "augment": "bg",
        "augment_kimg": 0.08,
        "augment_interval": 2,
        "augment_target": -0.9,
    }
    config = tiny.config(**options)
    state = parallel.replicated(state_lib.create(config))
    two = parallel.train_step(steps.main_step(config, parallel.AXIS))
    signs, ps, sums = [], [], []
    for number in range(2):
        batch = parallel.shard(tiny.batch(8, number))
        state, metrics = two(state, batch)
        signs.append(float(metrics["sign_real"]))
        ps.append(float(metrics["augment_p"]))
        sums.append(float(state.sign_sum))
    assert sums == [pytest.approx(signs[0]), 0]
    expected = 0.2 if np.mean(signs) > -0.9 else 0
    assert ps == [0, pytest.approx(expected)]
    assert float(state.augment_p) == ps[-1]


@pytest.mark.parametrize("name", ["r1", "main"])
def test_d_sees_augmented_images_only(name, monkeypatch):
    """With p = 1, and every image replaced, nothing else reaches D."""
    config = tiny.config(augment="blit", augment_p=1.0)
    state, asked, drawn = state_lib.create(config), [], []

    def grey(images, key, ids, p, operations):
        asked.append(operations)
        jax.debug.callback(lambda key, p: drawn.append((key, p)), key, p)
        return images * 0 + 0.5

    monkeypatch.setattr(augment, "augment", grey)
    step = jax.jit(MAKERS[name](config))
    a, b = (step(state, tiny.batch(8, number))[1] for number in (1, 2))
    metric = {"r1": "r1", "main": "loss_d"}[name]
    assert float(a[metric]) == float(b[metric])
    assert set(asked) == {config.gan.augmentations(3)}
    jax.effects_barrier()
    # Each kind of image has draws of its own.
    keys = {tuple(np.asarray(key).tolist()) for key, _ in drawn}
    assert len(keys) == {"r1": 1, "main": 2}[name]
    assert all(float(p) == 1 for _, p in drawn)


# --- freeze-D


def test_frozen_layers_stay_and_the_others_learn():
    config = tiny.config(data={"resolution": 16}, transfer="run", freeze_d=1)
    frozen = networks.frozen_layers(config)
    assert frozen == ("from_rgb", "skip_16", "conv_16_0", "conv_16_1")
    state = state_lib.create(config)
    images = np.random.default_rng(0).uniform(-1, 1, (8, 16, 16, 3))
    batch = {
        "image": images.astype(np.float32),
        "label": np.zeros(8, np.int32),
    }
    after = state
    for name in ("r1", "main"):
        after, _ = jax.jit(MAKERS[name](config))(after, batch)
    for name, tree in after.d_params["params"].items():
        same = [
            np.array_equal(a, b)
            for a, b in zip(
                jax.tree.leaves(tree),
                jax.tree.leaves(state.d_params["params"][name]),
                strict=True,
            )
        ]
        assert all(same) if name in frozen else not all(same), name


def test_nothing_is_frozen_by_itself():
    assert networks.frozen_layers(tiny.config()) == ()
    # More blocks than there are: all of them, never the last layers.
    every = networks.frozen_layers(tiny.config(transfer="run", freeze_d=9))
    assert every == ("from_rgb", "skip_8", "conv_8_0", "conv_8_1")
