"""Test text tables: separators, decimal marks, headers, index columns, missing values and text."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vsmnp.data import load_data
from vsmnp.data.arrays.numbers import Decimal, number
from vsmnp.data.arrays.table import names_in
from vsmnp.errors import DataError
from vsmnp.types import Array


def read(path: Path, text: str | bytes, **options: object) -> tuple[Array, tuple[str, ...], str]:
    """Write a table and read it: its rows in their order, the names of its columns, its messages."""
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    data = load_data(str(path), **options)  # type: ignore[arg-type]
    index = np.sort(np.concatenate([data.train_index, data.test_index]))  # type: ignore[attr-defined]
    return data.train_rows[index], data.columns, " ".join([*data.notes, data.describe()])  # type: ignore[attr-defined]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "x.csv"


PLAIN = [[1, 2.5], [3, 4]]


@pytest.mark.parametrize(
    ("text", "how"),
    [
        ("a,b\n1,2.5\n3,4\n", "separated by commas."),
        ("a;b\n1;2.5\n3;4\n", "separated by semicolons."),
        ("a\tb\n1\t2.5\n3\t4\n", "separated by tabs."),
        ("a;b\n1;2,5\n3;4\n", "separated by semicolons, with decimal commas."),
        ("a\tb\n1\t2,5\n3\t4\n", "separated by tabs, with decimal commas."),
        ('a,b\n1,"2,5"\n3,4\n', "separated by commas, with decimal commas."),
        ('"a","b"\n"1","2.5"\n"3","4"\n', "separated by commas."),
        ("a,b\r\n1,2.5\r\n3,4\r\n", "separated by commas."),
        ("a,b\r1,2.5\r3,4\r", "separated by commas."),
        ("\ufeffa,b\n1,2.5\n3,4\n", "separated by commas."),
        ("a,b\n1,2.5\n3,4\n".encode("utf-16"), "separated by commas."),
        ("a,b\n1,2.5\n3,4", "separated by commas."),
        ("\na,b\n\n  \n1,2.5\n\n3,4\n\n", "separated by commas."),
        (" a , b\n 1 , 2.5\n 3 ,4\n", "separated by commas."),
        ("a,b\n1,25e-1\n+3.,.4e1\n", "separated by commas."),
        ("# said\na,b\n1,2.5\n # more\n3,4\n#end", "by commas; 3 line(s) of comment were skipped."),
        ("# said\n# a,b\n1,2.5\n3,4\n", "by commas; 1 line(s) of comment were skipped."),
        ("a,b\n1,2.5\n,\n3,4\n,\n", "by commas; 2 line(s) of separators without values were skipped."),
        ('a,b\n"1\n",2.5\n"\n3\n",4\n', "separated by commas."),
    ],
)
def test_a_table_of_any_dialect(path: Path, text: str | bytes, how: str) -> None:
    x, columns, notes = read(path, text)
    np.testing.assert_array_equal(x, PLAIN)
    assert columns == ("a", "b")
    assert notes.partition("Read from ")[2].startswith(f"{path}: 2 rows of 2 columns (a, b), separated by ")
    assert notes.endswith(how)
    has_an_end = path.read_bytes().rstrip(b"\0")[-1:] in (b"\n", b"\r")
    assert (load_data(str(path)).notes == ()) == has_an_end


def test_a_tsv_and_a_table_of_one_column(tmp_path: Path) -> None:
    assert read(tmp_path / "x.tsv", "a\tb\n1\t2\n3\t4\n")[1] == ("a", "b")
    x, columns, notes = read(tmp_path / "x.csv", "a\n1\n2\n")
    assert (x.tolist(), columns) == ([[1], [2]], ("a",))
    assert notes.endswith("x.csv: 2 rows of 1 column (a).")


def test_names_of_old_spreadsheets(path: Path) -> None:
    _, columns, notes = read(path, "größe,b\n1,2\n3,4\n".encode("cp1252"))
    assert columns == ("größe", "b")
    assert "names were read as Windows-1252" in notes


# --- marks ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('a,b\n"1,234.5",1\n"2,000",2\n', [[1234.5, 1], [2000, 2]]),
        ('a,b\n"1,234,567.5",1\n"-12,000",2\n', None),
        ("a;b\n1.234,5;1\n2.000;2\n", [[1234.5, 1], [2000, 2]]),
        ("a;b\n1.234;1\n2,5;2\n", [[1234, 1], [2.5, 2]]),
        ("a;b\n0,123;1\n-2,5e2;2\n", [[0.123, 1], [-250, 2]]),
        ("a;b\n1.234;1\n2.000;2\n", [[1.234, 1], [2, 2]]),
        ("a;b\n1,234;0.5\n2,000;2\n", [[1234, 0.5], [2000, 2]]),
        ("a;b\n123.456.7;1\n2;2\n", "text"),
    ],
)
def test_separators_of_thousands(path: Path, text: str, expected: list[list[float]] | str | None) -> None:
    if isinstance(expected, list):
        np.testing.assert_array_equal(read(path, text)[0], expected)
    else:
        with pytest.raises(DataError, match="text, not numbers" if expected else "magnitude"):
            read(path, text)


@pytest.mark.parametrize("field", ["1_000", "1 000", "1'000", "1,00,000", "12e", "0x10", "١", "1.2.3", "--1"])
def test_what_is_no_number(path: Path, field: str) -> None:
    with pytest.raises(DataError, match=r"text, not numbers, in a \(line 3"):
        read(path, f'a,b\n1,2\n"{field}",3\n')


@pytest.mark.parametrize("mark", ["", ".", ","])
def test_a_field_of_a_million_digits_is_text_at_once(mark: Decimal) -> None:
    """A pattern that matches digits in two ways would take days for it."""
    assert number("9" * 1_000_000 + "x", mark) is None


def test_a_comma_that_may_be_either_mark_is_refused(path: Path) -> None:
    text = "a;b\n1,234;1\n2;2\n"
    with pytest.raises(DataError, match=r"'1,234', in which the comma may be .*without separators of thous"):
        read(path, text)
    assert read(path, text.replace(",", ""))[0].tolist() == [[1234, 1], [2, 2]]
    single = "a\n1,5\n2,5\n"
    with pytest.raises(DataError, match=r"one name in line 1 .*put the numbers in double quotes"):
        read(path, single)
    assert read(path, 'a\n"1,5"\n"2,5"\n')[0].tolist() == [[1.5], [2.5]]
    assert read(path, "a\n1.5\n2.5\n")[0].tolist() == [[1.5], [2.5]]


def test_two_marks_in_a_table_are_refused(path: Path) -> None:
    text = "a;b;c\n1,5;2.5;1\n3;4;2\n"
    with pytest.raises(
        DataError, match=r"'1,5' and, in line 2, '2\.5'.*one mark everywhere, or .*--drop-col"
    ):
        read(path, text)
    assert read(path, text, drop_columns=["b"])[0].tolist() == [[1.5, 1], [3, 2]]
    assert read(path, text.replace(",", "."))[0].tolist() == [[1.5, 2.5, 1], [3, 4, 2]]


# --- names ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "columns", "note"),
    [
        (
            ",a,b\n0,1,2.5\n1,3,4\n",
            ("a", "b"),
            "first column of x.csv has no name: it was left out as an index",
        ),
        ("Unnamed: 0,a,b\n0,1,2.5\n1,3,4\n", ("a", "b"), "called 'Unnamed: 0': it was left out as an index"),
        ('"","a","b"\n"r1",1,2.5\n"r2",3,4\n', ("a", "b"), "left out as an index"),
        (
            '"a","b"\n"1",1,2.5\n"2",3,4\n',
            ("a", "b"),
            "one shorter than its rows: it was left out as row names",
        ),
        ("a,b\nr1,1,2.5\nr2,3,4\n", ("a", "b"), "left out as row names"),
        (",0,1\n0,1,2.5\n1,3,4\n", ("0", "1"), r"(, 0, 1) was read as the names"),
        ("a,b,\n1,2.5,\n3,4,\n", ("a", "b"), "last column of x.csv has neither name nor values"),
        ("1,2.5,\n3,4,\n", (), "last column of x.csv has neither name nor values"),
        ("1,2.5\n3,4\n", (), "2 columns without names"),
        ("id,2020\n1,2.5\n3,4\n", ("id", "2020"), "text"),
    ],
)
def test_index_columns_and_names(path: Path, text: str, columns: tuple[str, ...], note: str) -> None:
    if note == "text":  # one number among the names may also be a row of data with a slip
        with pytest.raises(DataError, match=r"in column 1 \(line 1: 'id'\)"):
            read(path, text)
        return
    x, found, notes = read(path, text)
    np.testing.assert_array_equal(x, PLAIN)
    assert found == columns
    assert note in notes


def test_an_index_with_a_name_is_kept(path: Path) -> None:
    assert read(path, "i,a\n0,1\n1,3\n")[0].tolist() == [[0, 1], [1, 3]]


def test_numbers_as_names(path: Path) -> None:
    x, columns, notes = read(path, "0,1,2\n.1,.2,.3\n.4,.5,.6\n")
    assert (x.shape, columns) == ((2, 3), ("0", "1", "2"))
    assert "first line of x.csv (0, 1, 2) was read as the names of columns" in notes
    x, columns, notes = read(path, "0,1\n.1,.2\n.4,.5\n")  # as likely a point
    assert (x.shape, columns) == ((3, 2), ())
    assert "first line of x.csv (0,1) was read as a sample" in notes
    assert read(path, "id,2019,2020\n1,2,3\n4,5,6\n")[1] == ("id", "2019", "2020")


@pytest.mark.parametrize(
    ("text", "other"), [("1 2\n3 4\n", " "), ("a b\n1 2\n3 4\n", " "), ("a|b\n1|2\n3|4\n", "|")]
)
def test_other_separators_are_named(path: Path, text: str, other: str) -> None:
    with pytest.raises(DataError, match=r"none of commas, semicolons and tabs .*save it with one of them"):
        read(path, text)
    for separator in ",;\t":
        assert read(path, text.replace(other, separator))[0].tolist() == [[1, 2], [3, 4]]


# --- missing values and text ----------------------------------------------------------------------


MISSING = ("", "NA", "n/a", "NaN", "null", "None", "?", "#N/A", "#DIV/0!")


@pytest.mark.parametrize("word", MISSING)
def test_missing_values_are_counted_named_and_dropped(path: Path, word: str) -> None:
    text = f"a,b,c\n1,2,3\n4,{word},6\n7,8,9\n{word},{word},1\n5,5,5\n"
    with pytest.raises(DataError) as caught:
        read(path, text)
    sentence = str(caught.value)
    assert (
        "lacks values in 2 of 5 rows: 1 in column 'a' (first: line 5); 2 in column 'b' (first: line 3); say "
        in sentence
    )
    assert sentence.endswith("say --missing drop to leave these rows out, or --drop-columns a,b.")
    x, _, notes = read(path, text, missing="drop")
    assert x.tolist() == [[1, 2, 3], [7, 8, 9], [5, 5, 5]]
    assert "2 of 5 rows lack values and were left out: 1 in column 'a'" in notes
    assert read(path, text, drop_columns=["a", "b"])[0].tolist() == [[3], [6], [9], [1], [5]]


def test_dropping_all_rows_names_the_column(path: Path) -> None:
    text = "a,b\n1,\n2,\n3,\n"
    with pytest.raises(DataError, match="--missing drop leaves 0: fill them in, or --drop-columns b"):
        read(path, text, missing="drop")
    assert read(path, text, drop_columns=["b"], missing="drop")[0].shape == (3, 1)


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".h5"])
def test_missing_values_of_arrays_are_dropped(tmp_path: Path, suffix: str) -> None:
    from test_data_files import save

    x = np.arange(60.0).reshape(20, 3)
    x[[3, 7], [0, 2]] = np.nan
    test = np.array([[1.0, 2, 3], [np.nan, 1, 1]])
    path = save(tmp_path / f"x{suffix}", x, **({} if suffix == ".npy" else {"test": test}))
    for budget in (2.0, 0.0):
        data = load_data(str(path), missing="drop", memory_budget=budget)
        held = data.test(0, float)
        found = data.epoch(0, 0, float)
        if suffix != ".npy":
            np.testing.assert_array_equal(held, test[:1])
        else:
            found = np.concatenate([found, held])
        assert sorted(found[:, 1]) == [value for i, value in enumerate(x[:, 1]) if i not in (3, 7)]
        assert data.notes[0].startswith(
            "2 of 20 rows lack values and were left out: 1 in column 1 (first: row 3 "
        )


@pytest.mark.parametrize(
    "name",
    [
        "city", "two words", "a,b", 'say "x"', " ;$HOME", "größe", "two\nlines", "it's\\\nnew", "\x1b[2J",
        "\U000e0001",
    ],
)  # fmt: skip
def test_columns_of_text_are_named_and_dropped(path: Path, name: str) -> None:
    quoted = '"' + name.replace('"', '""') + '"'
    text = f"a,{quoted},b\n1,Oslo,2\n3,Bergen,4\n"
    line = 2 + name.count("\n")
    with pytest.raises(DataError, match=rf"text, not numbers, in .* \(line {line}: 'Oslo'\)") as caught:
        read(path, text)
    assert str(caught.value).isprintable()
    remedy = str(caught.value).partition("or say ")[2].removesuffix(".")
    typed = subprocess.check_output(["bash", "-c", f"printf '%s\\0' {remedy}"], text=True)
    option, value = typed.removesuffix("\0").split("\0")
    assert option == "--drop-columns"
    x, columns, _ = read(path, text, drop_columns=names_in(value))
    assert (x.tolist(), columns) == ([[1, 2], [3, 4]], ("a", "b"))
    assert read(path, f"{quoted},b\n1,2\n3,4\n")[2].replace("\n", "").isprintable()


def test_columns_are_chosen_in_order(path: Path) -> None:
    text = "city,a,b\nOslo,1,2\nBergen,3,4\n"
    x, columns, notes = read(path, text, columns=["b", "a"])
    assert (x.tolist(), columns) == ([[2, 1], [4, 3]], ("b", "a"))
    assert "2 rows of 2 columns (b, a)" in notes
    bare = text.partition("\n")[2]
    with pytest.raises(DataError, match=r"column 1 \(line 1: 'Oslo'\).*--drop-columns 1\."):
        read(path, bare)
    assert read(path, bare, drop_columns=["1"])[0].tolist() == [[1, 2], [3, 4]]
    assert read(path, bare, columns=["3"])[0].tolist() == [[2], [4]]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"columns": ["c"]}, "--columns c is no column of .*: choose from size, b, b"),
        ({"columns": ["sise"]}, "perhaps size"),
        ({"drop_columns": ["b"]}, "--drop-columns b is the name of several columns of .*: rename"),
        ({"columns": ["size", "size"]}, "names a column twice"),
        ({"columns": ["size"], "drop_columns": ["size"]}, "were both given"),
    ],
)
def test_a_wrong_choice_of_columns(path: Path, options: dict[str, list[str]], sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        read(path, "size,b,b\n1,2,3\n4,5,6\n", **options)


def test_columns_belong_to_tables(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.eye(3))
    with pytest.raises(DataError, match=r"--columns makes no sense for .*it is for tables, \.csv"):
        load_data(str(tmp_path / "x.npy"), columns=["1"])
    for name in ("star", "mnist", "celeba", str(tmp_path)):
        with pytest.raises(
            DataError, match=r"--drop-columns makes no sense for .*: it is for tables in files"
        ):
            load_data(name, drop_columns=["a"])


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('a,b\n"1"x,2\n3,4\n', "Line 2 of .* has a double quote out of place"),
        ('a,b\n1,2\n"3,4\n', "Line 3 of .* has a double quote out of place"),
        ('a,b\n"1,2\n3,4\n', "has a double quote below line 1 that is not closed"),
        ("a,b,c\n1,2,3,4,5\n", "3 names in line 1 but 5 fields in the line below"),
        ("a,b\n1,2\n3,4\n5", "Line 4 of .* has 1 columns where the lines above have 2"),
        ("a,b\n1,2\n3,4,5\n", "Line 3 of .* has 3 columns where the lines above have 2"),
    ],
)
def test_a_slip_is_placed(path: Path, text: str, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        read(path, text)


# --- both readers of the file agree -----------------------------------------------------------------


@given(
    x=st.lists(st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=3), min_size=2, max_size=9),
    separator=st.sampled_from(",;\t"),
    comma=st.booleans(),
    quoted=st.booleans(),
    end=st.sampled_from(["\n", "\r\n"]),
)
@settings(max_examples=100, deadline=None)
def test_every_number_is_read_to_the_last_bit(
    tmp_path_factory: pytest.TempPathFactory,
    x: list[list[float]],
    separator: str,
    comma: bool,
    quoted: bool,
    end: str,
) -> None:
    path = tmp_path_factory.getbasetemp() / "exact.csv"
    x = [[0.5, *row] for row in x]  # decides the decimal mark
    quoted = quoted or (comma and separator == ",")
    fields = [[repr(v).replace(".", ",") if comma else repr(v) for v in row] for row in x]
    lines = [["p", "q", "r", "s"], *([f'"{f}"' if quoted else f for f in row] for row in fields)]
    found, columns, _ = read(path, "".join(separator.join(line) + end for line in lines))
    np.testing.assert_array_equal(found, x)
    assert columns == ("p", "q", "r", "s")


def test_a_long_table_with_one_odd_row_in_a_later_block(path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(60_000, 3)).round(12)
    lines = [",".join(map(repr, row)) for row in x.tolist()]
    lines[50_000] = '"' + lines[50_000].replace(",", '","') + '"'
    lines[55_000] = lines[55_000].rpartition(",")[0] + ","
    text = "\n".join(["a,b,c", *lines])
    assert len(text) > 2 * 2**20
    with pytest.raises(DataError, match=r"1 of 60,000 rows: 1 in column 'c' \(first: line 55002\)"):
        read(path, text)
    found, _, _ = read(path, text, missing="drop")
    np.testing.assert_array_equal(found, np.delete(x, 55_000, axis=0))


def test_a_wide_table(path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(4, 20_000))
    text = "\n".join(",".join(map(repr, row)) for row in x.tolist())
    np.testing.assert_array_equal(read(path, text)[0], x)
