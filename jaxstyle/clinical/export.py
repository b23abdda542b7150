"""Writes what was rendered as DICOM, one series an image.

WORKDIR/dicom/ (WORKDIR/dicom_images/ for a folder or a list) gets a folder
for each image, with one Secondary Capture a frame. Saved frames are read;
nothing is rendered again. The original, the only real image of a walk, is
not exported, and neither are images whose reconstruction f judges otherwise:
their frames explain nothing.
"""

import hashlib
import itertools
import json
import logging
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from jaxstyle import config as config_lib
from jaxstyle import predictors, run_log, workdir
from jaxstyle.clinical import canvas, secondary_capture
from jaxstyle.config import Config
from jaxstyle.data import geometry
from jaxstyle.explain import manifest, search
from jaxstyle.report.question import Question

Row = dict[str, str]


def run(config: Config, root: str | Path) -> dict[str, Any]:
    """Exports what `config.walk` names; goes on where it was stopped.

    Returns:
      Counts: "series", "instances", and "left_out" images.

    Raises:
      ExportError: if pydicom is missing.
      WorkdirError: if nothing is rendered, or a file of it is missing.
    """
    started = time.monotonic()
    secondary_capture.library()
    files = bool(config.walk.images)
    stage = workdir.begin(config, root, "dicom_images" if files else "dicom")
    name = "render_images" if files else "render"
    rendered = workdir.stage(config, root, name)
    export = _Exporter(config, rendered, stage)
    total = workdir.result(config, root, name)["images"]
    progress = run_log.Progress("export DICOM", total, "images")
    result = {"series": 0, "instances": 0, "left_out": 0}
    for done, (row, frames) in enumerate(_walks(rendered), start=1):
        if row["status"] == search.NOT_EXPLAINED:
            # It may have been explained before it was rendered anew.
            shutil.rmtree(stage.path / row["image_id"], ignore_errors=True)
            result["left_out"] += 1
        else:
            export(row, frames)
            result["series"] += 1
            result["instances"] += len(frames)
        progress.update(done)
    workdir.finish(stage, result, time.monotonic() - started)
    return result


def _walks(rendered: workdir.Stage) -> Iterator[tuple[Row, list[Row]]]:
    """Each image's row and those of its frames, one image at a time."""
    walks = itertools.groupby(
        manifest.read(rendered.manifest), key=lambda row: row["image_id"]
    )
    for row, (image_id, frames) in zip(
        manifest.read(rendered.summary), walks, strict=True
    ):
        if row["image_id"] != image_id:
            raise workdir.WorkdirError(
                f"{rendered.manifest} has {image_id} where {rendered.summary} "
                f"has {row['image_id']}; {_again(rendered)}"
            )
        yield row, list(frames)


class _Exporter:
    """Writes the folder of one image.

    Args:
      config: the run.
      rendered: where its frames are.
      stage: where the folders go.
    """

    def __init__(
        self, config: Config, rendered: workdir.Stage, stage: workdir.Stage
    ) -> None:
        self._config, self._rendered = config, rendered
        self._folder = stage.path
        self._digest = config_lib.digest(stage.config)
        told = predictors.recorded(rendered.path)
        self._model = told.get("fingerprint", "unknown")

    def __call__(self, row: Row, rows: Sequence[Row]) -> None:
        frames = [self._frame(row, frame, len(rows)) for frame in rows]
        series = self._series(row, rows, frames)
        folder = self._folder / row["image_id"]
        if folder.exists():
            if _series_uid(folder) == series.series_uid:
                return
            # Rendered anew since, and not the same.
            logging.warning("%s: other frames than before", folder)
            shutil.rmtree(folder)
        with workdir.replacing(folder) as draft:
            draft.mkdir(exist_ok=True)
            for frame in frames:
                image = secondary_capture.dataset(series, frame)
                secondary_capture.save(_file(draft, frame.number), image)

    def _series(
        self,
        row: Row,
        rows: Sequence[Row],
        frames: Sequence[secondary_capture.Frame],
    ) -> secondary_capture.Series:
        run_, image_id = f"jaxstyle run {self._digest}", row["image_id"]
        # An archive keeps the first of two instances of one UID: other
        # contents need other UIDs.
        content = hashlib.sha256(json.dumps([row, *rows]).encode())
        for frame in frames:
            content.update(frame.picture.pixels.tobytes())
        series_uid = secondary_capture.uid(
            *("series", run_, image_id, self._model, content.hexdigest())
        )
        return secondary_capture.Series(
            image_id=image_id,
            study_uid=secondary_capture.uid("study", run_, image_id),
            series_uid=series_uid,
            run=f"{self._config.name}, config {self._digest}",
            model=self._model,
            what=Question.of(self._config).answer.rstrip(","),
            original=self._answer(row["predictor_original"]),
            status=row["status"],
            frames=len(frames),
        )

    def _frame(
        self, row: Row, frame: Row, count: int
    ) -> secondary_capture.Frame:
        number, role = int(frame["frame"]), _role(row, frame)
        position = float(frame["lambda"])
        answer = self._answer(frame["predictor_probability"])
        pixels = self._pixels(row, self._rendered.path / frame["file"])
        lines = secondary_capture.captions(
            role, number, count, position, answer
        )
        picture = canvas.drawn(pixels, lines)
        return secondary_capture.Frame(number, role, position, answer, picture)

    def _answer(self, probability: str) -> str:
        return self._config.target.shown(float(probability), 3)

    def _pixels(self, row: Row, path: Path) -> np.ndarray:
        """uint8 [h, w, C] without the bars that made it square."""
        try:
            with Image.open(path) as file:
                pixels = np.asarray(file)
        except OSError as error:
            raise workdir.WorkdirError(
                f"{path} cannot be read ({error}); {_again(self._rendered)}"
            ) from error
        pixels = pixels if pixels.ndim == 3 else pixels[..., None]
        if self._config.data.fit == "crop":
            return pixels
        if not row.get("height"):
            raise workdir.WorkdirError(
                f"{self._rendered.summary} does not say how large images "
                f"were; {_again(self._rendered)}"
            )
        size = int(row["height"]), int(row["width"])
        return geometry.unpad(pixels, *size)


def _role(row: Row, frame: Row) -> str:
    if frame["frame"] == row["reconstruction_frame"]:
        return "reconstruction"
    found = row["status"] == search.FLIPPED and frame["flipped"] == "1"
    return "counterfactual" if found else "walk"


def _series_uid(folder: Path) -> str:
    """Of what is in a folder that was written before."""
    told = secondary_capture.library().dcmread(
        _file(folder, 0), specific_tags=["SeriesInstanceUID"]
    )
    return str(told.SeriesInstanceUID)


def _file(folder: Path, number: int) -> Path:
    return folder / f"{number:02d}.dcm"


def _again(rendered: workdir.Stage) -> str:
    return (
        f"move {rendered.path} away and run `python -m launch.render` again "
        "with the same --config and --workdir"
    )
