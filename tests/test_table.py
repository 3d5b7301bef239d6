"""Facts about reading CSV files: what is read, and that everything else is refused with its place."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.data import DamagedData, MissingData, table

EXAMPLES = 500 if os.environ.get("LSTM_BENCH_LONG") else 60
"""Examples of each fuzz test; the long form takes 500."""

GOOD = b"date,a,b\n2016-07-01 00:00:00,1,2.5\n2016-07-01 01:00:00,-3e2,.5\n2016-07-01 02:00:00,4,+6.\n"
VALUES = [[1, 2.5], [-300, 0.5], [4, 6]]

FAULTS: dict[str, tuple[bytes, str]] = {
    "short row": (GOOD + b"2016-07-01 03:00:00,1\n", r"t\.csv:5: 2 cells where 3 belong; is the file cut\?"),
    "long row": (GOOD + b"2016-07-01 03:00:00,1,2,3\n", r"t\.csv:5: 4 cells where 3 belong; a comma inside"),
    "string": (GOOD.replace(b"-3e2", b"many"), r"t\.csv:3: column 'a': 'many' is no number; write"),
    "nan": (GOOD.replace(b"-3e2", b"NaN"), r"t\.csv:3: column 'a': 'NaN' is no number; fill it"),
    "inf": (GOOD.replace(b"-3e2", b"-inf"), r"t\.csv:3: column 'a': '-inf' is not finite"),
    "overflow": (GOOD.replace(b"-3e2", b"1e999"), r"t\.csv:3: column 'a': '1e999' is no number"),
    "empty cell": (GOOD.replace(b"-3e2", b" "), r"t\.csv:3: column 'a': an empty cell; fill it or remove the row"),
    "empty file": (b"", r"t\.csv:1: the file is empty"),
    "header only": (b"date,a,b\n", r"t\.csv:1: no rows"),
    "no header": (b"1,2\n3,4\n", r"t\.csv:1: numbers where names belong"),
    "no name": (GOOD.replace(b",a,", b",,"), r"t\.csv:1: column 2 has no name"),
    "duplicate columns": (GOOD.replace(b"a,b", b"a,a"), r"t\.csv:1: column 'a': the name stands twice"),
    "other delimiter": (GOOD.replace(b",", b";"), r"t\.csv:1: one column, with ';' in its name"),
    "no such time": (GOOD.replace(b"date", b"data"), r"column 'date': no such column; did you mean 'data'\? there are"),
    "thousands commas": (GOOD.replace(b"-3e2", b'"1,000"'), r"column 'a': '1,000' is no number; .* thousands commas"),
    "decimal comma": (GOOD.replace(b"-3e2", b'"1,5"'), r"column 'a': '1,5' is no number; write numbers like -1.5"),
    "underscore": (GOOD.replace(b"-3e2", b"1_000"), r"t\.csv:3: column 'a': '1_000' is no number"),
    "other digits": (GOOD.replace(b"-3e2", "١٢".encode()), r"t\.csv:3: column 'a': '١٢' is no number"),
    "unordered": (GOOD + b"2016-07-01 01:30:00,1,2\n", r"t\.csv:5: column 'date': time .* comes after '2016-07-01 02"),
    "duplicate times": (GOOD + b"2016-07-01 02:00:00,1,2\n", r"t\.csv:5: column 'date': time .* stands twice; sort"),
    "no time": (GOOD.replace(b"2016-07-01 01:00:00", b"later"), r"t\.csv:3: column 'date': 'later' is no time that"),
    "another form": (GOOD.replace(b"2016-07-01 01:00:00", b"01.07.2016"), r"'01.07.2016' is no time .* the first time"),
    "ambiguous date": (b"date,a\n3/4/2020,1\n", r"t\.csv:2: column 'date': '3/4/2020' is no time .*2016-07-01"),
    "million columns": (
        b"date," + b",".join(b"%d" % n for n in range(10**6)) + b"\n",
        r"t\.csv:1: a line of more than",
    ),
    "many columns": (b"a" + b",b" * 30_000 + b"\n", r"t\.csv:1: 30,001 columns, more than the 20,000"),
    "NUL": (GOOD.replace(b"-3e2", b"-3\x002"), r"t\.csv:3: a NUL byte"),
    "invalid UTF-8": (GOOD.replace(b"-3e2", b"3\xff"), r"t\.csv:3: byte 22 is no UTF-8; save the file as UTF-8"),
    "UTF-16": (GOOD.decode().encode("utf-16"), r"t\.csv:1: (a NUL byte|byte 1 is no UTF-8)"),
    "enormous field": (GOOD.replace(b"-3e2", b"9" * 200_000), r"t\.csv:3: no CSV: field larger than field limit"),
    "one endless line": (b"1" * (table.LINE + 2), r"t\.csv:1: a line of more than 4,194,304 bytes"),
    "open quote": (GOOD.replace(b"-3e2", b'"3'), r"t\.csv:\d+: no CSV: unexpected end of data"),
    "empty line": (GOOD.replace(b"\n2016-07-01 01", b"\n\n2016-07-01 01"), r"t\.csv:3: an empty line between rows"),
    "time alone": (b"date\n2016-07-01\n", r"t\.csv:1: no column of numbers beside the time"),
}


@pytest.fixture
def write(tmp_path: Path) -> Callable[[bytes], Path]:
    def made(content: bytes) -> Path:
        path = tmp_path / "t.csv"
        path.write_bytes(content)
        return path

    return made


@pytest.mark.parametrize(
    "change",
    [
        lambda good: good,
        lambda good: b"\xef\xbb\xbf" + good,
        lambda good: good.replace(b"\n", b"\r\n"),
        lambda good: good + b"\n\r\n\n",
        lambda good: good.rstrip(b"\n"),
        lambda good: good.replace(b"-3e2", b' "-300" '.strip()),
        lambda good: good.replace(b"-3e2", b" -300 "),
        lambda good: good.replace(b"date,a,b", b'"date", a ,"b"'),
    ],
    ids=["as it is", "BOM", "CRLF", "empty end", "no last newline", "quotes", "spaces", "header"],
)
def test_harmless_variants_are_one_table(change: Callable[[bytes], bytes], write: Callable[[bytes], Path]) -> None:
    """A BOM, other line ends, quotes and spaces change no number."""
    made = table.read(write(change(GOOD)), time="date")
    assert made.names == ("a", "b")
    assert made.values.tolist() == VALUES
    assert made.times is not None
    assert made.times.tolist() == [1467331200 + 3600 * hour for hour in range(3)]
    assert (made.filled, made.uneven) == (0, 0)


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_is_named_with_its_place(fault: str, write: Callable[[bytes], Path]) -> None:
    """File, line, column where there is one, and what to do; nothing is half read."""
    content, message = FAULTS[fault]
    with pytest.raises(DamagedData, match=message):
        table.read(write(content), time="date")


@pytest.mark.parametrize(
    ("times", "step"),
    [
        (["1", "2", "4"], 1.0),
        (["1950.5", "1951.5", "1952.5"], 1.0),
        (["19580329", "19580405", "19580412"], 76.0),
        (["01.01.2020 00:10:00", "01.01.2020 00:20:00", "01.01.2020 00:30:00"], 600.0),
        (["1990/1/1 0:00", "1990/1/2 0:00", "1990/1/3 0:00"], 86_400.0),
        (["2020-01-01T00:00:00Z", "2020-01-01T02:00:00+01:00", "2020-01-01T02:00:00Z"], 3_600.0),
        (["2016-07", "2016-08", "2016-09"], 31 * 86_400.0),
    ],
)
def test_times_in_many_forms(times: list[str], step: float, write: Callable[[bytes], Path]) -> None:
    """Numbers, ISO 8601 with and without a zone, and the forms of the benchmark files."""
    made = table.read(write(("t,x\n" + "".join(f"{time},1\n" for time in times)).encode()), time="t")
    assert made.times is not None
    assert made.times[1] - made.times[0] == step


def test_uneven_steps_are_counted_where_they_are_allowed(write: Callable[[bytes], Path]) -> None:
    """A gap, a repeat and a step back among steps of one hour are three uneven steps."""
    hours = [0, 1, 2, 5, 6, 6, 7, 8, 7, 8, 9]
    content = "date,a\n" + "".join(f"2020-01-01 {hour:02}:00:00,{hour}\n" for hour in hours)
    made = table.read(write(content.encode()), time="date", order="any")
    assert made.values[:, 0].tolist() == hours
    assert made.uneven == 3


def test_missing_values_are_filled_only_when_asked(write: Callable[[bytes], Path]) -> None:
    """Empty, NA, NaN and sentinels take the last valid value of their column; infinity never does."""
    content = b"t,a,b\n1,1,10\n2,,20\n3,NA,-9999\n4,nan,40\n5,5,-9999.0\n"
    made = table.read(write(content), time="t", fill="previous", sentinels=(-9999,))
    assert made.values.tolist() == [[1, 10], [1, 20], [1, 20], [1, 40], [5, 40]]
    assert made.filled == 5
    with pytest.raises(DamagedData, match=r"t\.csv:4: column 'b': -9999 stands for a missing value"):
        table.read(write(content), time="t", columns=["b"], sentinels=(-9999,))
    with pytest.raises(DamagedData, match=r"t\.csv:2: column 'a': an empty cell, and no row above to fill it from"):
        table.read(write(b"t,a\n1,\n2,3\n"), time="t", fill="previous")
    with pytest.raises(DamagedData, match=r"t\.csv:3: column 'a': 'inf' is not finite"):
        table.read(write(b"t,a\n1,2\n2,inf\n"), time="t", fill="previous")


def test_columns_are_taken_in_the_order_asked_for(write: Callable[[bytes], Path]) -> None:
    """What is not asked for is not read, so text may stand there."""
    path = write(b"a,word,b\n1,x,2\n3,y,4\n")
    made = table.read(path, columns=["b", "a"])
    assert (made.names, made.values.tolist(), made.times) == (("b", "a"), [[2, 1], [4, 3]], None)
    with pytest.raises(DamagedData, match="column 'word': 'x' is no number"):
        table.read(path)


def test_files_without_a_header_and_compressed_ones(tmp_path: Path) -> None:
    """LSTNet's files: numbers and commas in gzip; a cut or false archive is refused."""
    path = tmp_path / "t.txt.gz"
    path.write_bytes(gzip.compress(b"1,2\n3,4\n" * 9_000))
    made = table.read(path, header=False)
    assert (made.names, made.values.shape) == (("1", "2"), (18_000, 2))
    whole = path.read_bytes()
    for damage in (whole[:-9], whole[:40], b"1,2\n3,4\n", whole[:-6] + b"abcdef"):
        path.write_bytes(damage)
        with pytest.raises(DamagedData, match=r"t\.txt\.gz:\d+: cannot be read .*copy or download it again"):
            table.read(path, header=False)


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    """No file is missing data, a folder is no CSV."""
    with pytest.raises(MissingData, match=r"none\.csv: no such file"):
        table.read(tmp_path / "none.csv")
    with pytest.raises(DamagedData, match="cannot be read"):
        table.read(tmp_path)


def test_a_table_has_an_end(write: Callable[[bytes], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """More numbers than are allowed are refused while reading, with the line where it was enough."""
    monkeypatch.setattr(table, "NUMBERS", 4)
    with pytest.raises(DamagedData, match=r"t\.csv:4: more than the 4 numbers"):
        table.read(write(GOOD), time="date")


def test_real_series_are_read_whole(data: Path) -> None:
    """Sunspots, the wide table of El Niño, and weekly CO2, whose first gap is in line 8."""
    folder = data / "statsmodels-series"
    sunspots = table.read(folder / "sunspots.csv", time="YEAR")
    assert (sunspots.names, sunspots.values.shape, sunspots.uneven) == (("SUNACTIVITY",), (309, 1), 0)
    assert table.read(folder / "elnino.csv", time="YEAR").values.shape == (61, 12)
    with pytest.raises(DamagedData, match=r"co2\.csv:8: column 'co2': an empty cell"):
        table.read(folder / "co2.csv", time="date")
    filled = table.read(folder / "co2.csv", time="date", fill="previous")
    assert (len(filled.values), filled.filled) == (2_284, 59)
    assert np.isfinite(filled.values).all()


def read(path: Path, content: bytes, **options: object) -> None:
    """Read it; anything but DamagedData is a failure of the test."""
    path.write_bytes(content)
    try:
        made = table.read(path, **options)  # type: ignore[arg-type]
    except DamagedData as error:
        said = str(error)
    else:
        assert np.isfinite(made.values).all()
        assert made.values.shape[1] == len(made.names) > 0
        return
    assert said.startswith(f"{path.name}:")
    assert len(said) < 600


fuzz = settings(
    max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], database=None
)


@fuzz
@given(st.binary(max_size=300), st.sampled_from([{}, {"header": False}, {"time": "a"}, {"fill": "previous"}]))
def test_any_bytes_are_read_or_refused(tmp_path: Path, content: bytes, options: dict[str, object]) -> None:
    """Random bytes, plain and behind a header, give a table or DamagedData."""
    read(tmp_path / "t.csv", content, **options)
    read(tmp_path / "t.csv", b"a,b\n" + content, **options)
    read(tmp_path / "t.csv.gz", content, **options)


PIECES = st.sampled_from([b",", b"\n", b'"', b"\r", b"\0", b"nan", b"1e400", b"-", b"\xff", b"_", b"a", b"9" * 30, b""])


@fuzz
@given(st.lists(st.tuples(st.integers(0, len(GOOD)), st.integers(0, 9), PIECES), max_size=4))
def test_mutated_tables_are_read_or_refused(tmp_path: Path, changes: list[tuple[int, int, bytes]]) -> None:
    """A good file with pieces cut out and others put in gives a table or DamagedData."""
    content = GOOD
    for place, length, piece in changes:
        content = content[:place] + piece + content[place + length :]
    read(tmp_path / "t.csv", content, time="date")


@fuzz
@given(st.lists(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=2, max_size=2), min_size=1))
def test_numbers_come_back_as_they_were_written(tmp_path: Path, rows: list[list[float]]) -> None:
    """Every finite number that Python writes is read to the same bits."""
    path = tmp_path / "t.csv"
    path.write_text("a,b\n" + "".join(f"{a!r},{b!r}\n" for a, b in rows), encoding="utf-8")
    assert table.read(path).values.tolist() == rows
