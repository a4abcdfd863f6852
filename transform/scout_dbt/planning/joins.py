"""How tables are joined: as a line of text, and as SQL to copy."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scout_dbt.planning.model_sql import quote_identifier
from scout_dbt.planning.naming import RESERVED_WORDS
from scout_dbt.planning.tables import RecordKind, Reference

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from scout_dbt.planning.tables import Model

PLAIN = re.compile(r"[a-z_][a-z0-9_]*", re.ASCII)
DOMAIN = "domain"
FORM_CASES = "stg_commcare__form_cases"
ROWS_SHOWN = 100


@dataclass(frozen=True, kw_only=True)
class Join:
    """A table and one that it refers to, directly or through a table of links."""

    reference: Reference
    through: Reference | None = None
    """From the table of links to the other table; then the reference leads to the links."""

    @property
    def tables(self) -> tuple[str, str]:
        """Return the two tables that are joined."""
        return self.reference.table, (self.through or self.reference).to_table

    @property
    def text(self) -> str:
        """Return which column refers to which."""
        first = f"{self.reference.table}.{self.reference.column} = {self.reference.target}"
        if self.through is None:
            return first
        return f"{first}, {self.through.table}.{self.through.column} = {self.through.target}"

    @property
    def sql(self) -> str:
        """Return a query that joins both."""
        lines = ["select *", f"from {identifier(self.reference.table)} as this"]
        if self.through is None:
            lines += _joined("this", self.reference, "other")
        else:
            lines += _joined("this", self.reference, "link")
            lines += _joined("link", self.through, "other")
        return "\n".join([*lines, f"limit {ROWS_SHOWN};"])


def _joined(left: str, reference: Reference, right: str) -> list[str]:
    pairs = zip(reference.to_columns, reference.columns, strict=True)
    equal = (f"{right}.{identifier(to)} = {left}.{identifier(of)}" for to, of in pairs)
    return [
        f"join {identifier(reference.to_table)} as {right}",
        f"  on {' and '.join(equal)}",
    ]


def identifier(name: str) -> str:
    """Return a name as SQL, with quotes only where it needs them."""
    is_plain = PLAIN.fullmatch(name) and name not in RESERVED_WORDS
    return name if is_plain else quote_identifier(name)


def joins(
    references: Iterable[Reference],
    models: Iterable[Model],
    case_types_of_forms: Mapping[str, Collection[str]],
    links: Iterable[tuple[str, str, str]],
    present: Collection[str],
) -> list[Join]:
    """Return the joins between tables that exist.

    Args:
        references: What data tests and generated tables say.
        models: The generated tables.
        case_types_of_forms: The case types that each form works with, by xmlns.
        links: The type of a case, the name of an index, and the type of the case it refers to.
        present: The tables that exist.
    """
    models = list(models)
    typed = list(_between_cases(models, links))
    # The table of the parent's type says more than the view of all cases.
    known = {(each.reference.table, each.reference.column) for each in typed}
    plain = [Join(reference=each) for each in references if (each.table, each.column) not in known]
    found = [*typed, *_forms_to_cases(models, case_types_of_forms), *plain]
    is_present = set(present).issuperset
    return [
        each
        for each in dict.fromkeys(found)
        if is_present(each.tables) and is_present([each.reference.to_table])
    ]


def _main_models(models: Iterable[Model], kind: RecordKind) -> dict[str, Model]:
    tables = ((each, each.table) for each in models)
    return {
        table.scope: each
        for each, table in tables
        if table.record_kind == kind and not table.is_secondary
    }


def _between_cases(
    models: Iterable[Model], links: Iterable[tuple[str, str, str]]
) -> Iterator[Join]:
    cases = _main_models(models, RecordKind.CASE)
    for case_type, index, parent_type in links:
        child, parent = cases.get(case_type), cases.get(parent_type)
        columns = {each.key: each.name for each in child.table.indices} if child else {}
        if child and parent and (column := columns.get(f"index {index}")):
            reference = Reference(
                table=child.table.name,
                columns=(*_domain(child), column),
                to_table=parent.table.name,
                to_columns=(*_domain(child), "case_id"),
            )
            yield Join(reference=reference)


def _forms_to_cases(
    models: Iterable[Model], case_types_of_forms: Mapping[str, Collection[str]]
) -> Iterator[Join]:
    cases = _main_models(models, RecordKind.CASE)
    for xmlns, form in _main_models(models, RecordKind.FORM).items():
        for case_type in sorted(case_types_of_forms.get(xmlns, ())):
            if case := cases.get(case_type):
                by_form, by_case = (*_domain(form), "form_id"), (*_domain(form), "case_id")
                yield Join(
                    reference=Reference(
                        table=form.table.name,
                        columns=by_form,
                        to_table=FORM_CASES,
                        to_columns=by_form,
                    ),
                    through=Reference(
                        table=FORM_CASES,
                        columns=by_case,
                        to_table=case.table.name,
                        to_columns=by_case,
                    ),
                )


def _domain(model: Model) -> tuple[str, ...]:
    """Return the column of the domain, where a dataset of several domains has it in its keys."""
    return tuple(key for key in model.keys if key == DOMAIN)
