"""What Jinja of a model may look at: values, relations and columns, not the program behind them.

dbt hands its own objects to the Jinja of models: connections, the manifest, nodes. From these lead
ways to files of this account (``connection.lobject``, ``node.write_node``, ``table.to_csv``). So an
attribute is only there where it stands below, whatever else dbt's own sandbox would allow.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

from dbt_common.clients.jinja import MacroFuzzEnvironment
from jinja2.sandbox import SandboxedEnvironment

# Modules whose classes are values, and lead nowhere.
VALUES = frozenset(
    (
        *("builtins", "collections", "datetime", "decimal", "enum", "itertools", "re", "uuid"),
        *("argparse", "markupsafe", "isodate", "zoneinfo", "pytz", "jinja2.utils"),
        *("dbt_common.utils.dict", "dbt_common.contracts.constraints"),
        "dbt_common.behavior_flags",
        *("dbt.adapters.base.column", "dbt.adapters.base.query_headers"),
        *("dbt.adapters.base.relation", "dbt.adapters.contracts.relation"),
        *("dbt.adapters.postgres.column", "dbt.adapters.postgres.relation"),
    )
)
VALUES_BEGIN = (
    *("pytz.", "agate.data_types.", "dbt.adapters.catalogs."),
    *("dbt.adapters.relation_configs.", "dbt.adapters.postgres.relation_configs."),
)
# Records of which the data may be read, and nothing called but what gives it.
RECORDS_BEGIN = ("dbt.contracts.", "dbt.artifacts.", "dbt.adapters.catalogs")
OF_RECORDS = frozenset({"get", "to_dict"})
# Classes with what may be asked of them; None is everything.
CONFIG = frozenset(
    (
        *("get", "require", "set", "meta_get", "meta_require"),
        *("persist_relation_docs", "persist_column_docs"),
    )
)
TABLE = frozenset(
    (
        *(
            "rows",
            "columns",
            "column_names",
            "column_types",
            "row_names",
            "select",
            "exclude",
            "where",
        ),
        *("find", "limit", "order_by", "distinct", "rename", "print_table"),
    )
)
ROW = frozenset(
    (
        *("get", "keys", "values", "items", "dict", "name", "index", "data_type"),
        *(
            "values_distinct",
            "values_without_nulls",
            "values_sorted",
            "values_without_nulls_sorted",
        ),
    )
)
NAMED: dict[str, frozenset[str] | None] = {
    "agate.columns.Column": ROW,
    "agate.mapped_sequence.MappedSequence": ROW,
    "agate.rows.Row": ROW,
    "agate.table.Table": TABLE,
    "dbt.adapters.contracts.connection.AdapterResponse": None,
    "dbt.context.base.Var": frozenset({"has_var"}),
    "dbt.context.providers.ParseConfigObject": CONFIG,
    "dbt.context.providers.RelationProxy": None,
    "dbt.context.providers.RuntimeConfigObject": CONFIG,
    "jinja2.runtime.LoopContext": None,
    "jinja2.runtime.Macro": None,
    "jinja2.runtime.Undefined": None,
}
WRAPPER = "dbt.context.providers.BaseDatabaseWrapper"
NOT_OF_WRAPPER = frozenset({"config", "connections"})


def is_allowed(thing: Any, name: str, value: Any) -> bool:
    """Return whether Jinja may see an attribute of a thing."""
    kind = thing if isinstance(thing, type) else type(thing)
    if issubclass(kind, ModuleType):
        return False
    if kind.__module__ in VALUES or kind.__module__.startswith(VALUES_BEGIN):
        return True
    for each in kind.__mro__:
        full = f"{each.__module__}.{each.__qualname__}"
        if full in NAMED:
            names = NAMED[full]
            return names is None or name in names
        if full == WRAPPER:
            return name not in NOT_OF_WRAPPER
    if kind.__module__.startswith(RECORDS_BEGIN):
        return name in OF_RECORDS or not callable(value)
    return issubclass(kind, str | int | float)  # as dbt marks texts and numbers


def restrict() -> None:
    """Restrict the Jinja of models to these classes, in this process."""
    MacroFuzzEnvironment.is_safe_attribute = _is_safe_attribute  # type: ignore[method-assign]


def _is_safe_attribute(self: SandboxedEnvironment, obj: Any, attr: str, value: Any) -> bool:
    is_safe = SandboxedEnvironment.is_safe_attribute(self, obj, attr, value)
    return is_safe and is_allowed(obj, attr, value)
