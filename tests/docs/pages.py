"""The documentation's pages, taken apart."""

import re
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
DOCS = REPOSITORY / "docs"
PAGES = [REPOSITORY / "README.md", *sorted(DOCS.rglob("*.md"))]
STAGES = {page.stem: page for page in sorted(DOCS.glob("stages/*.md"))}


def codes(text: str) -> list[str]:
    """What stands between backticks, blocks of code left out."""
    prose = re.sub(r"^ {4}.*$", "", text, flags=re.M)
    return re.findall(r"`([^`\n]+)`", prose)


def tables(text: str) -> list[tuple[list[str], list[list[str]]]]:
    """Every table: its head and its rows, cell by cell."""
    found = []
    for block in re.findall(r"(?:^\|.*\n)+", text + "\n", re.M):
        head, _, *rows = [_cells(line) for line in block.splitlines()]
        found.append((head, rows))
    return found


def rows(page: Path, head: str) -> list[list[str]]:
    """The rows of all tables whose first column is called so."""
    return [
        row
        for first, body in tables(page.read_text("utf-8"))
        for row in body
        if first[0] == head
    ]


def outputs(page: Path) -> list[str]:
    """What a stage's page says is always written, as patterns of files."""
    text = page.read_text("utf-8")
    (folder,) = re.findall(r"^In `WORKDIR/(\w+)/`", text, re.M)
    return [
        f"{folder}/{re.sub('<[^>]*>', '*', name)}"
        for files, what, *_ in rows(page, "file")
        if not what.startswith("only ")
        for name in codes(files)
    ]


def _cells(line: str) -> list[str]:
    parts = re.split(r"(?<!\\)\|", line.strip().strip("|"))
    return [part.strip() for part in parts]
