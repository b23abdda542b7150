"""Settings of the images."""

from dataclasses import dataclass

from jaxstyle.config.checks import (
    is_power_of_two,
    require,
)


@dataclass
class DataConfig:
    """Where images come from and what they are at the model's side.

    Attributes:
      source: "ihc" (embedded stained tissue), "npz" (arrays) or "folder"
        (images listed in a CSV manifest).
      path: the npz file or the CSV manifest; empty for "ihc".
      resolution: side in pixels of the square model images, a power of two.
      channels: 1 (grey) or 3 (RGB).
      positive_labels: the integer labels that count as the finding.
      class_names: what to call the absence and the presence of the finding.
      split_fractions: shares of patients for train, val, test where the
        source has no splits.
      intensity_range: source values mapped to black and white; None takes
        the whole range of an integer type, and [0, 1] for floats.
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
    class_names: tuple[str, str] = ("negative", "positive")
    split_fractions: tuple[float, float, float] = (0.7, 0.1, 0.2)
    intensity_range: tuple[float, float] | None = None
    flip_horizontal: bool = False
    flip_vertical: bool = False
    rotate90: bool = False

    def __post_init__(self) -> None:
        sources = ("ihc", "npz", "folder")
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
            "give the npz file or CSV manifest, and nothing for 'ihc'",
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
            len(self.class_names) == 2,
            "data.class_names",
            self.class_names,
            "name the absence and the presence of the finding",
        )
        require(
            len(self.split_fractions) == 3
            and min(self.split_fractions) > 0
            and abs(sum(self.split_fractions) - 1) < 1e-6,
            "data.split_fractions",
            self.split_fractions,
            "give three positive shares that add up to 1",
        )
        if self.intensity_range is not None:
            require(
                len(self.intensity_range) == 2
                and self.intensity_range[0] < self.intensity_range[1],
                "data.intensity_range",
                self.intensity_range,
                "give (black, white) with black < white",
            )
