"""Names of images and patients become salted hashes before they are written.

A pseudonym is the start of HMAC-SHA256 (RFC 2104, FIPS 198-1) of a name
under a secret that is drawn once for each run folder, WORKDIR/salt. Without
it no one can try out names until one fits; with it anyone can, so it stays
where the run is and is shared with nobody. Whoever deletes it makes the
pseudonyms irreversible.
"""

import dataclasses
import datetime
import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path

from jaxstyle import config as config_lib
from jaxstyle import parallel, workdir
from jaxstyle.data import records
from jaxstyle.data.problems import DataError
from jaxstyle.data.records import Refusal

# Hexadecimal digits: in 100,000 names two are the same once in 56,000 runs.
LENGTH = 12
_SALT_BYTES = 32

# Words of a column's name that tell whose image it is, or where and when it
# was taken (after the identifiers of the HIPAA privacy rule, 45 CFR
# 164.514(b)(2)). A word may begin with one of four letters or more, or end
# with one of five ("opacity" tells of no city).
IDENTIFYING = (
    *("name", "surname", "firstname", "lastname", "fullname", "filename"),
    *("patientname", "initials", "birth", "birthday", "birthdate", "dob"),
    *("date", "studydate", "id", "ids", "uuid", "patientid", "studyid"),
    *("mrn", "ssn", "nhs", "pid", "passport", "insurance", "accession"),
    *("address", "street", "city", "zip", "postcode", "postal"),
    *("phone", "telephone", "mobile", "fax", "mail", "email", "url"),
    *("institution", "hospital", "clinic", "physician", "doctor", "operator"),
    *("uid", "serial"),
)
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_DICOM_TIME = re.compile(r"\d{8}(\d{2}){1,3}(\.\d{1,6})?([+-]\d{4})?")
_PRINTED = re.compile(r"\d{1,2}([./-])\d{1,2}\1(18|19|20|21)\d\d")
_YEARS = range(1850, 2150)


class Pseudonyms:
    """Pseudonyms under one salt.

    Args:
      salt: the secret.
    """

    def __init__(self, salt: bytes) -> None:
        self._salt = salt
        self._names: dict[str, str] = {}

    def of(self, name: str) -> str:
        """The pseudonym of a name: 12 hexadecimal digits.

        Raises:
          DataError: if it is another name's already.
        """
        # File systems take bytes that are no text.
        text = name.encode("utf-8", "surrogateescape")
        digest = hmac.new(self._salt, text, hashlib.sha256).hexdigest()
        short = digest[:LENGTH]
        if self._names.setdefault(short, name) != name:
            raise DataError(
                "salt",
                [
                    f"two names have the pseudonym {short}; start anew in "
                    "another --workdir"
                ],
            )
        return short


def load(config: config_lib.Config, root: str | Path) -> Pseudonyms | None:
    """The run's pseudonyms, its salt made if there is none; None: not wanted.

    All processes must call this.
    """
    if not config.data.pseudonyms:
        return None
    path = workdir.salt(root)

    def read_or_make() -> str:
        if not path.exists():
            _make(path)
        return path.read_text()

    return _of_salt(path, parallel.on_main(read_or_make))


def existing(root: str | Path) -> Pseudonyms:
    """The run's pseudonyms, to look them up.

    Raises:
      WorkdirError: if it has no salt.
    """
    path = workdir.salt(root)
    if not path.exists():
        raise workdir.WorkdirError(
            f"{path} is missing: the run has no pseudonyms, or they cannot be "
            "looked up any more"
        )
    return _of_salt(path, path.read_text())


def _make(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with workdir.replacing(path) as draft:
        draft.unlink(missing_ok=True)
        # Its owner's from the start.
        file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(file, "w") as stream:
            stream.write(secrets.token_hex(_SALT_BYTES) + "\n")


def _of_salt(path: Path, text: str) -> Pseudonyms:
    if not re.fullmatch(rf"[0-9a-f]{{{2 * _SALT_BYTES}}}\n", text):
        raise workdir.WorkdirError(
            f"{path} is damaged; bring back the file that was there, or start "
            "anew in another --workdir"
        )
    return Pseudonyms(bytes.fromhex(text))


def applied(
    source: records.Source, config: config_lib.Config, root: str | Path
) -> records.Source:
    """The source, its images and patients under pseudonyms.

    Splits have been made before, by the names: they do not depend on the
    salt. Sources without names stay as they are.
    """
    if not source.names and not source.refused:
        return source
    known = load(config, root)
    if known is None:
        return source
    new = records.unique(
        known.of(name.image) + name.mark if name.image else entry.id
        for entry, name in zip(source.entries, source.names, strict=True)
    )
    # Where there are no patients, an image's id stands for one.
    old = [entry.id for entry in source.entries]
    ids = dict(zip(old, new, strict=True))
    entries = [
        dataclasses.replace(
            entry,
            id=id_,
            group=known.of(name.patient) if name.patient else ids[entry.group],
        )
        for entry, name, id_ in zip(
            source.entries, source.names, new, strict=True
        )
    ]
    refused = [Refusal(known.of(file), why) for file, why in source.refused]
    return dataclasses.replace(
        source, entries=entries, names=[], refused=refused
    )


def stem(pseudonym: str) -> str:
    """The pseudonym within an id: less the number of a frame or a slice."""
    return pseudonym[:LENGTH]


def identifying(column: str) -> bool:
    """Whether a column's name says that it tells who somebody is."""
    words = [word.lower() for word in _WORD.findall(column)]
    return any(
        word == term
        or (len(term) >= 4 and word.startswith(term))
        or (len(term) >= 5 and word.endswith(term))
        for word in [*words, "".join(words)]
        for term in IDENTIFYING
    )


def are_dates(cells: Sequence[str]) -> bool:
    """Whether half of the cells that are filled, or more, are dates.

    By ISO 8601, DICOM (PS3.5, section 6.2: DA is YYYYMMDD, DT may go on to
    the time), or with the day or the month first: 31.1.2024, 1/31/2024.
    """
    filled = [cell.strip() for cell in cells if cell.strip()]
    return bool(filled) and sum(map(_is_date, filled)) >= len(filled) / 2


def _is_date(cell: str) -> bool:
    # A table of numbers has 20240131.0.
    cell = cell.removesuffix(".0")
    if _PRINTED.fullmatch(cell):
        return True
    day = cell[:8] if _DICOM_TIME.fullmatch(cell) else cell
    try:
        return datetime.datetime.fromisoformat(day).year in _YEARS
    except ValueError:
        return False


def column_problems(
    columns: Mapping[str, Sequence[str]], data: config_lib.DataConfig
) -> list[str]:
    """Why columns may not be carried along, one line each.

    Args:
      columns: cells, by the names of `data.columns`.
      data: whether pseudonyms are wanted at all.
    """
    if not data.pseudonyms:
        return []
    mend = (
        "leave it out of data.columns, or set data.pseudonyms = False if the "
        "data are public"
    )
    found = []
    for name, cells in columns.items():
        if identifying(name):
            found.append(f"column {name!r} may tell who somebody is; {mend}")
        elif are_dates(cells):
            found.append(f"column {name!r} holds dates; {mend}")
    return found
