"""What a model reads and what it says: kept with the model, and checked where it is loaded and where it predicts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import ValidationError

from firnflow._text import counted, listing, nearest
from firnflow.errors import SignatureError
from firnflow.models.preprocessing import Input, Preprocessing
from firnflow.models.section import Section

if TYPE_CHECKING:
    from collections.abc import Iterable

    import ibis
    import pyarrow as pa

    from firnflow.values.model import Model


class Output(Section):
    """What a model says of a row.

    Attributes:
        task: `binary`: a probability and the decision 0 or 1; `regression`: a number.
        label: the column that is predicted.
        positive: the label's value whose probability it is.
        threshold: the probability from which the decision is 1.
    """

    task: Literal["binary", "regression"]
    label: str | None = None
    positive: str | int | bool | None = None
    threshold: float | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that `predict` adds."""
        return ("probability", "predicted") if self.task == "binary" else ("prediction",)


class Signature(Section):
    """The columns that a model reads, in their order, and what it says of a row."""

    version: Literal[1] = 1
    inputs: dict[str, Input]
    output: Output

    @classmethod
    def of(cls, model: Model) -> Signature | None:
        """Return the signature that a model carries, or None. Raises SignatureError where it is none, or another's."""
        if model.signature is None:
            return None
        try:
            found = cls.model_validate(model.signature)
            found.kinds()
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise SignatureError(f"The model's signature cannot be read: {where}: {first['msg']}. {_ANEW}") from error
        _check_own(found, model)
        return found

    @classmethod
    def fitted(cls, preprocessing: Preprocessing, output: Output) -> Signature:
        """Return the signature of a model with this preprocessing.

        A value may be missing where one was missing in training, and where the preprocessing puts something in place.
        """
        filled = {name for step in preprocessing.steps if step.step == "impute" for name in step.fill}
        inputs = {
            name: each.model_copy(update={"nullable": each.nullable or name in filled})
            for name, each in preprocessing.inputs.items()
        }
        return cls(inputs=inputs, output=output)

    @classmethod
    def infer(cls, table: Any, features: Iterable[str], output: Output) -> Signature:
        """Return the signature of a model without preprocessing that learnt from these columns of a table.

        Args:
            table: of any type that `predict` takes.
            features: the columns, in the order in which the estimator reads them.
            output: what the model says.
        """
        from firnflow.models.arrow import batches, opened

        names = list(features)
        found = opened(table)
        missing = dict.fromkeys(names, False)
        for part in batches(found, names):
            missing = {name: seen or part[name].null_count > 0 for name, seen in missing.items()}
        kinds = _ibis_schema(found.schema)
        return cls(inputs={n: Input(type=str(kinds[n]), nullable=missing[n]) for n in names}, output=output)

    def to_json(self) -> dict[str, Any]:
        """Return what `ff.Model.signature` holds."""
        return self.model_dump(mode="json")

    def kinds(self) -> ibis.Schema:
        """Return the inputs as a schema. Raises SignatureError for a type that there is not."""
        import ibis

        kinds = {}
        for name, each in self.inputs.items():
            try:
                kinds[name] = ibis.dtype(each.type)
            except Exception as error:  # of ibis and of its parser
                raise SignatureError(f"The model's signature: {name!r} has no type {each.type!r}. {_ANEW}") from error
        return ibis.schema(kinds)

    def check(self, schema: pa.Schema) -> None:
        """Raise SignatureError where a table with this schema lacks a column, or has one of another kind."""
        wanted = self.kinds().to_pyarrow()
        for name, each in self.inputs.items():
            if name not in schema.names:
                raise SignatureError(
                    f"The model reads column {name!r} ({each.type}), which the table does not have."
                    f"{nearest(name, schema.names)} It has: {listing(schema.names)}.",
                    column=name,
                    expected=each.type,
                )
            kind = schema.field(name).type
            if not _alike(kind, wanted.field(name).type):
                raise SignatureError(
                    f"Column {name!r}: the model reads {each.type}, but the table has {kind}. "
                    "Mend: convert the column to what it was in training",
                    column=name,
                    expected=each.type,
                    found=str(kind),
                )

    def conform(self, part: pa.Table) -> pa.Table:
        """Return the inputs in their order and in exactly the types of the training, of a checked table.

        Raises:
            SignatureError: a value does not fit the type, or is missing where none may be.
        """
        import pyarrow as pa

        wanted = self.kinds().to_pyarrow()
        columns = []
        for name, each in self.inputs.items():
            column = part[name]
            if column.null_count and not each.nullable:
                raise SignatureError(
                    f"Column {name!r} has {counted(column.null_count, 'missing value')}. In training it had none, and "
                    "nothing in the model stands in for one. Mend: fill the gaps, or train with `imputing`",
                    column=name,
                    expected=each.type,
                    found="null",
                )
            try:
                columns.append(_cast(column, wanted.field(name).type))
            except pa.ArrowInvalid as error:
                raise SignatureError(
                    f"Column {name!r}: the model reads {each.type}, and a value of the table does not fit: {error}",
                    column=name,
                    expected=each.type,
                    found=str(column.type),
                ) from error
        return pa.Table.from_arrays(columns, names=list(self.inputs))


_ANEW = "Mend: train the model anew"


def _check_own(signature: Signature, model: Model) -> None:
    """Raise SignatureError where signature and model contradict each other."""
    if model.preprocessing is None:
        if model.features and tuple(signature.inputs) != model.features:
            raise SignatureError(
                f"The model's signature names other columns ({listing(signature.inputs)}) than its features "
                f"({listing(model.features)}). {_ANEW}"
            )
        return
    try:
        inputs = Preprocessing.model_validate(model.preprocessing).inputs
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise SignatureError(f"The model's preprocessing cannot be read: {where}: {first['msg']}. {_ANEW}") from error
    if {n: i.type for n, i in inputs.items()} != {n: i.type for n, i in signature.inputs.items()}:
        raise SignatureError(
            f"The model's signature reads {listing(signature.inputs)}, its preprocessing {listing(inputs)}, or other "
            f"types. {_ANEW}"
        )


def _ibis_schema(schema: pa.Schema) -> ibis.Schema:
    import ibis
    import pyarrow as pa

    plain = [pa.field(f.name, f.type.value_type if pa.types.is_dictionary(f.type) else f.type) for f in schema]
    return ibis.schema({n: t.copy(nullable=True) for n, t in ibis.Schema.from_pyarrow(pa.schema(plain)).items()})


def _alike(found: pa.DataType, wanted: pa.DataType) -> bool:
    """Whether values of one type can be values of the other, which `conform` then looks at one by one."""
    import pyarrow as pa

    if pa.types.is_dictionary(found):
        found = found.value_type
    return pa.types.is_null(found) or found == wanted or _family(found) is _family(wanted) is not None


def _family(kind: pa.DataType) -> str | None:
    import pyarrow.types as t

    if t.is_integer(kind) or t.is_floating(kind) or t.is_decimal(kind):
        return "number"
    if t.is_string(kind) or t.is_large_string(kind) or t.is_string_view(kind):
        return "text"
    return "time" if t.is_timestamp(kind) or t.is_date(kind) else None


def _cast(column: pa.ChunkedArray[Any], kind: pa.DataType) -> pa.ChunkedArray[Any]:
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    return column if column.type == kind else column.cast(kind)
