"""The run folder: what each stage writes and the next one reads.

WORKDIR/<stage>/ holds config.json (what the stage depends on), result.json
(its numbers), complete.json (written last, with the hash of the config) and
the stage's own files. This is the only module that knows these names.

Of several processes, which share the folder, process 0 writes; the others
go on when it has.
"""

import contextlib
import dataclasses
import errno
import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jaxstyle import config as config_lib
from jaxstyle import parallel

STAGES = (
    "data",
    "classifier",
    "gan",
    "encoder",
    "direction",
    "render",
    "evaluation",
    "report",
)

# The config sections that a stage's result depends on, upstream included.
_SECTIONS = {
    "data": ("data",),
    "classifier": ("data", "classifier"),
    "gan": ("data", "gan"),
    "encoder": ("data", "gan", "encoder"),
}
_EXPLAINED = ("data", "classifier", "predictor", "target", "gan", "encoder")
_SECTIONS["direction"] = (*_EXPLAINED, "direction")
_SECTIONS["project"] = (*_EXPLAINED, "project")
_SECTIONS["render_images"] = (*_SECTIONS["direction"], "walk")
_SECTIONS["render"] = (*_SECTIONS["direction"], "walk")
_SECTIONS["compare_directions"] = (
    *_SECTIONS["direction"],
    *("walk", "evaluation"),
)
_SECTIONS["compare_inversions"] = (
    *_SECTIONS["direction"],
    *("project", "walk", "evaluation"),
)
_SECTIONS["sanity_checks"] = _SECTIONS["compare_directions"]
_SECTIONS["second_opinion"] = _SECTIONS["compare_directions"]
_SECTIONS["dicom_images"] = _SECTIONS["render_images"]
_SECTIONS["dicom"] = _SECTIONS["render"]
_SECTIONS["evaluation"] = (*_SECTIONS["render"], "evaluation")
_SECTIONS["report"] = (*_SECTIONS["evaluation"], "report")

# Settings of how the work is done, and not of what comes out.
_WITHOUT_EFFECT = {
    "predictor": (
        *("cache", "http_timeout", "http_retries", "http_authorization"),
    ),
    "walk": ("writer_threads",),
}

# A training goes on from its checkpoints when these change; the first of
# them is its length, which may only grow.
_EXTENDABLE = {"gan": ("kimg", "sample_kimg", "checkpoint_kimg")}


class WorkdirError(RuntimeError):
    """A stage's input is missing or does not fit; says which and the mend."""


@dataclasses.dataclass(frozen=True)
class Stage:
    """One stage's folder in a workdir.

    Attributes:
      name: one of `STAGES`.
      path: the folder.
      config: everything that the stage depends on, as JSON values.
    """

    name: str
    path: Path
    config: dict[str, Any]

    @property
    def checkpoints(self) -> Path:
        """Folder of the training checkpoints."""
        return self.path / "checkpoints"

    @property
    def exported(self) -> Path:
        """Folder of the final parameters that later stages read."""
        return self.path / "params"

    @property
    def best(self) -> Path:
        """Folder of the parameters that measured best during training."""
        return self.path / "best"

    @property
    def best_numbers(self) -> Path:
        """What they measured, and at which step."""
        return self.path / "best.json"

    @property
    def samples(self) -> Path:
        """Folder of the sample grids, `kimg_00012.5.png` and the like."""
        return self.path / "samples"

    @property
    def manifest(self) -> Path:
        """The renderer's CSV with one row per frame."""
        return self.path / "manifest.csv"

    @property
    def summary(self) -> Path:
        """The renderer's CSV with one row per image."""
        return self.path / "images.csv"

    @property
    def refused(self) -> Path:
        """CSV of the files that were left out, and why."""
        return self.path / "refused.csv"

    @property
    def details(self) -> Path:
        """The evaluation's intervals, and its numbers by feature network."""
        return self.path / "details.json"

    @property
    def page(self) -> Path:
        """The report."""
        return self.path / "index.html"

    @property
    def metrics(self) -> Path:
        """JSON lines written during training."""
        return self.path / "metrics.jsonl"


def stage(config: config_lib.Config, workdir: str | Path, name: str) -> Stage:
    """The folder of stage `name`, which need not exist yet."""
    values = config_lib.as_dict(config)
    sections = (*_sections(config, name), "name", "seed")
    for section, fields in _WITHOUT_EFFECT.items():
        for setting in fields:
            del values[section][setting]
    depends = {key: values[key] for key in sections}
    return Stage(name, Path(workdir).absolute() / name, depends)


def salt(workdir: str | Path) -> Path:
    """The secret of the run's pseudonyms: never to be passed on."""
    return Path(workdir).absolute() / "salt"


def student(workdir: str | Path) -> Path:
    """The run folder of the network that learns a black box's decisions."""
    return Path(workdir).absolute() / "student"


def second_classifier(workdir: str | Path) -> Path:
    """The run folder of the classifier that is asked for a second opinion.

    Beside the stage, which is done anew when the walks change: its training
    depends on the images alone.
    """
    return Path(workdir).absolute() / "second_classifier"


def _sections(config: config_lib.Config, name: str) -> tuple[str, ...]:
    sections = _SECTIONS[name]
    if name == "encoder" and config.encoder.predictor_weight:
        sections += ("classifier", "predictor", "target")
    if "walk" in sections and config.walk.project:
        sections += ("project",)
    if "walk" in sections and config.walk.along == config_lib.NEAREST:
        sections += ("nearest",)
    return sections


def begin(config: config_lib.Config, workdir: str | Path, name: str) -> Stage:
    """Makes the stage's folder ready for a run, and returns it.

    Work done under the same config stays, to be resumed. Work done under
    another one is moved aside to `<stage>.previous-N`, never deleted.

    Raises:
      WorkdirError: if a stage that it reads from is not complete.
    """

    def check_and_make() -> None:
        _require_inputs(config, workdir, name)
        _make(here)

    here = stage(config, workdir, name)
    parallel.on_main(check_and_make)
    return here


def _make(here: Stage) -> None:
    recorded = here.path / "config.json"
    if here.path.exists() and not _resumable(here, recorded):
        set_aside(here.path, "another config")
    here.path.mkdir(parents=True, exist_ok=True)
    (here.path / "complete.json").unlink(missing_ok=True)
    write_json(recorded, here.config)


def set_aside(folder: Path, made_for: str) -> None:
    """Renames a folder to `<folder>.previous-N`, with a warning."""
    aside = _free_name(folder)
    logging.warning(
        "%s was made under %s; it now lies in %s", folder, made_for, aside
    )
    folder.rename(aside)


def finish(here: Stage, result: dict[str, Any], seconds: float) -> None:
    """Records the stage's numbers and marks it complete."""
    complete = {
        "config_hash": config_lib.digest(here.config),
        "seconds": seconds,
    }

    def write() -> None:
        write_json(here.path / "result.json", result)
        write_json(here.path / "complete.json", complete)

    parallel.on_main(write)


def is_complete(
    config: config_lib.Config, workdir: str | Path, name: str
) -> bool:
    """Whether the stage is finished under exactly this config."""
    here = stage(config, workdir, name)
    marker = here.path / "complete.json"
    if not marker.exists():
        return False
    return read_json(marker)["config_hash"] == config_lib.digest(here.config)


def seconds(here: Stage) -> float:
    """How long the completed stage took."""
    return read_json(here.path / "complete.json")["seconds"]


def result(
    config: config_lib.Config, workdir: str | Path, name: str
) -> dict[str, Any]:
    """The numbers of a completed stage.

    Raises:
      WorkdirError: if the stage has not been run.
    """
    path = stage(config, workdir, name).path / "result.json"
    if not path.exists():
        raise WorkdirError(_not_run(path, name))
    return read_json(path)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Where to write: a reader sees the old file or the whole new one."""
    draft = path.with_name(path.name + ".draft")
    with full_disk_told(path):
        yield draft
        os.replace(draft, path)


@contextlib.contextmanager
def full_disk_told(path: Path) -> Iterator[None]:
    """A full disk's bare OSError becomes one that names file and mend.

    Raises:
      WorkdirError: where there was no room to write `path`.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise WorkdirError(
            f"{path} could not be written: {error.strerror}; delete something "
            "on that disk, or raise the quota. What was saved before is left "
            "as it is, and the same command goes on from there"
        ) from error


def write_json(path: Path, values: Any) -> None:
    """Writes JSON, whole or not at all (see `replacing`)."""
    with replacing(path) as draft:
        draft.write_text(json.dumps(values, indent=1, sort_keys=True) + "\n")


def read_json(path: Path) -> Any:
    """Reads a JSON file.

    Raises:
      WorkdirError: naming the file, if it is not JSON.
    """
    try:
        return json.loads(path.read_text())
    except json.JSONDecodeError as error:
        raise WorkdirError(
            f"{path} is damaged ({error}); delete it and run its stage again"
        ) from error


_NEEDS = {
    "classifier": ("data",),
    "gan": ("data",),
    "encoder": ("data", "gan"),
    "direction": ("data", "gan", "encoder"),
    "project": ("data", "gan", "encoder"),
    "compare_directions": ("data", "gan", "encoder"),
    "compare_inversions": ("data", "gan"),
    "sanity_checks": ("data", "gan", "encoder"),
    "second_opinion": ("data", "render"),
    "render": ("data", "gan", "encoder", "direction"),
    "render_images": ("data", "gan", "encoder", "direction"),
    "dicom": ("render",),
    "dicom_images": ("render_images",),
    "evaluation": ("data", "gan", "encoder", "direction", "render"),
    "report": ("data", "evaluation", "render"),
}

# Those that ask the predictor whatever the config says.
_ASK_F = (
    "direction",
    "compare_directions",
    "compare_inversions",
    "sanity_checks",
    "render",
    "render_images",
    "evaluation",
)

_LAUNCHERS = {
    "data": "prepare_data",
    "classifier": "train_classifier",
    "gan": "train_gan",
    "encoder": "train_encoder",
    "direction": "fit_direction",
    "project": "project",
    "compare_directions": "compare_directions",
    "compare_inversions": "compare_inversions",
    "sanity_checks": "sanity_checks",
    "second_opinion": "second_opinion",
    "render": "render",
    "render_images": "render",
    "dicom": "export_dicom",
    "dicom_images": "export_dicom",
    "evaluation": "evaluate",
    "report": "report",
}


def _not_run(path: Path, name: str) -> str:
    return (
        f"{path} is missing: run `python -m launch.{_LAUNCHERS[name]}` with "
        "the same --config and --workdir first"
    )


def _require_inputs(
    config: config_lib.Config, workdir: str | Path, name: str
) -> None:
    needs = _NEEDS.get(name, ())
    uses_f = name in _ASK_F
    uses_f |= name == "encoder" and config.encoder.predictor_weight > 0
    uses_f |= name == "project" and config.project.predictor_weight > 0
    if uses_f and config.predictor.kind == "checkpoint":
        needs = (*needs, "classifier")
    for needed in needs:
        if is_complete(config, workdir, needed):
            continue
        there = stage(config, workdir, needed)
        if (there.path / "complete.json").exists():
            raise WorkdirError(
                f"{there.path} was made under another config: run "
                f"`python -m launch.{_LAUNCHERS[needed]}` again, or choose "
                "another --workdir"
            )
        raise WorkdirError(_not_run(there.path / "complete.json", needed))


def _resumable(here: Stage, recorded: Path) -> bool:
    if not recorded.exists():
        return True
    before, now = read_json(recorded), json.loads(json.dumps(here.config))
    for number, key in enumerate(_EXTENDABLE.get(here.name, ())):
        old = before.get(here.name, {}).pop(key, 0)
        if number == 0 and now[here.name][key] < old:
            return False
        now[here.name].pop(key)
    return before == now


def _free_name(path: Path) -> Path:
    number = 1
    while (aside := path.with_name(f"{path.name}.previous-{number}")).exists():
        number += 1
    return aside
