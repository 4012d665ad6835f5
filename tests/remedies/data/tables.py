"""Situations of tables: text, Parquet and Arrow, and the options that choose columns and rows."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from vsmnp.data.arrays.table import names_in

from ..follow import Step, read, remedy, train

ROWS = [f"{i},{i * 0.5},{i % 3}.25" for i in range(20)]


def write(*lines: str, name: str = "x.csv", encoding: str = "utf-8") -> str:
    """Write a table of these lines."""
    Path(name).write_text("\n".join(lines) + "\n", encoding=encoding)
    return name


def named(*lines: str) -> str:
    """Write a table of three columns with names, of some rows and these lines."""
    return write("a,b,c", *ROWS, *lines)


# --- text -----------------------------------------------------------------------------------------


@remedy("write one sample a line, numbers separated by commas")
def an_empty_table(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield train(write("", "# nothing"))
    yield train(write(*ROWS))


@remedy("write one sample a line, numbers separated by commas")
def a_table_of_separators(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield train(write("a,b", ",", ","))
    yield train(write(*ROWS))


@remedy("save it with one of them")
def a_table_separated_by_bars(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield train(write("a|b|c", *(row.replace(",", "|") for row in ROWS)))
    for separator in ",;\t":
        yield train(write("a,b,c".replace(",", separator), *(row.replace(",", separator) for row in ROWS)))


@remedy("put the numbers in double quotes, or write them with a decimal point")
def one_column_of_decimal_commas(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    numbers = [f"{i},25" for i in range(20)]
    yield train(write("length", *numbers))
    yield train(write("length", *(f'"{number}"' for number in numbers)))
    yield train(write("length", *(number.replace(",", ".") for number in numbers)))


@remedy("give every column one name")
def a_header_that_is_too_short(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield train(write("a", *ROWS))
    yield train(write("a,b,c", *ROWS))


@remedy("that is not closed in its line: close it")
def a_quote_that_is_not_closed(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield train(write("a,b,c", '1,"2,3', *ROWS))
    yield train(write("a,b,c", '1,"2",3', *ROWS))


@remedy("close every quote at the end of its field")
def a_quote_out_of_place(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield train(named('1,"2"5,3'))
    yield train(named('1,"25",3'))


@remedy("give every line the same number of fields")
def a_line_with_fewer_fields(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield train(named("1,2"))
    yield train(named("1,2,3"))


@remedy("write numbers, and nothing where a value is missing, or say --drop-columns")
def a_column_of_text(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    rows = [f"{row},{word}" for row, word in zip(ROWS, ["low", "high"] * 10, strict=True)]
    table = write("a,b,c,level", *rows)
    yield train(table)
    yield train(table, "--drop-columns", "level")
    yield train(write("a,b,c,level", *(f"{row},{i % 2}" for i, row in enumerate(ROWS))))
    yield train(named("1,,2"), "--missing", "drop")


@remedy("""--drop-columns '"my, level"'""")
def a_column_of_text_with_a_comma_in_its_name(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    table = write('a,b,c,"my, level"', *(f"{row},low" for row in ROWS))
    yield train(table)
    yield train(table, "--drop-columns", '"my, level"')


@remedy("use one mark everywhere, or leave a column out with --drop-columns")
def two_decimal_marks(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    rows = [f"{i},25;{i}.5;{i}" for i in range(20)]
    table = write("a;b;c", *rows)
    yield train(table)
    yield train(table, "--drop-columns", "b")
    yield train(write("a;b;c", *(row.replace(".", ",") for row in rows)))


@remedy("write it without separators of thousands")
def a_comma_that_may_be_either(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    rows = [f"1,{i:03};{i}" for i in range(20)]
    yield train(write("a;b", *rows))
    yield train(write("a;b", *(row.replace(",", "") for row in rows)))


@remedy("save it as UTF-8 text, numbers separated by commas")
def bytes_that_are_no_text(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    Path("x.csv").write_bytes(b"a,b\n1,2\0\n")
    yield train("x.csv")
    yield train(write("a,b", *(f"1,{i}" for i in range(20))))


@remedy("is not text in UTF-8: save it as UTF-8 text, numbers separated by commas")
def text_of_no_known_encoding(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    lines = ("Länge,b", *(f"1,{i}" for i in range(20)))
    Path("x.csv").write_bytes(b"\x81" + "\n".join(lines).encode("cp1252"))
    yield train("x.csv")
    yield train(write(*lines))


@remedy("cannot be read as a text table, it is corrupt or truncated: save it as UTF-8 text")
def a_field_without_end(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield train(write("a,b", '1,"' + "2" * 200_000, *(f"1,{i}" for i in range(20))))
    yield train(write("a,b", *(f"1,{i}" for i in range(20))))


# --- the choice of columns ------------------------------------------------------------------------


@remedy("name the columns to take or those to drop")
def columns_taken_and_dropped(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    table = named()
    yield train(table, "--columns", "a,b", "--drop-columns", "c")
    yield train(table, "--columns", "a,b")
    yield train(table, "--drop-columns", "c")


@remedy("names a column twice: name each once")
def a_column_named_twice(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield train(named(), "--columns", "a,b,a")
    yield train("x.csv", "--columns", "a,b")


@remedy("drop fewer")
def all_columns_dropped(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield train(named(), "--drop-columns", "a,b,c")
    yield train("x.csv", "--drop-columns", "a,b")


@remedy("x.csv: rename them")
def a_name_of_two_columns(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield train(write("a,b,a", *ROWS), "--columns", "a")
    yield train(write("a,b,a2", *ROWS), "--columns", "a")


@remedy("choose from a, b, c, perhaps b")
def a_column_that_is_not_there(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield train(named(), "--columns", "bb")
    yield train("x.csv", "--columns", "b")


@remedy("such as a,b")
def no_list_of_names(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    table = named()
    yield lambda: names_in("a\rb")
    yield train(table, "--columns", "a,b")


@remedy("it is for tables, .csv, .tsv, .parquet, .arrow, .feather")
def columns_of_an_array(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    import numpy as np

    np.save("x.npy", np.eye(20, 3))
    yield train("x.npy", "--columns", "a")
    yield train(named(), "--columns", "a")


@remedy("it is for tables in files")
def columns_of_a_built_in_set(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield read("mixture", columns=["a"])
    yield train(named(), "--columns", "a")


# --- missing values -------------------------------------------------------------------------------


@remedy("say --missing drop to leave these rows out, or --drop-columns b")
def missing_values(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    table = named("1,,2")
    yield train(table)
    yield train(table, "--missing", "drop")
    yield train(table, "--drop-columns", "b")


@remedy("leaves 1: fill them in, or --drop-columns b")
def missing_values_in_nearly_all_rows(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    lines = [f"{i},,{i}" for i in range(20)]
    table = write("a,b,c", "1,2,3", *lines)
    yield train(table, "--missing", "drop")
    yield train(table, "--drop-columns", "b")
    yield train(write("a,b,c", "1,2,3", *(line.replace(",,", ",7,") for line in lines)))


@remedy("replace it")
def infinity_in_a_table(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield train(named("1,inf,2"))
    yield train(named("1,7,2"))


# --- Parquet and Arrow ----------------------------------------------------------------------------


def parquet(columns: dict[str, Any]) -> str:
    """Write a Parquet file of these columns, and return its name."""
    import pyarrow as pa
    from pyarrow.parquet import write_table

    write_table(pa.table(columns), "x.parquet")
    return "x.parquet"


NUMBERS = [float(i) for i in range(20)]
WORDS = ["low", "high"] * 10


@remedy("write numbers, or say --drop-columns level")
def text_in_a_parquet_table(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    table = parquet({"a": NUMBERS, "level": WORDS})
    yield train(table)
    yield train(table, "--drop-columns", "level")
    yield train(parquet({"a": NUMBERS, "level": [word == "low" for word in WORDS]}))


@remedy("or say --columns with others")
def only_text_is_taken_from_a_parquet_table(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    table = parquet({"a": NUMBERS, "level": WORDS})
    yield train(table, "--columns", "level")
    yield train(table, "--columns", "a")


@remedy("has no columns: give it one at least")
def a_parquet_table_without_columns(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield train(parquet({}))
    yield train(parquet({"a": NUMBERS}))


@remedy("give every column a name of its own")
def a_parquet_table_with_a_name_twice(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    import pyarrow as pa
    from pyarrow.parquet import write_table

    write_table(pa.table([NUMBERS, NUMBERS], names=["a", "a"]), "x.parquet")
    yield train("x.parquet")
    yield train(parquet({"a": NUMBERS, "b": NUMBERS}))


@remedy("cannot be read as a Parquet table, it is corrupt or truncated: write it again")
def half_a_parquet_table(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    path = Path(parquet({"a": NUMBERS}))
    path.write_bytes(path.read_bytes()[:50])
    yield train(path)
    yield train(parquet({"a": NUMBERS}))


@remedy("cannot be read as an Arrow table, it is corrupt or truncated: write it again")
def half_an_arrow_table(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    import pyarrow as pa
    from pyarrow.feather import write_feather

    Path("x.arrow").write_bytes(b"ARROW1" + bytes(40))
    yield train("x.arrow")
    write_feather(pa.table({"a": NUMBERS}), "x.arrow", compression="uncompressed")
    yield train("x.arrow")


@remedy("pip install 'vsmnp[tables]', or save the table as .csv")
def a_parquet_table_without_pyarrow(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    table = parquet({"a": NUMBERS})
    with pytest.MonkeyPatch.context() as without:
        without.setitem(sys.modules, "pyarrow", None)
        yield train(table)
        yield train(write("a", *map(str, NUMBERS)))
    yield train(table)
