"""A table of numbers from a CSV file: a header row, then numbers; the last column is the target.

Cells may be separated by semicolons, and truth values are read as 1 and 0. A column without a name is refused: it is
the index that a DataFrame was written with, and no feature.
"""

import csv
import math
from pathlib import Path

import numpy as np

from . import BadInput

TRUTH = {"true": 1.0, "false": 0.0}
LEAST_ROWS = 10  # so that a fifth of them can be held out


def read(path: str) -> tuple[np.ndarray, np.ndarray]:
    """The features (n, d) and the target (n,)."""
    try:
        with Path(path).open(newline="", encoding="utf-8-sig") as file:
            first = file.readline()
            file.seek(0)
            reader = csv.reader(file, delimiter=";" if ";" in first and "," not in first else ",")
            names = header(path, next(reader, []))
            rows = [numbers(path, reader.line_num, names, cells) for cells in reader if cells]
    except OSError as error:
        raise BadInput(f"--data must be a file that can be read, got {path}: {error.strerror}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadInput(f"--data must be a CSV file in UTF-8, got {path}: {error}") from None
    if len(rows) < LEAST_ROWS:
        raise BadInput(f"{path} must have at least {LEAST_ROWS} rows below the header, got {len(rows)}")
    table = np.array(rows)
    return table[:, :-1].copy(), table[:, -1].copy()


def header(path: str, names: list[str]) -> list[str]:
    if len(names) < 2:
        raise BadInput(f"{path} must have two columns or more, separated by commas, got {len(names)} in its first row")
    for k, name in enumerate(names):
        if not name.strip():
            raise BadInput(
                f"{path}, column {k + 1}: must have a name, got none in the first row "
                "(an index? df.to_csv(..., index=False) writes none)"
            )
    return names


def numbers(path: str, line: int, names: list[str], cells: list[str]) -> list[float]:
    """A row as numbers; of the first cell that is not one it says the file, the row (line, from 1) and the column."""
    if len(cells) > len(names):
        raise BadInput(f"{path}, row {line}: must have {len(names)} cells as the header has, got {len(cells)}")
    found = []
    for k, name in enumerate(names):
        cell = cells[k].strip() if k < len(cells) else ""
        where = f"{path}, row {line}, column {name.strip()}"
        if not cell:
            raise BadInput(f"{where}: must be a number, got an empty cell")
        try:
            number = TRUTH[cell.lower()] if cell.lower() in TRUTH else float(cell)
        except ValueError:
            hint = " (with a decimal point)" if "," in cell else ""
            raise BadInput(f"{where}: must be a number{hint}, got {cell[:40]!r}") from None
        if not math.isfinite(number):
            raise BadInput(f"{where}: must be a finite number, got {cell!r}")
        found.append(number)
    return found
