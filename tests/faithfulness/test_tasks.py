"""The order of the benchmark's tasks, and the times that are kept."""

import pytest

from jaxstyle.faithfulness.planting import CLASS
from jaxstyle.faithfulness.tasks import Task, Times, all_tasks
from tests.faithfulness import made_records


@pytest.fixture
def tasks():
    return all_tasks(made_records.config(seeds=(4, 2)))


def test_the_class_s_run_trains_what_the_others_copy(tasks):
    half = len(tasks) // 2
    assert [task.seed for task in tasks] == [4] * half + [2] * half
    assert [str(task) for task in tasks[:8]] == [
        "seed 4: plant",
        "seed 4, class: data",
        "seed 4, class: classifier",
        "seed 4, class: gan",
        "seed 4, class: encoder",
        "seed 4, class: direction",
        "seed 4, class: render",
        "seed 4, class: scores",
    ]
    for kind in made_records.KINDS:
        mine = [t.stage for t in tasks if (t.seed, t.target) == (2, kind)]
        assert mine == [
            *("data", "classifier", "copy"),
            *("direction", "render", "scores"),
        ]
    assert len(set(tasks)) == len(tasks) == 2 * (1 + 7 + 3 * 6)


def test_times_are_kept_over_restarts(tasks, tmp_path):
    path = tmp_path / "times.json"
    times = Times(path)
    assert times.total() == 0
    times.took(tasks[0], 2.0)
    times.took(tasks[1], 3.0)
    # It goes on: a task that was interrupted took both of its parts.
    times = Times(path)
    times.took(tasks[1], 4.0)
    assert times.total() == Times(path).total() == 9


def test_the_rest_takes_as_long_as_its_like(tmp_path):
    times = Times(tmp_path / "times.json")
    tasks = [
        Task(0, CLASS, "render"),
        Task(0, "blob", "render"),
        Task(0, "marker", "render"),
        Task(1, CLASS, "render"),
        Task(1, "blob", "render"),
    ]
    assert times.left(tasks, tasks) == "at least 0:00"
    times.took(tasks[0], 600)
    # As long as the class's, while no kind's is known.
    assert times.left(tasks, tasks[1:]) == "40:00"
    times.took(tasks[1], 50)
    times.took(tasks[2], 70)
    assert times.left(tasks, tasks[3:]) == "11:00"
    assert times.left(tasks, []) == "0:00"
    other = Task(1, "blob", "direction")
    assert times.left([*tasks, other], [tasks[4], other]) == "at least 1:00"


def test_a_task_that_waits_tells_nothing_of_its_length(tmp_path):
    """Its time is of a part alone."""
    times = Times(tmp_path / "times.json")
    tasks = [Task(0, "blob", "render"), Task(0, "marker", "render")]
    times.took(tasks[0], 5)
    assert times.left(tasks, tasks) == "at least 0:00"
