"""Reads many damaged files of one format, in a process of its own.

A decoder that crashes, hangs or fills the memory ends this process, and not
the tests. Each file must come out as an image, or be refused by its name;
warnings are errors here.

    python -W error -m tests.data.fuzz FORMAT COUNT FOLDER

prints as JSON how many came out as images, how many were refused, by how
many MiB the memory grew, and what went wrong.
"""

import collections
import json
import resource
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import skimage
import tifffile
from PIL import Image

from jaxstyle.config import Config, DataConfig, PredictorConfig
from jaxstyle.data import files, folder, formats, npz, problems
from tests.data import images, mutations

# Of one file; most take a millisecond.
SECONDS = 5.0
SIDE = 16
PICTURES = Path(skimage.__file__).parent / "data"

Originals = Callable[[Path], Iterator[Path]]
Damage = Callable[[bytes, np.random.Generator], bytes]


class Slow(BaseException):
    """Not to be caught by readers."""


def _stained() -> np.ndarray:
    """A part of a real section, uint8 [40, 30, 3]."""
    with Image.open(PICTURES / "ihc.png") as image:
        return np.asarray(image)[:40, :30]


def _png(place: Path) -> Iterator[Path]:
    pixels = _stained()
    yield PICTURES / "chessboard_GRAY.png"
    yield PICTURES / "chessboard_RGB.png"
    Image.fromarray(pixels).save(place / "rgb.png")
    yield place / "rgb.png"
    palette = Image.fromarray(pixels).quantize(16)
    palette.save(place / "palette.png", transparency=3)
    yield place / "palette.png"
    deep = pixels[:12, :12].astype(np.uint16) * np.uint16(257)
    images.save_png16(place / "rgb16.png", deep, [4, 1, 2])
    yield place / "rgb16.png"


def _jpeg(place: Path) -> Iterator[Path]:
    exif = Image.Exif()
    exif[274] = 6
    with Image.open(PICTURES / "retina.jpg") as image:
        part = image.crop((600, 600, 664, 648))
    part.save(place / "turned.jpg", exif=exif)
    yield place / "turned.jpg"
    part.convert("L").save(place / "grey.jpg", progressive=True)
    yield place / "grey.jpg"


def _tiff(place: Path) -> Iterator[Path]:
    pixels = _stained()
    grey = pixels[..., 0]
    for name, image, how in (
        ("rgb", pixels, {"photometric": "rgb"}),
        ("zip", grey, {"compression": "zlib", "predictor": True}),
        ("tiles", grey, {"compression": "zlib", "tile": (16, 16)}),
        ("float", grey.astype(np.float32) / 255, {}),
        ("deep", grey.astype(np.uint16) * 257, {"byteorder": ">"}),
    ):
        path = place / f"{name}.tif"
        tifffile.imwrite(path, image, **how)
        yield path
    for how in ("tiff_lzw", "packbits", "jpeg"):
        path = place / f"{how}.tif"
        Image.fromarray(pixels).save(path, compression=how)
        yield path


def _dicom(*names: str) -> Originals:
    def there(place: Path) -> Iterator[Path]:
        del place
        from tests.data import dicoms

        yield from map(dicoms.shipped, names)

    return there


def _nifti(suffix: str) -> Originals:
    def there(place: Path) -> Iterator[Path]:
        import nibabel

        shipped = Path(nibabel.__file__).parent / "tests" / "data"
        for number, name in enumerate(
            ("anatomical.nii", "functional.nii", "standard.nii.gz")
        ):
            image: Any = nibabel.load(shipped / name)
            whole = np.asarray(image.dataobj)
            some = whole.reshape(*whole.shape[:3], -1)[:12, :12, :6, 0]
            second = number == 1
            kind = nibabel.Nifti2Image if second else nibabel.Nifti1Image
            part = kind(some.astype(np.int16), image.affine)
            part.header["cal_max"] = float(some.max())
            text = nibabel.nifti1.Nifti1Extension("comment", b"a remark")
            part.header.extensions.append(text)
            path = place / f"{number}{suffix}"
            nibabel.save(part, path)
            yield path

    return there


def _npz(place: Path) -> Iterator[Path]:
    pixels = _stained()[:32, :24, 0].reshape(4, 8, 3, 8).swapaxes(1, 2)
    arrays = {
        "image": pixels.reshape(12, 8, 8),
        "label": np.arange(12) % 2,
        "split": np.repeat(["train", "val", "test"], 4),
        "patient": np.array([f"p{n}" for n in range(12)]),
        "name": np.array([f"scan {n}".encode() for n in range(12)]),
    }
    np.savez(place / "whole.npz", **arrays)
    yield place / "whole.npz"
    arrays["image"] = arrays["image"] / 255
    np.savez_compressed(place / "packed.npz", **arrays)
    yield place / "packed.npz"


def _csv(place: Path) -> Iterator[Path]:
    rows = images.write_folder(place)
    yield images.write_manifest(place, "path,label,patient", rows)


def _onnx(place: Path) -> Iterator[Path]:
    from tests.predictors import onnx_models

    for layout, activation in (("nchw", "Softmax"), ("nhwc", "Sigmoid")):
        path = place / f"{layout}.onnx"
        onnx_models.save_linear(path, layout, activation)
        yield path


FORMATS: dict[str, tuple[Originals, Damage]] = {
    "png": (_png, mutations.within_png),
    "jpeg": (_jpeg, mutations.mutated),
    "tiff": (_tiff, mutations.mutated),
    "dicom": (
        _dicom("MR_small.dcm", "SC_rgb_small_odd.dcm"),
        mutations.mutated,
    ),
    "dicom_rle": (
        _dicom("MR_small_RLE.dcm", "SC_rgb_rle.dcm"),
        mutations.mutated,
    ),
    "dicom_jpeg": (
        _dicom("SC_rgb_small_odd_jpeg.dcm", "SC_rgb_dcmtk_+eb+cr.dcm"),
        mutations.mutated,
    ),
    "dicom_jpeg2000": (
        _dicom("MR_small_jp2klossless.dcm", "SC_rgb_gdcm_KY.dcm"),
        mutations.mutated,
    ),
    "nifti": (_nifti(".nii"), mutations.mutated),
    "nifti_gz": (_nifti(".nii.gz"), mutations.within_gzip),
    "npz": (_npz, mutations.within_zip),
    "csv": (_csv, mutations.once),
    "onnx": (_onnx, mutations.mutated),
}


def _read_image(path: Path) -> None:
    data = DataConfig(resolution=SIDE, channels=3)
    frames = files.probe(path, data).frames
    for number in {frames[0], frames[-1]}:
        sample = files.read(path, number, data)
        _check(sample.image, (SIDE, SIDE, 3))
        assert all(0 < side < 2**31 for side in sample.size)
        assert np.isfinite(sample.ends).all()


def _check(image: np.ndarray, shape: tuple[int, ...]) -> None:
    assert image.shape == shape and image.dtype == np.float32
    assert np.isfinite(image).all()
    assert image.min() >= 0 and image.max() <= 1


def _read_source(path: Path) -> None:
    kind = "npz" if path.suffix == ".npz" else "folder"
    data = DataConfig(source=kind, path=str(path), resolution=8, channels=1)
    module = npz if kind == "npz" else folder
    source = module.open_source(Config(data=data))
    for number, entry in enumerate(source.entries):
        assert entry.id.isascii() and entry.split in ("train", "val", "test")
        assert -(2**31) <= entry.label < 2**31
        entry.group.encode()
        _check(source.load(number).image, (8, 8, 1))


def _ask(path: Path) -> None:
    from jaxstyle import predictors
    from jaxstyle.predictors import onnx_file

    config = Config(
        predictor=PredictorConfig(
            kind="onnx",
            address=str(path),
            onnx_layout=path.stem,
            onnx_scores="probabilities",
        )
    )
    f = onnx_file.OnnxPredictor(config)
    shown = np.zeros((3, 8, 8, 3), np.float32)
    told = predictors.probability(f, shown, config)
    assert told.shape == (3,) and told.min() >= 0 and told.max() <= 1


def _reader(name: str) -> tuple[Callable[[Path], None], type[Exception]]:
    """What reads the format, and its own error."""
    if name == "onnx":
        from jaxstyle.predictors import PredictorError

        return _ask, PredictorError
    if name in ("npz", "csv"):
        return _read_source, problems.DataError
    return _read_image, formats.FormatError


def _too_slow(*_: Any) -> None:
    raise Slow


def _read_in_time(read: Callable[[Path], None], path: Path) -> None:
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        read(path)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _hidden(error: BaseException | None) -> Iterator[str]:
    """What should not be behind a refusal."""
    while error is not None:
        if isinstance(error, MemoryError | RecursionError | Warning):
            yield f"hides {error!r}"
        error = error.__cause__ or error.__context__


def _outcome(
    read: Callable[[Path], None], refused: type[Exception], path: Path
) -> tuple[str, list[str]]:
    """Whether it is an image or refused, and what is wrong about that."""
    try:
        _read_in_time(read, path)
    except refused as error:
        named = str(path) in str(error)
        wrong = [] if named else [f"names no file: {error}"]
        return "refused", [*wrong, *_hidden(error)]
    except BaseException:
        return "raised", [traceback.format_exc(limit=-3)]
    return "images", []


def run(name: str, count: int, place: Path) -> dict[str, Any]:
    """Reads `count` damaged files."""
    make, damage = FORMATS[name]
    read, refused = _reader(name)
    originals = [(path, path.read_bytes()) for path in make(place)]
    for path, _ in originals:
        read(path)
    signal.signal(signal.SIGALRM, _too_slow)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    counts, wrong = collections.Counter(), []
    for number in range(count):
        path, data = originals[number % len(originals)]
        random = np.random.default_rng([number, len(data)])
        target = place / path.name
        target.write_bytes(damage(data, random))
        outcome, reasons = _outcome(read, refused, target)
        counts[outcome] += 1
        wrong += [f"{path.name}, {number}: {reason}" for reason in reasons]
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {**counts, "mib": (after - before) / 1024, "wrong": wrong}


if __name__ == "__main__":
    told = run(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
    print(json.dumps(told))
