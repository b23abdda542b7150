"""The whole benchmark with stages that take no time."""

import dataclasses
import json

import numpy as np
import pytest

from jaxstyle import workdir
from jaxstyle.config.faithfulness import KINDS, PlantsConfig
from jaxstyle.explain import search
from jaxstyle.faithfulness import measure, planting, run, sharing
from jaxstyle.faithfulness.explanations import METHODS
from jaxstyle.faithfulness.planting import CLASS
from jaxstyle.faithfulness.tasks import all_tasks
from tests.faithfulness import made_records, small

# Not those that follow from the clock.
TIMED = ("seconds", "machine")


class Killed(Exception):
    pass


class Stages:
    """Quick fakes of all that is long; `done` is what was run, in order.

    Attributes:
      dies: raises `Killed` in this call, counted from 1; None lets all pass.
      dull: the target that no classifier learns.
    """

    def __init__(self, patch):
        self.done, self.dies, self.dull = [], None, None
        for name in run._RUN:
            patch.setitem(run._RUN, name, self._stage(name))
        patch.setattr(run.measure, "run", self._scores)
        patch.setattr(run.planting, "write", self._plant)
        patch.setattr(run.sheet, "write", self._sheet)
        patch.setattr(run.machine, "commit", lambda: "0123abc")
        self.sheets = []

    def _call(self, *what):
        if self.dies == len(self.done) + 1:
            raise Killed
        self.done.append(what)

    def _stage(self, name):
        def stage(mine, root):
            here = workdir.begin(mine, root, name)
            self._call(mine.seed, root.name, name)
            here.exported.mkdir(exist_ok=True)
            accuracy = 0.5 if root.name == self.dull else 0.95
            result = {"test": {"accuracy": accuracy, "auc": 0.75}}
            workdir.finish(here, result, 1.0)

        return stage

    def _plant(self, config, seed, path):
        self._call(seed, "plant")
        path.parent.mkdir(parents=True)
        np.savez(
            path,
            id=["a"],
            source=[0],
            clean=np.zeros(1),
            present=np.zeros((1, 5)),
            places=np.zeros(1),
        )
        told = planting._settings(config, seed)
        workdir.write_json(planting._settings_path(path), told)

    def _scores(self, config, mine, root, target, planted):
        self._call(mine.seed, root.name, "scores")
        assert planted.seed == mine.seed
        learnt = measure.learnt(config, mine, root)
        rows = [
            made_records.row(
                n,
                search.FLIPPED,
                enrichment=dict.fromkeys(KINDS, 0.5) | {target: 4.0},
                iou=0.5,
            )
            for n in range(3)
        ]
        record = made_records.record(
            target, rows if learnt else [], learnt, seed=mine.seed
        )
        told = record | {"settings": measure.settings(config, mine, target)}
        (root / measure.FOLDER).mkdir(exist_ok=True)
        workdir.write_json(root / measure.FOLDER / "scores.json", told)

    def _sheet(self, path, runs):
        self.sheets.append((path, runs))


@pytest.fixture
def stages(monkeypatch):
    return Stages(monkeypatch)


@pytest.fixture
def config(tmp_path):
    small.save(tmp_path / "source.npz")
    return small.config(tmp_path / "source.npz", kinds=("marker", "texture"))


def _timeless(result):
    return {key: value for key, value in result.items() if key not in TIMED}


def _expected(config):
    """What must be run: all tasks but the copies, which are no fakes."""
    return [
        (task.seed, "plant")
        if task.stage == "plant"
        else (task.seed, task.target, task.stage)
        for task in all_tasks(config)
        if task.stage != "copy"
    ]


def test_each_task_is_done_once_in_order(stages, config, tmp_path):
    result = run.run(config, tmp_path / "bench")
    assert stages.done == _expected(config)
    saved = json.loads((tmp_path / "bench" / "result.json").read_text())
    assert saved == result
    assert result["seeds"] == [0, 1] and result["seconds"] >= 0
    assert [(r["seed"], r["target"]) for r in result["runs"]] == [
        (seed, target)
        for seed in (0, 1)
        for target in (CLASS, "marker", "texture")
    ]
    assert result["summary"]["methods"]["counterfactual"]["found"]["mean"] == 1
    assert set(result["summary"]["methods"]) == set(METHODS)
    # Once for each seed, the second time with all runs.
    (_, first), (path, both) = stages.sheets
    assert (len(first), len(both)) == (3, 6)
    assert path == (tmp_path / "bench" / "sheet.png").absolute()
    target, name, file = both[4]
    assert (target, name) == ("marker", "seed 1")
    assert file == path.parent / "seed_1/marker/faithfulness/shown.npz"


def test_kinds_copy_from_the_class(stages, config, tmp_path):
    run.run(config, tmp_path)
    for seed in (0, 1):
        for target in ("marker", "texture"):
            mine = planting.target_config(
                config,
                seed,
                (tmp_path / f"seed_{seed}" / "planted.npz").absolute(),
                target,
            )
            root = tmp_path / f"seed_{seed}" / target
            assert sharing.is_adopted(mine, root)
            told = workdir.result(mine, root, "gan")
            assert told["copied_from"] == str(root.absolute().parent / CLASS)


@pytest.mark.parametrize("dies", [1, 6, 12, 19])
def test_a_killed_benchmark_goes_on(
    stages, config, tmp_path, dies, monkeypatch
):
    stages.dies = dies
    with pytest.raises(Killed):
        run.run(config, tmp_path / "killed")
    before = list(stages.done)
    assert len(before) == dies - 1
    stages.dies = None
    result = run.run(config, tmp_path / "killed")
    # Nothing again, and nothing left out.
    assert stages.done == _expected(config)
    again = Stages(monkeypatch)
    whole = run.run(config, tmp_path / "whole")
    assert _timeless(result) == _timeless(whole)
    assert again.done == stages.done


def test_what_is_done_is_only_read(stages, config, tmp_path):
    first = run.run(config, tmp_path)
    count = len(stages.done)
    assert _timeless(run.run(config, tmp_path)) == _timeless(first)
    assert len(stages.done) == count


def test_more_seeds_go_on(stages, config, tmp_path):
    less = dataclasses.replace(config, seeds=(0,))
    result = run.run(less, tmp_path)
    assert result["seeds"] == [0] and len(result["runs"]) == 3
    result = run.run(config, tmp_path)
    assert stages.done == _expected(config)
    assert result["seeds"] == [0, 1]


def test_what_is_not_learnt_is_not_explained(stages, config, tmp_path):
    stages.dull = "marker"
    result = run.run(config, tmp_path)
    for seed in (0, 1):
        for stage in ("direction", "render"):
            assert (seed, "marker", stage) not in stages.done
            assert (seed, "texture", stage) in stages.done
        assert (seed, "marker", "scores") in stages.done
    dull = result["summary"]["not_learnt"]
    assert [(one["seed"], one["target"]) for one in dull] == [
        (0, "marker"),
        (1, "marker"),
    ]
    # With a lower bound they are explained after all, and scored anew.
    count = len(stages.done)
    lower = dataclasses.replace(config, least_accuracy=0.5)
    assert run.run(lower, tmp_path)["summary"]["not_learnt"] == []
    new = stages.done[count:]
    assert [one for one in new if one[2] != "scores"] == [
        (seed, "marker", stage)
        for seed in (0, 1)
        for stage in ("direction", "render")
    ]
    assert len(new) == 4 + 6


def test_other_scores_render_nothing_again(stages, config, tmp_path):
    run.run(config, tmp_path)
    count = len(stages.done)
    other = dataclasses.replace(
        config, scores=dataclasses.replace(config.scores, tolerance=2.0)
    )
    run.run(other, tmp_path)
    assert {stage for *_, stage in stages.done[count:]} == {"scores"}
    assert len(stages.done) == count + 6


def test_other_plants_need_another_folder(stages, config, tmp_path):
    run.run(config, tmp_path)
    count = len(stages.done)
    other = dataclasses.replace(
        config,
        plants=PlantsConfig(kinds=("marker", "texture"), marker=0.5),
    )
    with pytest.raises(workdir.WorkdirError, match="another --workdir"):
        run.run(other, tmp_path)
    assert len(stages.done) == count


def test_a_task_that_failed_has_taken_its_time(stages, config, tmp_path):
    stages.dies = 3
    with pytest.raises(Killed):
        run.run(config, tmp_path)
    times = json.loads((tmp_path / "times.json").read_text())
    assert set(times) == {
        "seed 0: plant",
        "seed 0, class: data",
        "seed 0, class: classifier",
    }
