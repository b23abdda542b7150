"""Settings of the images."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from jaxstyle.config.checks import (
    is_power_of_two,
    require,
)

SLICE_AXES = ("sagittal", "coronal", "axial")
# What the manifest's columns, or an npz file's arrays, mean by themselves,
# and what is known of every image.
OWN_COLUMNS = (
    *("path", "frame", "label", "split", "patient", "id", "name", "image"),
    *("height", "width"),
)


@dataclass
class DataConfig:
    """Where images come from and what they are at the model's side.

    Attributes:
      source: "ihc" (embedded stained tissue), "npz" (arrays), "folder"
        (images listed in a manifest, CSV or Parquet) or "tfds" (a set of the
        TFDS catalogue, prepared as array_record).
      path: the npz file, the manifest, or the folder of one version of the
        prepared set; empty for "ihc".
      resolution: side in pixels of the square model images, a power of two.
      channels: 1 (grey) or 3 (RGB).
      positive_labels: the integer labels that count as the finding, where
        `class_names` are two.
      class_names: what to call the absence and the presence of the finding;
        or three or more, the names of the labels 0, 1, 2, ... (see
        `TargetConfig`).
      split_fractions: shares of patients for train, val, test where the
        source has no splits.
      intensity_range: source values mapped to black and white; None takes
        the whole range of an integer type, and [0, 1] for floats. In DICOM
        and NIfTI, values after rescaling (HU in CT).
      window: (centre, width) in place of `intensity_range`, for DICOM and
        NIfTI alone. None takes the file's first window, else the whole
        range of the bits stored.
      fit: "pad" (the whole image, black beside it) or "crop" (the square
        in the middle) where an image is not square.
      slice_axis: how volumes are cut: "axial", "coronal" or "sagittal".
      slice_range: from the first to before the last slice that is used:
        two integers count slices from 0, two floats are shares of all.
      columns: columns of the manifest that are carried to the prepared
        data and to the renderer's images.csv; no others are.
      pseudonyms: images and patients are known by salted hashes of their
        names; False keeps the names, for public data.
      skip_unreadable: leaves out files of the manifest that are damaged, in
        place of stopping; the dataset's card tells how many.
      allow_leakage: a patient, or the same image, in two splits is a
        warning and no error.
      flip_horizontal: mirroring leaves the meaning intact (never for
        images with laterality, such as chest X-rays).
      flip_vertical: likewise for upside down.
      rotate90: likewise for quarter turns.
    """

    source: str = "ihc"
    path: str = ""
    resolution: int = 32
    channels: int = 3
    positive_labels: tuple[int, ...] = (1,)
    class_names: tuple[str, ...] = ("negative", "positive")
    split_fractions: tuple[float, float, float] = (0.7, 0.1, 0.2)
    intensity_range: tuple[float, float] | None = None
    window: tuple[float, float] | None = None
    fit: str = "pad"
    slice_axis: str = "axial"
    slice_range: tuple[float, float] = (0.0, 1.0)
    columns: tuple[str, ...] = ()
    pseudonyms: bool = True
    skip_unreadable: bool = False
    allow_leakage: bool = False
    flip_horizontal: bool = False
    flip_vertical: bool = False
    rotate90: bool = False

    def __post_init__(self) -> None:
        sources = ("ihc", "npz", "folder", "tfds")
        require(
            self.source in sources,
            "data.source",
            self.source,
            f"choose one of {sources}",
        )
        require(
            (self.source == "ihc") == (not self.path),
            "data.path",
            self.path,
            "give the npz file, the manifest or the prepared folder, and "
            "nothing for 'ihc'",
        )
        require(
            is_power_of_two(self.resolution) and 8 <= self.resolution <= 1024,
            "data.resolution",
            self.resolution,
            "use a power of two from 8 to 1024",
        )
        require(
            self.channels in (1, 3),
            "data.channels",
            self.channels,
            "use 1 (grey) or 3 (RGB)",
        )
        require(
            len(self.class_names) >= 2
            and len(set(self.class_names)) == len(self.class_names),
            "data.class_names",
            self.class_names,
            "name the absence and the presence of the finding, or each of "
            "three or more labels, no name twice",
        )
        require(
            len(self.split_fractions) == 3
            and min(self.split_fractions) > 0
            and abs(sum(self.split_fractions) - 1) < 1e-6,
            "data.split_fractions",
            self.split_fractions,
            "give three positive shares that add up to 1",
        )
        require(
            not self.skip_unreadable or self.source == "folder",
            "data.skip_unreadable",
            self.skip_unreadable,
            "only a folder has files that can be left out",
        )
        self._check_intensities()
        self._check_slices()
        fits = ("pad", "crop")
        require(self.fit in fits, "data.fit", self.fit, f"use one of {fits}")
        self._check_columns()

    def classes_of(self, labels: Sequence[int] | np.ndarray) -> np.ndarray:
        """The class, a position in `class_names`, of each label: int [N].

        Of three or more names the label itself, which need not have one.
        """
        if len(self.class_names) > 2:
            return np.asarray(labels, np.int64)
        return np.isin(labels, self.positive_labels).astype(np.int64)

    def _check_intensities(self) -> None:
        if self.intensity_range is not None:
            require(
                len(self.intensity_range) == 2
                and self.intensity_range[0] < self.intensity_range[1],
                "data.intensity_range",
                self.intensity_range,
                "give (black, white) with black < white",
            )
        if self.window is not None:
            require(
                len(self.window) == 2 and self.window[1] > 0,
                "data.window",
                self.window,
                "give (centre, width) with a width above 0",
            )
            require(
                self.intensity_range is None,
                "data.window",
                self.window,
                "give this or data.intensity_range, not both",
            )

    def _check_slices(self) -> None:
        require(
            self.slice_axis in SLICE_AXES,
            "data.slice_axis",
            self.slice_axis,
            f"use one of {SLICE_AXES}",
        )
        wanted = self.slice_range
        counted = all(isinstance(end, int) for end in wanted)
        require(
            len(wanted) == 2
            and 0 <= wanted[0] < wanted[1]
            and (counted or wanted[1] <= 1)
            and len({type(end) for end in wanted}) == 1,
            "data.slice_range",
            wanted,
            "give two integers from 0, or two shares with a point, such as "
            "(0.25, 0.75), the first below the second",
        )

    def _check_columns(self) -> None:
        wrong = [name for name in self.columns if name in OWN_COLUMNS]
        require(
            not wrong and len(set(self.columns)) == len(self.columns),
            "data.columns",
            self.columns,
            f"name each once, and none of {OWN_COLUMNS}",
        )
        require(
            not self.columns or self.source != "ihc",
            "data.columns",
            self.columns,
            "the embedded images have none",
        )
