"""The same image in two splits: found, told, and nothing else."""

import io
import itertools

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from jaxstyle.data import duplicates, prepare
from jaxstyle.data.problems import DataError
from tests.data import images


def _smooth(seed: int, side: int = 64) -> np.ndarray:
    """A blurred picture, uint8 [side, side]."""
    noise = np.random.default_rng(seed).normal(size=(side, side))
    blurred = ndimage.gaussian_filter(noise, side / 10)
    low, high = blurred.min(), blurred.max()
    return (20 + 200 * (blurred - low) / (high - low)).astype(np.uint8)


def _jpeg(pixels: np.ndarray) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=60)
    return np.asarray(Image.open(file))


def _halved(pixels: np.ndarray) -> np.ndarray:
    half = len(pixels) // 2
    return pixels.reshape(half, 2, half, 2).mean(axis=(1, 3)).astype("u1")


COPIES = {
    "jpeg": _jpeg,
    "smaller": _halved,
    "brighter": lambda pixels: pixels + np.uint8(20),
    "less contrast": lambda pixels: (pixels * 0.7).astype(np.uint8),
}


def _prints(pictures: list[np.ndarray]) -> duplicates.Prints:
    prints = duplicates.Prints(len(pictures))
    for number, pixels in enumerate(pictures):
        unit = pixels.astype(np.float32)[..., None] / np.float32(255)
        prints.add(number, unit, pixels)
    return prints


def test_the_hash_by_its_definition():
    thumb = _smooth(0, 32).astype(np.float64) / 255
    place = np.arange(32) + 0.5
    waves = np.cos(np.pi / 32 * np.outer(np.arange(32), place))
    spectrum = waves @ thumb @ waves.T
    low = sorted(
        ((u, v) for u, v in itertools.product(range(12), repeat=2) if u + v),
        key=lambda at: (at[0] + at[1], at[0]),
    )[:64]
    values = np.array([spectrum[at] for at in low])
    bits = "".join("1" if v > np.median(values) else "0" for v in values)
    found = duplicates.perceptual_hash(thumb)
    written = "".join(f"{byte:08b}" for byte in found.tobytes())
    assert written == bits and bits.count("1") == 32
    # Neither brightness nor contrast matters.
    assert duplicates.perceptual_hash(thumb * 0.5 + 0.2) == found


@pytest.mark.parametrize("how", COPIES)
def test_copies_are_found_and_nothing_else(how):
    originals = [_smooth(seed) for seed in range(60)]
    copies = [COPIES[how](pixels) for pixels in originals[:10]]
    splits = ["train"] * 60 + ["test"] * 10
    pairs = duplicates.across_splits(_prints(originals + copies), splits)
    assert sorted(pair[:2] for pair in pairs) == [
        (number, 60 + number) for number in range(10)
    ]
    assert not any(pair.exact for pair in pairs)
    # Within a split they are no leak.
    assert not duplicates.across_splits(
        _prints(originals + copies), ["train"] * 70
    )


def test_the_search_in_bands_misses_no_pair():
    """Families of much alike hashes, against all pairs one by one."""
    random = np.random.default_rng(0)
    prints = duplicates.Prints(300)
    thumb = _smooth(1, 32)
    families = random.integers(0, 2**63, 20, np.uint64)
    for number in range(300):
        flips = random.choice(64, random.integers(0, 5), replace=False)
        mask = np.bitwise_or.reduce(
            np.uint64(1) << flips.astype(np.uint64), initial=np.uint64(0)
        )
        prints.hashes[number] = families[number % 20] ^ mask
        prints.keys[number] = number, 0
        prints.thumbs[number] = thumb
    splits = random.choice(["train", "val", "test"], 300).tolist()
    expected = {
        (one, other)
        for one, other in itertools.combinations(range(300), 2)
        if splits[one] != splits[other]
        and f"{prints.hashes[one] ^ prints.hashes[other]:b}".count("1") <= 4
    }
    pairs = duplicates.across_splits(prints, splits)
    assert {pair[:2] for pair in pairs} == expected
    assert len(expected) == len(pairs) > 300


def test_near_hashes_of_different_pictures_are_no_match():
    prints = _prints([_smooth(0), _smooth(1)])
    prints.hashes[:] = 5
    assert duplicates.correlation(prints.thumbs) < 0.9
    assert not duplicates.across_splits(prints, ["train", "val"])
    prints = _prints([_smooth(0), _jpeg(_smooth(0))])
    a, b = prints.thumbs.reshape(2, -1)
    expected = np.corrcoef(a, b)[0, 1]
    assert duplicates.correlation(prints.thumbs) == pytest.approx(expected)
    assert expected > 0.99


def test_exact_copies_come_first_and_flat_images_never():
    black = np.zeros((64, 64), np.uint8)
    pictures = [_smooth(0), _jpeg(_smooth(0)), black, _smooth(0), black]
    splits = ["train", "val", "val", "test", "train"]
    pairs = duplicates.across_splits(_prints(pictures), splits)
    assert pairs[0] == (0, 3, True)
    assert {pair[:2] for pair in pairs} == {(0, 3), (0, 1), (1, 3)}
    prints = _prints([*pictures, _smooth(0)])
    assert duplicates.within_splits(prints, [*splits, "train"]) == 1


# --- at preparation


def _folder(folder, copies: int) -> list[list[str]]:
    """Pictures of 24 patients; the first test ones are training ones too."""
    rows = []
    for number in range(24):
        split = ["train", "val", "test"][number // 8]
        of = number - 16 if 16 <= number < 16 + copies else number
        name = f"image{number:02d}.png"
        Image.fromarray(_smooth(of)).save(folder / name)
        rows.append([name, str(number % 2), split, f"p{number}"])
    return rows


HEADER = "path,label,split,patient"


def test_preparation_fails_and_names_the_pairs(tmp_path):
    rows = _folder(tmp_path, copies=2)
    Image.fromarray(_jpeg(_smooth(3))).save(tmp_path / "image12.png")
    manifest = images.write_manifest(tmp_path, HEADER, rows)
    config = images.folder_config(manifest, resolution=64)
    with pytest.raises(DataError) as caught:
        prepare.run(config, tmp_path / "run")
    assert caught.value.problems[:-1] == [
        "'image00' (train) and 'image16' (test) are identical",
        "'image01' (train) and 'image17' (test) are identical",
        "'image03' (train) and 'image12' (val) are nearly identical",
    ]
    assert "3 pair(s)" in caught.value.problems[-1]
    assert not (tmp_path / "run" / "data" / "dataset").exists()


def test_ten_pairs_are_named_and_a_warning_may_do(tmp_path, caplog):
    rows = _folder(tmp_path, copies=8)
    for number in range(4):
        Image.fromarray(_smooth(number)).save(
            tmp_path / f"image{8 + number:02d}.png"
        )
    # The first patient of train is in val as well.
    rows[8][3] = "p0"
    manifest = images.write_manifest(tmp_path, HEADER, rows)
    config = images.folder_config(manifest, resolution=64)
    with pytest.raises(DataError, match="patient 'p0' is in more than one"):
        prepare.run(config, tmp_path / "run")
    allowed = images.folder_config(manifest, resolution=64, allow_leakage=True)
    result = prepare.run(allowed, tmp_path / "run")
    told = [record.getMessage() for record in caplog.records]
    assert sum("are identical" in text for text in told) == 10
    assert any("patient 'p0' is in more than one" in text for text in told)
    # 8 of train with test, 4 of them with val, and these with test.
    assert result["duplicates"]["across_splits"] == 16
    assert any("16 pair(s)" in text for text in told)


def test_padding_does_not_make_images_alike(tmp_path):
    """Narrow and pale images on black: most of the square is the same."""
    rows = _folder(tmp_path, copies=0)
    for number, row in enumerate(rows):
        narrow = 150 + _smooth(number)[:, 20:44] // 20
        Image.fromarray(np.ascontiguousarray(narrow)).save(tmp_path / row[0])
    manifest = images.write_manifest(tmp_path, HEADER, rows)
    config = images.folder_config(manifest, resolution=64)
    result = prepare.run(config, tmp_path / "run")
    assert result["duplicates"]["nearly_across_splits"] == 0
