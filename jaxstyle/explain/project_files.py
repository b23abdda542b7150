"""The files of projected images: codes, pictures and the table of numbers.

An image's numbers lie in its codes/<id>.npz, which is written last and in
one go; the table is made of these, so it is the same after any number of
interruptions.
"""

import csv
import dataclasses
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxstyle import workdir
from jaxstyle.config import TargetConfig
from jaxstyle.report import sheet
from jaxstyle.report.colours import to_rgb

# Beside the arrays of an image: the digest of its file, "" for a split's.
_SOURCE = "source_digest"


@dataclasses.dataclass(frozen=True)
class Projected:
    """One image with all that is written of it.

    Attributes:
      image_id: unique, safe as a file name.
      panels: the image, G(E(x)) and the projection, each [R, R, C] in
        [-1, 1].
      arrays: "code" [rows, w_dim], "losses" [steps + 1], and "noise_00"
        [H, W, 1] and so on where noise was optimised.
      numbers: those of the table.
    """

    image_id: str
    panels: Sequence[np.ndarray]
    arrays: dict[str, np.ndarray]
    numbers: dict[str, float]


class Files:
    """The folder of a projection.

    Args:
      folder: where everything goes; it exists.
      columns: the numbers that each image has.
      target: what f is asked.
    """

    def __init__(
        self, folder: Path, columns: Sequence[str], target: TargetConfig
    ) -> None:
        self._folder, self._columns = folder, tuple(columns)
        self._target = target
        for name in ("codes", "images"):
            (folder / name).mkdir(exist_ok=True)

    def is_done(self, image_id: str, digest: str = "") -> bool:
        """Whether both files are whole, and of the file of that digest."""
        whole = self._whole(image_id)
        return (
            whole is not None
            and str(whole.get(_SOURCE, "")) == digest
            and self._strip(image_id).exists()
        )

    def write(self, item: Projected, digest: str = "") -> None:
        """Writes the strip, then the code and what file it is of."""
        strip, code = self._strip(item.image_id), self._code(item.image_id)
        with workdir.replacing(strip) as draft:
            _picture(item, self._target).save(draft, format="PNG")
        with workdir.replacing(code) as draft, draft.open("wb") as file:
            known: Any = {**item.arrays, **item.numbers, _SOURCE: digest}
            np.savez(file, **known)

    def write_table(
        self, ids: Sequence[str], targets: Sequence[str]
    ) -> dict[str, Any]:
        """Writes projections.csv, one row an image.

        Returns:
          "images", and the mean of each column.
        """
        path = self._folder / "projections.csv"
        fields = ("image_id", "target", *self._columns, "code", "strip")
        wholes = [self._whole(image_id) or {} for image_id in ids]
        rows = [
            {name: float(whole[name]) for name in self._columns}
            for whole in wholes
        ]
        with (
            workdir.replacing(path) as draft,
            draft.open("w", newline="", encoding="utf-8") as file,
        ):
            writer = csv.DictWriter(file, fields, lineterminator="\n")
            writer.writeheader()
            for image_id, target, numbers in zip(
                ids, targets, rows, strict=True
            ):
                writer.writerow(
                    {key: f"{value:.6f}" for key, value in numbers.items()}
                    | {
                        "image_id": image_id,
                        "target": target,
                        "code": f"codes/{image_id}.npz",
                        "strip": f"images/{image_id}.png",
                    }
                )
        return {"images": len(ids)} | {
            name: float(np.mean([numbers[name] for numbers in rows]))
            for name in self._columns
        }

    def _whole(self, image_id: str) -> dict[str, np.ndarray] | None:
        """What the image's file holds; None if it lacks or tears anything."""
        try:
            # NumPy leaves a file open that it cannot read.
            with (
                self._code(image_id).open("rb") as file,
                np.load(file) as arrays,
            ):
                # Reading checks each array against its checksum.
                whole = {name: arrays[name] for name in arrays.files}
            return whole if set(self._columns) <= set(whole) else None
        except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile):
            return None

    def _code(self, image_id: str) -> Path:
        return self._folder / "codes" / f"{image_id}.npz"

    def _strip(self, image_id: str) -> Path:
        return self._folder / "images" / f"{image_id}.png"


def _picture(item: Projected, target: TargetConfig) -> Any:
    """Real | G(E(x)) | projection, under each what is known of it."""
    tiles = [
        sheet.Tile(title, to_rgb(panel), _caption(item.numbers, name, target))
        for title, panel, name in zip(
            ("image", "G(E(x))", "projection"),
            item.panels,
            ("real", "before", "after"),
            strict=True,
        )
    ]
    row = sheet.Sheet.for_tiles(tiles, None, False)
    row.add_tiles(tiles)
    return row.finished()


def _caption(numbers: dict[str, float], name: str, target: TargetConfig) -> str:
    words = []
    if f"psnr_{name}" in numbers:
        words.append(f"{numbers[f'psnr_{name}']:.1f} dB")
    if f"f_{name}" in numbers:
        words.append(f"f {target.shown(numbers[f'f_{name}'])}")
    return ", ".join(words)
