"""Damage to files, drawn from a seed: what disks, networks and people do."""

import gzip
import io
import re
import struct
import zipfile
import zlib
from collections.abc import Callable

import numpy as np

from tests.data import images

# Where lengths and sizes stand in most formats.
_HEAD = 512
_HUGE = (0x7F, 0x80, 0xFF)


def mutated(data: bytes, random: np.random.Generator) -> bytes:
    """One to three kinds of damage, one after the other."""
    for kind in random.choice(len(KINDS), random.integers(1, 4)):
        data = KINDS[kind](data, random)
    return data


def once(data: bytes, random: np.random.Generator) -> bytes:
    """One kind of damage, for files that few can be done to."""
    return KINDS[random.integers(len(KINDS))](data, random)


def within_gzip(data: bytes, random: np.random.Generator) -> bytes:
    """Damages what is packed, or the packed bytes."""
    if random.random() < 0.3:
        return mutated(data, random)
    return gzip.compress(mutated(gzip.decompress(data), random), 1)


def within_zip(data: bytes, random: np.random.Generator) -> bytes:
    """Damages a member of a zip file, or the file."""
    if random.random() < 0.3:
        return mutated(data, random)
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        members = {name: file.read(name) for name in file.namelist()}
    name = str(random.choice(list(members)))
    # Half of the time in the header of the array.
    if random.random() < 0.5:
        head, rest = members[name][:128], members[name][128:]
        members[name] = mutated(head, random) + rest
    else:
        members[name] = mutated(members[name], random)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        for key, value in members.items():
            file.writestr(key, value)
    return out.getvalue()


def within_png(data: bytes, random: np.random.Generator) -> bytes:
    """Damages chunks, their checksums made to fit, or the file."""
    if random.random() < 0.3:
        return mutated(data, random)
    out, place = data[:8], 8
    chosen = random.integers(4)
    number = 0
    while place + 12 <= len(data):
        (length,) = struct.unpack(">I", data[place : place + 4])
        kind = data[place + 4 : place + 8]
        body = data[place + 8 : place + 8 + length]
        if number == chosen:
            deep = kind == b"IDAT" and random.random() < 0.5
            body = zlib.decompress(body) if deep else body
            body = mutated(body, random) if body else body
            body = zlib.compress(body) if deep else body
        out += images.chunk(kind, body)
        place, number = place + 12 + length, number + 1
    return out


def _flip(data: bytes, random: np.random.Generator) -> bytes:
    out = bytearray(data)
    for place in random.integers(0, len(data), random.integers(1, 9)):
        out[place] ^= 1 << int(random.integers(8))
    return bytes(out)


def _flip_early(data: bytes, random: np.random.Generator) -> bytes:
    return _flip(data[:_HEAD], random) + data[_HEAD:]


def _truncate(data: bytes, random: np.random.Generator) -> bytes:
    return data[: random.integers(1, len(data) + 1)]


def _stretch(data: bytes, random: np.random.Generator) -> slice:
    start = int(random.integers(0, len(data)))
    return slice(start, start + int(random.integers(1, 65)))


def _double(data: bytes, random: np.random.Generator) -> bytes:
    some = _stretch(data, random)
    return data[: some.start] + data[some] + data[some.start :]


def _delete(data: bytes, random: np.random.Generator) -> bytes:
    some = _stretch(data, random)
    return (data[: some.start] + data[some.stop :]) or b"\0"


def _zero(data: bytes, random: np.random.Generator) -> bytes:
    some = _stretch(data, random)
    return (data[: some.start] + bytes(64) + data[some.stop :])[: len(data)]


def _noise(data: bytes, random: np.random.Generator) -> bytes:
    some = _stretch(data, random)
    new = random.bytes(some.stop - some.start)
    return (data[: some.start] + new + data[some.stop :])[: len(data)]


def _huge(data: bytes, random: np.random.Generator) -> bytes:
    """The largest number, or the smallest one, in 2, 4 or 8 bytes."""
    place = int(random.integers(0, min(len(data), _HEAD)))
    size = int(random.choice([2, 4, 8]))
    first = int(random.choice(_HUGE))
    number = bytes([first]) + bytes([first | 0x7F]) * (size - 1)
    if random.random() < 0.5:
        number = number[::-1]
    return (data[:place] + number + data[place + size :])[: len(data)]


def _number(data: bytes, random: np.random.Generator) -> bytes:
    """Another number in place of one that is written in digits."""
    found = list(re.finditer(rb"\d[\d.]*", data))
    if not found:
        return _huge(data, random)
    digits = found[random.integers(len(found))]
    new = [b"0", b"-1", b"nan", b"inf", b"1e999", b"99999", b"1e-300"]
    number = new[random.integers(len(new))][: len(digits[0])]
    # Of the same length: those that are counted stay where they were.
    number = number.rjust(len(digits[0]))
    return data[: digits.start()] + number + data[digits.end() :]


KINDS: tuple[Callable[[bytes, np.random.Generator], bytes], ...] = (
    *(_flip, _flip_early, _truncate, _double),
    *(_delete, _zero, _noise, _huge, _huge, _number),
)
