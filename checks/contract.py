"""Contract: the form that feedback has to have, as a Great Expectations suite says it.

Its rules, and each is a named row of tests/checks/test_contract.py:

1. Great Expectations judges every expectation; only how it is asked is ours: cheap aggregates
   first, the row form for what they do not settle (at 1,000,000 rows 0.3 s against 14 s).
2. What is not understood, raises or gets no answer is not measured, and a zero is only said when
   everything was measured.
3. A broken expectation that names no rows still counts, in a finding of its own without rows.
4. Details name columns and numbers of rows, never a value of the data.
"""

import logging
import os
import warnings
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from sluicegate.core import Feedback, Finding, Schema, Task

PLACE = "expectations/feedback.json"
SEVERITIES = ("critical", "warning", "info")
MOST_NAMED = 12
NUMBER = "number"
"""Where an expectation's number stands in what GX answers."""
Kwargs = Mapping[str, object]

BETWEEN = "expect_column_values_to_be_between"
NOT_NULL = "expect_column_values_to_not_be_null"
IN_SET = "expect_column_values_to_be_in_set"

COLUMNS = ("column", "column_A", "column_B", "column_list")
EDGES = {"min_value", "max_value", "strict_min", "strict_max"}

WRONG = {
    BETWEEN: "outside its range",
    NOT_NULL: "without a value",
    IN_SET: "with a value outside its set",
    "expect_column_values_to_be_unique": "with a value that occurs more than once",
    "expect_column_values_to_be_of_type": "of another type",
}


@dataclass(frozen=True)
class Contract:
    """Measures feedback by a Great Expectations suite, `suite` being its JSON.

    `where` is what the details call the suite's file.

    >>> frame = pd.DataFrame({"y": [0, 1]})
    >>> schema = Schema(Task.CLASSIFICATION, "y", (), classes=(0, 1))
    >>> empty = Feedback(schema, frame, None, (), frame, None, {})
    >>> [(f.metric, f.value) for f in Contract(suite={})(empty)]
    [('contract.critical', None), ('contract.warning', None), ('contract.info', None)]
    """

    suite: object
    where: str = PLACE
    name = "contract"

    def __call__(self, subject: Feedback) -> tuple[Finding, ...]:
        """Return `contract.critical`, `contract.warning` and `contract.info`.

        `contract.critical` counts the broken critical expectations. The others count the rows that
        break one of their severity; broken expectations that name no rows are counted in a second
        finding without rows. A value is None where the suite could not be judged.
        """
        return tuple(
            contract_findings(
                subject.frame, subject.schema, subject.faults, self.suite, where=self.where
            )
        )


@dataclass(frozen=True)
class _Config:
    """One expectation as it is put to GX."""

    type: str
    kwargs: Mapping[str, Any]


@dataclass(frozen=True)
class _Asked:
    """An expectation of the suite: its place in the file, how it is put to GX, how grave it is."""

    number: int
    config: _Config
    severity: str

    @property
    def columns(self) -> tuple[str, ...]:
        kwargs = self.config.kwargs
        *named, several = (kwargs.get(key) for key in COLUMNS)
        named += several if isinstance(several, list) else []
        return tuple(name for name in named if isinstance(name, str))

    @property
    def subject(self) -> str:
        return " and ".join(f"`{name}`" for name in self.columns) or "the table"


@dataclass(frozen=True)
class _Broken:
    """What is wrong, with whom, and in which rows if it can be said."""

    severity: str
    subject: str
    wrong: str
    rows: tuple[int, ...] = ()


@dataclass(frozen=True)
class _Answer:
    """GX's answer: kept or not (None when there is none), and the rows that break it."""

    kept: bool | None
    rows: tuple[int, ...] = ()


def warm() -> None:
    """Import Great Expectations, which takes seconds, before there is anything to judge."""
    with _quiet():
        import great_expectations  # noqa: F401


def contract_findings(
    frame: pd.DataFrame,
    schema: Schema,
    faults: Mapping[str, Sequence[int]],
    suite: object,
    where: str = PLACE,
) -> list[Finding]:
    """Return the findings about a normalised `frame` whose unreadable cells are `faults`.

    `suite` is the JSON of a Great Expectations 1.x suite, read from `where`; rows are positions.
    """
    if not len(frame):
        return _without_rows()
    if not frame.columns.is_unique:
        return _findings([], ["The file names a column twice; rename one of them."])
    read = suite if isinstance(suite, Mapping) else {}
    entries, parameters = (read.get(key) for key in ("expectations", "suite_parameters"))
    if not entries or not isinstance(entries, list):
        return _findings([], [f"{where} holds no expectations; restore it from git."])
    view, broken = _view(frame.reset_index(drop=True), schema)
    asked, problems = _read(entries, where)
    answered, unanswered = _judge(view, asked, parameters, where)
    broken += [*_unreadable(schema, faults), *_infinite(view, schema), *answered]
    return _findings(broken, [*problems, *unanswered])


def _without_rows() -> list[Finding]:
    detail = "The batch has no rows; send at least one."
    nothing = [Finding("contract", f"contract.{grade}", None) for grade in ("warning", "info")]
    return [Finding("contract", "contract.critical", 1.0, detail=detail), *nothing]


# --- what is looked at ---------------------------------------------------------------------------


def _view(frame: pd.DataFrame, schema: Schema) -> tuple[pd.DataFrame, list[_Broken]]:
    if schema.label not in frame:
        return frame, []
    if schema.task is Task.CLASSIFICATION:
        return frame.assign(**{schema.label: _as_classes(frame[schema.label], schema)}), []
    numbers = pd.to_numeric(frame[schema.label], errors="coerce").astype(np.float64)
    unread = np.flatnonzero(numbers.isna() & frame[schema.label].notna())
    broken = [_faulty(schema.label, "a number", unread.tolist())] if unread.size else []
    return frame.assign(**{schema.label: numbers}), broken


def _as_classes(labels: "pd.Series[Any]", schema: Schema) -> "pd.Series[Any]":
    # The schema compares labels by their text, GX by value: 3.0 or "3" in a file is the class 3.
    codes = schema.label_codes(labels)
    known = codes >= 0
    values = labels.to_numpy(dtype=object, copy=True)
    classes = np.empty(len(schema.classes), dtype=object)
    classes[:] = schema.classes
    values[known] = classes[codes[known]]
    return pd.Series(values, index=labels.index, dtype=object).infer_objects()


def _unreadable(schema: Schema, faults: Mapping[str, Sequence[int]]) -> list[_Broken]:
    kinds = {column.name: f"{column.kind.value}" for column in schema.features}
    return [
        _faulty(name, kinds.get(name, "its kind"), rows) for name, rows in faults.items() if rows
    ]


def _faulty(column: str, kind: str, rows: Sequence[int]) -> _Broken:
    wrong = f"that cannot be read as {kind}"
    return _Broken("warning", f"`{column}`", wrong, tuple(int(row) for row in rows))


def _infinite(view: pd.DataFrame, schema: Schema) -> Iterator[_Broken]:
    for name in (*schema.feature_names, schema.label):
        if name in view and view[name].dtype == np.float64:
            rows = np.flatnonzero(np.isinf(view[name].to_numpy()))
            if rows.size:
                yield _Broken(
                    "warning", f"`{name}`", "with an infinite number", tuple(rows.tolist())
                )


# --- what the suite says -------------------------------------------------------------------------


def _read(entries: Sequence[Any], where: str) -> tuple[list[_Asked], list[str]]:
    asked: list[_Asked] = []
    problems: list[str] = []
    for number, entry in enumerate(entries, start=1):
        # ExpectationSuite() itself logs what it does not understand and leaves it out: a misspelt
        # expectation would pass for ever.
        mistake = _mistake(entry)
        if mistake:
            problems.append(f"{where}, expectation {number}: {mistake}; correct or remove it.")
        else:
            asked.append(_asked(number, **entry))
    return asked, problems


def _asked(
    number: int, *, type: str, kwargs: Any, severity: str = "critical", **_: object
) -> _Asked:
    # A result format in the file could hide the rows.
    ours = ("result_format", "catch_exceptions")
    config = _Config(type, {key: value for key, value in kwargs.items() if key not in ours})
    return _Asked(number, config, severity)


def _mistake(entry: Any) -> str | None:
    form = 'it must have the form {"type": ..., "kwargs": {...}, "severity": ...}'
    if not isinstance(entry, Mapping):
        return form
    kind, kwargs, severity = (entry.get(key) for key in ("type", "kwargs", "severity"))
    if not isinstance(kwargs, Mapping):
        return form
    if severity not in SEVERITIES and "severity" in entry:
        return f"`{kind}` has a severity other than critical, warning or info"
    with _quiet():
        from great_expectations.exceptions import ExpectationNotFoundError

        try:
            _expectation(**entry)
        except ExpectationNotFoundError:
            return f"there is no expectation `{kind}`"
        except Exception:  # noqa: BLE001 - GX raises whatever its parsers raise; all mean "not valid"
            return f"`{kind}` has keys or values that Great Expectations rejects"
    return None


# --- asking Great Expectations -------------------------------------------------------------------


def _judge(
    view: pd.DataFrame, asked: Sequence[_Asked], parameters: Any, where: str
) -> tuple[list[_Broken], list[str]]:
    absent = [one for one in asked if not set(one.columns) <= set(view.columns)]
    present = [one for one in asked if set(one.columns) <= set(view.columns)]
    settled = _ask(view, _cheap(present), "BOOLEAN_ONLY", parameters)
    open_ = [one for one in present if not _all_kept(settled.get(one.number))]
    answers = _ask(view, {one.number: [one.config] for one in open_}, "COMPLETE", parameters)
    broken = [_missing(one, name) for one in absent for name in one.columns if name not in view]
    problems = []
    for one in open_:
        answer = (answers.get(one.number) or [_Answer(None)])[0]
        if answer.kept is None:
            problems.append(_unanswered(one, where))
        elif not answer.kept:
            broken.append(_break(one, answer.rows))
    return broken, problems


def _all_kept(answers: Sequence[_Answer] | None) -> bool:
    return bool(answers) and all(answer.kept for answer in answers or ())


def _cheap(asked: Sequence[_Asked]) -> dict[int, list[_Config]]:
    return {one.number: _twins(one.config) or [one.config] for one in asked}


def _twins(config: _Config) -> list[_Config]:
    """Return aggregates that together imply the expectation, whatever its `mostly`; else none."""
    kwargs = {key: value for key, value in config.kwargs.items() if key != "mostly"}
    column = {"column": kwargs.pop("column", None)}
    if config.type == BETWEEN and kwargs.keys() <= EDGES:
        return [*_edge("min", column, kwargs), *_edge("max", column, kwargs)]
    if config.type == NOT_NULL and not kwargs:
        name = "expect_column_proportion_of_non_null_values_to_be_between"
        return [_Config(name, column | {"min_value": 1.0})]
    if config.type == IN_SET and kwargs.keys() == {"value_set"}:
        return [_Config("expect_column_distinct_values_to_be_in_set", column | kwargs)]
    return []


def _edge(end: str, column: Kwargs, kwargs: Kwargs) -> Iterator[_Config]:
    if kwargs.get(f"{end}_value") is not None:
        mine = {key: kwargs[key] for key in (f"{end}_value", f"strict_{end}") if key in kwargs}
        yield _Config(f"expect_column_{end}_to_be_between", {**column, **mine})


def _ask(
    view: pd.DataFrame,
    configs: Mapping[int, Sequence[_Config]],
    result_format: str,
    parameters: Any,
) -> dict[int, list[_Answer]]:
    """Return GX's answers by the expectation's number; one without all its answers is absent."""
    if not configs:
        return {}
    try:
        answers = _answers(view, configs, result_format, parameters)
    except Exception:  # noqa: BLE001 - most expectations that raise are reported, a few stop GX
        alone = [{number: configs[number]} for number in configs] if len(configs) > 1 else []
        return {
            n: a for one in alone for n, a in _ask(view, one, result_format, parameters).items()
        }
    return {n: found for n, found in answers.items() if len(found) == len(configs[n])}


def _answers(
    view: pd.DataFrame,
    configs: Mapping[int, Sequence[_Config]],
    result_format: str,
    parameters: Any,
) -> dict[int, list[_Answer]]:
    answers: defaultdict[int, list[_Answer]] = defaultdict(list)
    with _quiet():
        for result in _validate(view, configs, result_format, parameters):
            answers[result.expectation_config.meta[NUMBER]].append(_answer(result))
    return answers


def _answer(result: Any) -> _Answer:
    raised = result.exception_info or {}
    # GX keys this either by "raised_exception" or by the id of each metric that raised.
    failed = raised.get("raised_exception", bool(raised))
    if failed or result.success is None:
        return _Answer(None)
    rows = result.result.get("unexpected_index_list") or ()
    return _Answer(bool(result.success), tuple(int(row) for row in rows))


def _validate(
    view: pd.DataFrame,
    configs: Mapping[int, Sequence[_Config]],
    result_format: str,
    parameters: Any,
) -> Sequence[Any]:
    import great_expectations as gx

    context = gx.get_context(mode="ephemeral", project_config=_in_memory())
    suite = gx.ExpectationSuite(name="feedback")
    suite.expectations = [
        _expectation(type=each.type, kwargs=dict(each.kwargs), meta={NUMBER: number})
        for number, several in configs.items()
        for each in several
    ]
    asset = context.data_sources.add_pandas("feedback").add_dataframe_asset("frame")
    batch = asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": view})
    wanted = {
        "result_format": result_format,
        "exclude_unexpected_values": True,
        "return_unexpected_index_query": False,
    }
    try:
        results = batch.validate(suite, result_format=wanted, expectation_parameters=parameters)
        return list(results.results)
    finally:
        # The context lives on as GX's global; without this it would keep the frame with it.
        context.data_sources.delete("feedback")


def _in_memory() -> Any:
    from great_expectations.data_context.types.base import (
        DataContextConfig,
        InMemoryStoreBackendDefaults,
    )

    # The default makes a temporary folder for a docs site at every call.
    stores = InMemoryStoreBackendDefaults(init_temp_docs_sites=False)
    bars = {"globally": False, "metric_calculations": False}
    return DataContextConfig(
        store_backend_defaults=stores, progress_bars=bars, analytics_enabled=False
    )


def _expectation(**config: Any) -> Any:
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    return ExpectationConfiguration(**config).to_domain_obj()


@contextmanager
def _quiet() -> Iterator[None]:
    # GX reads this while it is imported; unset, it reports its use over the network.
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    logger = logging.getLogger("great_expectations")
    level = logger.level
    # What GX logs about a failure holds raw values.
    logger.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


# --- what is said --------------------------------------------------------------------------------


def _missing(asked: _Asked, column: str) -> _Broken:
    return _Broken(asked.severity, f"Column `{column}`", "is missing; add it to the file")


def _break(asked: _Asked, rows: tuple[int, ...]) -> _Broken:
    kind = asked.config.type
    if rows:
        return _Broken(asked.severity, asked.subject, WRONG.get(kind, f"against `{kind}`"), rows)
    return _Broken(asked.severity, asked.subject, f"breaks `{kind}`")


def _unanswered(asked: _Asked, where: str) -> str:
    # The exception's own words are left out: they quote the data.
    return (
        f"{where}, expectation {asked.number}: `{asked.config.type}` could not be evaluated on "
        f"{asked.subject}; correct the file or the expectation."
    )


def _findings(broken: Sequence[_Broken], problems: Sequence[str]) -> list[Finding]:
    measured = [
        *_critical([one for one in broken if one.severity == "critical"]),
        *_graded("warning", [one for one in broken if one.severity == "warning"]),
        *_graded("info", [one for one in broken if one.severity == "info"]),
    ]
    if not problems:
        return measured
    detail = " ".join(_few(problems))
    unmeasured = [
        Finding("contract", f"contract.{grade}", None, detail=detail) for grade in SEVERITIES
    ]
    return [*(finding for finding in measured if finding.value), *unmeasured]


def _critical(broken: Sequence[_Broken]) -> list[Finding]:
    rows = tuple(sorted({row for one in broken for row in one.rows}))
    detail = _detail(broken)
    return [Finding("contract", "contract.critical", float(len(broken)), rows, detail=detail)]


def _graded(severity: str, broken: Sequence[_Broken]) -> list[Finding]:
    with_rows = [one for one in broken if one.rows]
    without = list(dict.fromkeys(one for one in broken if not one.rows))
    rows = tuple(sorted({row for one in with_rows for row in one.rows}))
    metric = f"contract.{severity}"
    found = [Finding("contract", metric, float(len(rows)), rows, detail=_detail(with_rows))]
    if without:
        found.append(Finding("contract", metric, float(len(without)), detail=_detail(without)))
    return found


def _detail(broken: Sequence[_Broken]) -> str:
    sentence = "; ".join(_few(list(dict.fromkeys(_clause(one) for one in broken))))
    return f"{sentence[0].upper()}{sentence[1:]}." if sentence else ""


def _clause(one: _Broken) -> str:
    if not one.rows:
        return f"{one.subject} {one.wrong}"
    count = f"{len(one.rows)} row" + ("s" if len(one.rows) > 1 else "")
    return f"{one.subject} has {count} {one.wrong}"


def _few(told: Sequence[str]) -> list[str]:
    more = len(told) - MOST_NAMED
    return [*told[:MOST_NAMED], *([f"and {more} more"] if more > 0 else [])]
