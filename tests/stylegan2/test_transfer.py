"""A start from another run: what is taken over, and what is not."""

import jax
import numpy as np
import pytest

from jaxstyle import checkpoints, workdir
from jaxstyle.config import Config, DataConfig, GanConfig, TargetConfig
from jaxstyle.stylegan2 import exports, transfer
from jaxstyle.stylegan2 import state as state_lib
from tests import tiny


def _from(root, **changes):
    """A config that starts from the run in `root`."""
    return tiny.config(transfer=str(root), **changes)


def _finished(root, config):
    """Leaves a finished training of `config` in `root`, with weights."""
    state = state_lib.create(config)
    shift = lambda leaf: leaf + 1  # noqa: E731
    state = state.replace(
        g_ema=jax.tree.map(shift, state.g_ema),
        d_params=jax.tree.map(shift, state.d_params),
        w_avg=state.w_avg + 2,
    )
    stage = workdir.stage(config, root, "gan")
    stage.path.mkdir(parents=True)
    workdir.write_json(stage.path / "config.json", stage.config)
    checkpoints.save_tree(stage.exported, exports.exported(state))
    workdir.finish(stage, {}, 0.0)
    return state


def _named(tree):
    leaves = jax.tree.leaves_with_path(tree)
    return {jax.tree_util.keystr(path): np.asarray(x) for path, x in leaves}


def test_a_run_of_the_same_shape_is_taken_over_whole(tmp_path):
    donor = _finished(tmp_path, tiny.config(seed=1))
    fresh = state_lib.create(tiny.config())
    state = transfer.started_from(_from(tmp_path), fresh)
    for ours, theirs in (
        (state.g_params, donor.g_ema),
        (state.g_ema, donor.g_ema),
        (state.d_params, donor.d_params),
        (state.w_avg, donor.w_avg),
    ):
        for a, b in zip(
            jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True
        ):
            np.testing.assert_array_equal(a, b)
    # Steps donate both.
    for a, b in zip(
        jax.tree.leaves(state.g_params),
        jax.tree.leaves(state.g_ema),
        strict=True,
    ):
        assert a is not b
        a.delete()
        assert not b.is_deleted()
    # A training of its own otherwise.
    assert int(state.step) == 0
    np.testing.assert_array_equal(state.rng, fresh.rng)
    for a, b in zip(
        jax.tree.leaves((state.g_opt, state.d_opt)),
        jax.tree.leaves((fresh.g_opt, fresh.d_opt)),
        strict=True,
    ):
        np.testing.assert_array_equal(a, b)


def test_another_resolution_shares_its_layers(tmp_path, caplog):
    donor = _finished(tmp_path, tiny.config(seed=1))
    larger = _from(tmp_path, data={"resolution": 16})
    fresh = state_lib.create(larger)
    with caplog.at_level("INFO"):
        state = transfer.started_from(larger, fresh)
    theirs, before, after = (
        _named(tree) for tree in (donor.g_ema, fresh.g_ema, state.g_ema)
    )
    for name, leaf in after.items():
        source = before if "_16" in name else theirs
        np.testing.assert_array_equal(leaf, source[name], name)
    theirs, before, after = (
        _named(tree)
        for tree in (donor.d_params, fresh.d_params, state.d_params)
    )
    # The input layer has fewer channels at 16 px.
    new = [n for n in after if "_16" in n or n not in theirs]
    assert any("_16" in name for name in new)
    for name, leaf in after.items():
        fits = name in theirs and theirs[name].shape == leaf.shape
        source = theirs if fits else before
        np.testing.assert_array_equal(leaf, source[name], name)
    assert f"{len(after) - len(new)} of {len(after)} arrays" in caplog.text or (
        "arrays taken over" in caplog.text
    )


def test_a_folder_without_a_finished_run_is_named(tmp_path):
    state = state_lib.create(tiny.config())
    with pytest.raises(workdir.WorkdirError, match=r"gan\.transfer = .*none"):
        transfer.started_from(_from(tmp_path / "none"), state)


def test_networks_that_share_nothing_are_refused(tmp_path):
    _finished(tmp_path, tiny.config(w_dim=4, channel_base=16, channel_max=4))
    config = _from(tmp_path, w_dim=12, channel_base=48, channel_max=6)
    state = state_lib.create(config)
    # Biases of one number fit any layer; they are no start.
    with pytest.raises(workdir.WorkdirError, match="channel_base"):
        transfer.started_from(config, state)


def test_a_run_of_more_classes_is_a_start(tmp_path):
    """Its own question, of one finding or of five grades, plays no part."""
    grades = Config(
        data=DataConfig(
            resolution=tiny.SIDE, class_names=("none", "some", "much")
        ),
        target=TargetConfig(kind="class", column=2),
        gan=GanConfig(**tiny.GAN),
    )
    donor = _finished(tmp_path, grades)
    state = transfer.started_from(
        _from(tmp_path), state_lib.create(tiny.config())
    )
    np.testing.assert_array_equal(state.w_avg, donor.w_avg)


@pytest.mark.parametrize(
    "changes", [{"data": {"resolution": 16}}, {"channel_max": 4}]
)
def test_only_layers_that_were_taken_over_are_frozen(tmp_path, changes):
    _finished(tmp_path, tiny.config(seed=1))
    same = _from(tmp_path, freeze_d=1)
    transfer.started_from(same, state_lib.create(same))
    other = _from(tmp_path, freeze_d=1, **changes)
    message = r"gan\.freeze_d = 1: layer from_rgb .* frozen untrained"
    with pytest.raises(workdir.WorkdirError, match=message):
        transfer.started_from(other, state_lib.create(other))
