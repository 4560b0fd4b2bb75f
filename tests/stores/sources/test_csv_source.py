from __future__ import annotations

import csv
import datetime as dt
import gzip
import io
import re
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from firnflow.errors import BadRowsError, DataError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def types(table: Any) -> dict[str, str]:
    return {name: str(kind) for name, kind in table.schema().items()}


def test_types_are_told_from_all_rows(table: Callable[..., Any]) -> None:
    head = b"id,price,name,flag,day,at,zoned,code,empty\n"
    row = b"1,1.5,x,true,2024-02-29,2024-02-29 10:00:00,2024-02-29T10:00:00+02:00,007,\n"
    found = table(head + row * 3)
    assert types(found) == {
        "id": "int64",
        "price": "float64",
        "name": "string",
        "flag": "boolean",
        "day": "date",
        "at": "timestamp(6)",
        "zoned": "timestamp('UTC', 6)",
        "code": "string",
        "empty": "string",
    }
    assert found.zoned.execute()[0].isoformat() == "2024-02-29T08:00:00+00:00"


@pytest.mark.parametrize(
    ("last", "kind"),
    [
        ("2", "int64"),
        ("-9223372036854775808", "int64"),
        ("9223372036854775808", "string"),
        ("12345678901234567890123", "string"),
        ("2.0", "float64"),
        ("1e5", "float64"),
        ("nan", "float64"),
        (" 7 ", "int64"),
        ("01", "string"),
        ("1_000", "string"),
        ("0x1F", "string"),
        ("1,5", "string"),
        (" ", "string"),
        ("x", "string"),
        ("", "int64"),
    ],
)
def test_one_value_late_in_the_file_decides(table: Callable[..., Any], last: str, kind: str) -> None:
    text = "n\n" + "1\n" * 20_000 + f'"{last}"\n'
    assert types(table(text.encode()))["n"] == kind


@pytest.mark.parametrize(
    ("day", "kind"),
    [
        ("2024-02-28", "date"),
        ("2024-02-28 12:30", "timestamp(6)"),
        ("2024-02-30", "string"),
        ("28.02.2024", "string"),
        ("2024-02-28 25:00", "string"),
    ],
)
def test_days_and_times(table: Callable[..., Any], day: str, kind: str) -> None:
    assert types(table(f"d\n2024-01-01\n{day}\n".encode()))["d"] == kind


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_line_ends_and_byte_order_marks(rows: Callable[..., Any], end: bytes, mark: bytes) -> None:
    text = mark + end.join([b"id,name", b'1,"a, b"', b"2,c"])
    assert rows(text) == [(1, "a, b"), (2, "c")]
    assert rows(text + end) == [(1, "a, b"), (2, "c")]


def test_mixed_line_ends(rows: Callable[..., Any]) -> None:
    assert rows(b'id,name\r\n1,"a\nb"\n2,c\r\n3,d\r4,e\n') == [(1, "a\nb"), (2, "c"), (3, "d"), (4, "e")]
    text = b"id,name\r\n" + b"1,a\r\n" * 300_000 + b"2,b\n"
    assert len(rows(text)) == 300_001


def test_quotes_hold_separators_line_ends_and_quotes(rows: Callable[..., Any]) -> None:
    assert rows(b'id,text\n1,"a ""b"" c"\n2,"x\ny"\n3,",,"\n') == [(1, 'a "b" c'), (2, "x\ny"), (3, ",,")]


@given(
    data=st.lists(
        st.tuples(
            st.text(st.characters(exclude_characters="\0\r", exclude_categories=["Cs"]), min_size=1, max_size=20),
            st.text(st.characters(exclude_characters="\0\r", exclude_categories=["Cs"]), min_size=1, max_size=20),
        ),
        min_size=1,
        max_size=20,
    )
)
@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_python_writes_is_read_back(rows: Callable[..., Any], data: list[tuple[str, str]]) -> None:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows([("a", "b"), *data])
    assert rows(out.getvalue().encode(), columns={"a": "string", "b": "string"}) == data


def test_order_of_rows_is_kept(table: Callable[..., Any]) -> None:
    text = "id,x\n" + "".join(f"{i},{'y' * (i % 50)}\n" for i in range(200_000))
    assert table(text.encode()).id.execute().tolist() == list(range(200_000))


def test_encodings(rows: Callable[..., Any]) -> None:
    text = "id,name\n1,Zoë €\n"
    for encoding in ("cp1252", "utf-16", "utf-8", "utf-8-sig", "iso8859-15"):
        assert rows(text.encode(encoding), encoding=encoding) == [(1, "Zoë €")]


def test_a_compressed_file(rows: Callable[..., Any]) -> None:
    assert rows({"a.csv.gz": gzip.compress(b"id\n1\n", mtime=0)}) == [(1,)]
    with pytest.raises(DataError, match=r"a.csv.gz is no whole gzip file"):
        rows({"a.csv.gz": gzip.compress(b"id\n" + bytes(range(48, 58)) * 999)[:-20]})
    with pytest.raises(DataError, match=r"a.csv.gz is no whole gzip file"):
        rows({"a.csv.gz": b"id\n1\n"})


def test_other_separators(rows: Callable[..., Any]) -> None:
    assert rows(b"a;b\n1,5;x\n", delimiter=";", decimal=",") == [(1.5, "x")]
    assert rows({"a.tsv": b"a\tb\n1\tx\n"}) == [(1, "x")]
    assert rows(b"a|b\n'1|2'|x\n", delimiter="|", quote="'") == [("1|2", "x")]


@pytest.mark.parametrize(("used", "said"), [(b";", "';'"), (b"\t", r'"\\t"'), (b"|", r"'\|'")])
def test_a_wrong_separator(rows: Callable[..., Any], used: bytes, said: str) -> None:
    with pytest.raises(
        DataError, match=rf"data.csv, line 1: with ',' .* all is one column: .* Mend: delimiter = {said}"
    ):
        rows(b"id" + used + b"name\n1" + used + b"x\n")


def test_one_column_is_fine(rows: Callable[..., Any]) -> None:
    assert rows(b"id\n1\n\n2\n") == [(1,), (None,), (2,)]
    assert rows(b"a;b\n1\n", columns={"a;b": "int"}) == [(1,)]


def test_a_file_without_a_header(rows: Callable[..., Any]) -> None:
    assert rows(b"1,x\n2,y\n", header=False, columns={"id": "int", "name": "string"}) == [(1, "x"), (2, "y")]
    with pytest.raises(BadRowsError, match=r"2 rows of data.csv are no rows of 1 field;"):
        rows(b"1,x\n2,y\n", header=False, columns={"id": "int"})
    with pytest.raises(BadRowsError, match=r"1 row of data.csv is no row of 1 field;"):
        rows(b"1\n2,y\n", header=False, columns={"id": "int"})


def test_nulls(rows: Callable[..., Any]) -> None:
    text = b"a,b\nNA,1\n-,\nx,NA\n"
    assert rows(text, null_values=["", "NA"], columns={"a": {"null_values": ["-"]}}) == [
        (None, 1),
        (None, None),
        ("x", None),
    ]


def test_names_of_columns(table: Callable[..., Any]) -> None:
    assert table(b',a b,"c""d",SELECT,\xc3\xbc,file_row_number\n0,1,2,3,4,5\n').columns == (
        "column0",
        "a b",
        'c"d',
        "SELECT",
        "ü",
        "file_row_number",
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"data.csv is empty"),
        (b"\n", r"line 1: there is no header. Mend: header = false"),
        (b"a,b\n", r"data \(data.csv\) has 0 rows, at least 1 are expected(?s:.*)min_rows = 0"),
        (b"a,A\n1,2\n", r"line 1: two columns are named 'A' \(names that differ in case are the same\)"),
        (b"a,b\n1,\xe9\n", r"line 2: byte 0xe9 is no utf-8 text. Mend: .* encoding = 'cp1252'"),
        (b"a,b\n" + b"1,2\n" * 400_000 + b"1,\xc3(\n", r"line 400002: byte 0xc3 is no utf-8 text"),
        (b"a,b\n1,\x00\n", r"line 2: there is a NUL"),
        ("a,b\n1,2\n".encode("utf-16"), r"is UTF-16 text. Mend: encoding = 'utf-16'"),
        (b"PAR1....PAR1", r"is a Parquet file. Mend: format = 'parquet'"),
        (b"PK\x03\x04....", r"is an Excel workbook or a zip archive"),
        (gzip.compress(b"a,b\n1,2\n", mtime=0), r"is compressed. Mend: give it a name that ends in .gz"),
        (b'"a,b\n1,2\n', r"line 1: the header cannot be read: unexpected end of data"),
        (b"a" * 3_000_000, r"line 1: the header cannot be read|has 0 rows"),
    ],
)
def test_a_file_that_is_no_table(rows: Callable[..., Any], content: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        rows(content)


def test_0_rows_may_be_allowed(table: Callable[..., Any]) -> None:
    found = table(b"a,b\n", checks={"min_rows": 0}, columns={"a": "int"})
    assert types(found) == {"a": "int64", "b": "string"}
    assert found.count().execute() == 0


def test_ragged_rows_are_all_counted_and_the_first_shown(rows: Callable[..., Any]) -> None:
    text = b'a,b\n1,"x\ny"\n2\n3,4\n\n5,6,7\n8,"z" z\n' + b"9\n" * 100
    with pytest.raises(
        BadRowsError, match=r"data: 103 rows of data.csv are no rows of 2 fields; nothing was loaded"
    ) as caught:
        rows(text)
    lines = str(caught.value).splitlines()[1:]
    assert len(lines) == 10
    assert lines[0] == "  data.csv, line 4: too few fields: '2'"
    assert lines[1] == "  data.csv, line 7: too many fields: '5,6,7'"
    assert lines[2].startswith("  data.csv, line 8: a quote that does not end, or that is not doubled")
    assert lines[3] == "  data.csv, line 9: too few fields: '9'"


def test_a_ragged_row_far_into_a_large_file(rows: Callable[..., Any]) -> None:
    text = b"a,b\n" + b'1,"x\ny"\n' * 600_000 + b"2\n" + b"1,2\n" * 300_000
    with pytest.raises(BadRowsError, match=r"line 1200002: too few fields: '2'"):
        rows(text)


def test_a_line_that_is_too_long(rows: Callable[..., Any]) -> None:
    with pytest.raises(BadRowsError, match=r"line 2: longer than 2,000,000 bytes"):
        rows(b"a,b\n1," + b"x" * 3_000_000 + b"\n")


def test_several_files(rows: Callable[..., Any]) -> None:
    files = {"d/2.csv": b"id,name\n3,c\n", "d/1.csv": b"name,id\na,1\nb,2\n", "d/10.csv": b"id,name\n4.5,d\n"}
    assert rows(files, path="d/*.csv") == [("a", 1.0), ("b", 2.0), ("d", 4.5), ("c", 3.0)]


def test_files_that_disagree(rows: Callable[..., Any]) -> None:
    with pytest.raises(DataError, match=r"d/2.csv has no column 'name', which d/1.csv has. Did you mean 'nam'"):
        rows({"d/1.csv": b"id,name\n1,a\n", "d/2.csv": b"id,nam\n1,a\n"}, path="d/*.csv")
    with pytest.raises(DataError, match=r"d/4.csv has a column 'extra', which d/3.csv has not. That has: id"):
        rows({"d/3.csv": b"id\n1\n", "d/4.csv": b"id,extra\n1,a\n"}, path="d/[34].csv")


def test_a_wrong_row_is_found_in_its_file(rows: Callable[..., Any]) -> None:
    files = {"d/1.csv": b"id,n\n1,1\n", "d/2.csv": b'n,id\n"\n\n",1\n\nx,2\n'}
    with pytest.raises(BadRowsError, match=r"1 of 3 rows") as caught:
        rows(files, path="d/*.csv", columns={"n": {"type": "int", "null_values": ["\n\n"]}})
    assert "d/2.csv, line 6: n = 'x' is no int" in str(caught.value)


def test_the_real_files(rows: Callable[..., Any], table: Callable[..., Any], data_folder: Path) -> None:
    telco = str(data_folder / "telco_churn.csv")
    with pytest.raises(BadRowsError, match=r"11 of 7,043 rows .*\n  TotalCharges is no float: 11 rows") as caught:
        rows(path=telco, columns={"TotalCharges": "float"})
    assert re.search(r"telco_churn.csv, line 490: TotalCharges = ' ' is no float", str(caught.value))
    assert "add it to the column's null_values" in str(caught.value)
    found = table(path=telco, columns={"TotalCharges": {"type": "float", "null_values": [" "]}})
    assert found.TotalCharges.isnull().sum().execute() == 11
    assert types(found)["tenure"] == "int64"
    taxi = table(path=str(data_folder / "nyc_taxi.csv"))
    assert types(taxi) == {"timestamp": "timestamp(6)", "value": "int64"}
    assert taxi.timestamp.execute()[0] == dt.datetime(2014, 7, 1)  # noqa: DTZ001 - the file has no zone
