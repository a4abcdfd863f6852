"""Restricts the Jinja of models to values, relations and columns.

dbt passes its own objects to Jinja: connections, the manifest, nodes. Their methods reach files of
this account (``connection.lobject``, ``node.write_node``, ``table.to_csv``). So only the attributes
listed here are accessible, whatever dbt's own sandbox would allow besides.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

from dbt_common.clients.jinja import MacroFuzzEnvironment
from jinja2.sandbox import SandboxedEnvironment

# Modules whose classes are plain values: no attribute of theirs leads to a file or a connection.
VALUE_MODULES = frozenset(
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
VALUE_PREFIXES = (
    *("pytz.", "agate.data_types.", "dbt.adapters.catalogs."),
    *("dbt.adapters.relation_configs.", "dbt.adapters.postgres.relation_configs."),
)
# Dataclasses whose fields may be read, and of whose methods only those below may be called.
RECORD_PREFIXES = ("dbt.contracts.", "dbt.artifacts.", "dbt.adapters.catalogs")
RECORD_METHODS = frozenset({"get", "to_dict"})
# Attributes that may be used, by class; None allows all of them.
CONFIG_ATTRIBUTES = frozenset(
    (
        *("get", "require", "set", "meta_get", "meta_require"),
        *("persist_relation_docs", "persist_column_docs"),
    )
)
TABLE_ATTRIBUTES = frozenset(
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
ROW_ATTRIBUTES = frozenset(
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
ALLOWED: dict[str, frozenset[str] | None] = {
    "agate.columns.Column": ROW_ATTRIBUTES,
    "agate.mapped_sequence.MappedSequence": ROW_ATTRIBUTES,
    "agate.rows.Row": ROW_ATTRIBUTES,
    "agate.table.Table": TABLE_ATTRIBUTES,
    "dbt.adapters.contracts.connection.AdapterResponse": None,
    "dbt.context.base.Var": frozenset({"has_var"}),
    "dbt.context.providers.ParseConfigObject": CONFIG_ATTRIBUTES,
    "dbt.context.providers.RelationProxy": None,
    "dbt.context.providers.RuntimeConfigObject": CONFIG_ATTRIBUTES,
    "jinja2.runtime.LoopContext": None,
    "jinja2.runtime.Macro": None,
    "jinja2.runtime.Undefined": None,
}
WRAPPER = "dbt.context.providers.BaseDatabaseWrapper"
HIDDEN_OF_WRAPPER = frozenset({"config", "connections"})


def is_allowed(instance: Any, name: str, value: Any) -> bool:
    """Return whether Jinja may use an attribute of an object."""
    kind = instance if isinstance(instance, type) else type(instance)
    if issubclass(kind, ModuleType):
        return False
    if kind.__module__ in VALUE_MODULES or kind.__module__.startswith(VALUE_PREFIXES):
        return True
    for each in kind.__mro__:
        full = f"{each.__module__}.{each.__qualname__}"
        if full in ALLOWED:
            names = ALLOWED[full]
            return names is None or name in names
        if full == WRAPPER:
            return name not in HIDDEN_OF_WRAPPER
    if kind.__module__.startswith(RECORD_PREFIXES):
        return name in RECORD_METHODS or not callable(value)
    return issubclass(kind, str | int | float)  # dbt has subclasses of these


def restrict() -> None:
    """Restrict the Jinja of models in this process."""
    MacroFuzzEnvironment.is_safe_attribute = _is_safe_attribute  # type: ignore[method-assign]


def _is_safe_attribute(self: SandboxedEnvironment, obj: Any, attr: str, value: Any) -> bool:
    is_safe = SandboxedEnvironment.is_safe_attribute(self, obj, attr, value)
    return is_safe and is_allowed(obj, attr, value)
