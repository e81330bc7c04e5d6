"""What Athena reads: the table over the archive's objects, and the views ``events`` and ``waf``.

The table has the columns of both kinds of line, so that what a change of the transform leaves behind stays readable:
records as CloudWatch Logs sends them, with a list of events each, and the lines of a transform, one for each event. It
has one partition key for each part of the prefix, and partition projection instead of partitions that someone has to
add (Athena User Guide, "Use partition projection with Amazon Athena").

Views are stored as Athena stores them, as Presto views in the Data Catalog: the official provider updates this form in
place. Their SQL means the same in Athena and in Trino, its engine.

What callers have to do:

- ``date`` and ``hour`` are of the arrival, in UTC. For events of a time range, ask for the dates from its first day to
  one day after its last, and for ``time``.
- In the layout partitioned-by-group, Athena has no list of the log groups, so it rejects a query without a condition on
  ``"group"`` (``=``, ``IN``, ``OR``, of literals or parameters). The values are the prefixes in the bucket:
  ``group=…/`` below ``logs/account=…/region=…/``. In the other layouts ``"group"`` is an ordinary column with the same
  values, so that one query serves all layouts.
- AWS delivers an event more than once at times: count ``DISTINCT id``.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from topology.layouts import LAYOUTS, MAX_GROUP_CHARACTERS, OTHER

CATALOG = "awsdatacatalog"
"""Athena's name for the Data Catalog."""

OWNER = "central-log-archive"
"""Owner of tables and views. Trino requires one of a view."""

SERDE = "org.openx.data.jsonserde.JsonSerDe"
INPUT_FORMAT = "org.apache.hadoop.mapred.TextInputFormat"
OUTPUT_FORMAT = "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat"

_TRINO_TYPES = {"string": "varchar", "timestamp": "timestamp(3)", "bigint": "bigint", "array<string>": "array(varchar)"}


@dataclass(frozen=True)
class Column:
    """A column of a table or view.

    Attributes:
        name: its name, in lower case.
        type: its type in the Data Catalog, as Hive spells it.
    """

    name: str
    type: str = "string"


@dataclass(frozen=True)
class Table:
    """A table over the objects of a layout. Its name says the layout, so that another layout gets another table.

    Attributes:
        name: its name.
        partition_keys: the parts of the prefix.
        columns: the keys of both kinds of line; those that are partition keys are in the prefix instead.
        projection: values of each partition key, by the names of the table's parameters.
    """

    name: str
    partition_keys: tuple[Column, ...]
    columns: tuple[Column, ...]
    projection: Mapping[str, str]

    @staticmethod
    def location(bucket: str) -> str:
        """Return the prefix of all objects with events in a bucket, as an S3 URI."""
        return f"s3://{bucket}/logs/"

    def parameters(self, bucket: str) -> dict[str, str]:
        """Return the parameters of the table over a bucket."""
        template = "".join(f"{key.name}=${{{key.name}}}/" for key in self.partition_keys)
        return {
            "EXTERNAL": "TRUE",
            "classification": "json",
            "projection.enabled": "true",
            **self.projection,
            "storage.location.template": self.location(bucket) + template,
        }


@dataclass(frozen=True)
class View:
    """A view.

    Attributes:
        name: its name.
        columns: the columns that it returns.
        sql: its query, which names tables and views of its own database.
    """

    name: str
    columns: tuple[Column, ...]
    sql: str

    def original_text(self, database: str) -> str:
        """Return the view as the Data Catalog stores it (``ViewOriginalText``)."""
        columns = [{"name": each.name, "type": _TRINO_TYPES[each.type]} for each in self.columns]
        view = {"originalSql": self.sql, "catalog": CATALOG, "schema": database, "columns": columns}
        return f"/* Presto View: {base64.b64encode(json.dumps(view).encode()).decode()} */"


SERDE_PARAMETERS: Mapping[str, str] = {
    # JSON keys keep their case, or nested keys that differ in nothing else would be lost.
    "case.insensitive": "FALSE",
    "ignore.malformed.json": "TRUE",
    **{
        f"mapping.{name.lower()}": name
        for name in ("messageType", "logGroup", "logStream", "subscriptionFilters", "logEvents", "extractedFields")
    },
}
"""What makes the SerDe find camel-case keys and skip lines that are no JSON."""

VIEW_PARAMETERS: Mapping[str, str] = {"presto_view": "true", "comment": "Presto View"}
VIEW_EXPANDED_TEXT = "/* Presto View */"


_HOUR_IN_NAME = "-[0-9]{4}-[0-9]{2}-[0-9]{2}-([0-9]{2})-[0-9]{2}-[0-9]{2}-[^/]*$"
_COLUMNS = (
    Column("messagetype"),
    Column("owner"),
    Column("account"),
    Column("region"),
    Column("loggroup"),
    Column("logstream"),
    Column("subscriptionfilters", "array<string>"),
    Column("logevents", "array<struct<id:string,timestamp:bigint,message:string,extractedfields:string>>"),
    Column("id"),
    Column("timestamp", "bigint"),
    Column("message"),
)


def table_name(layout: str) -> str:
    """Return the name of a layout's table: one of its own, since the partition keys of a table never change."""
    return f"records_{layout.replace('-', '_')}"


def database_name(stack: str) -> str:
    """Return the name of a stack's database, which SQL can use without quotes."""
    return "central_log_archive_" + re.sub("[^a-z0-9]", "_", stack.lower())


def records_table(*, layout: str, accounts: Iterable[str], regions: Iterable[str], since: date) -> Table:
    """Return the table of a layout.

    Args:
        layout: name of the layout.
        accounts: IDs of the accounts that events come from. What is in no list is in no answer.
        regions: the regions that they come from.
        since: the first day.
    """
    values = {
        "account": {"type": "enum", "values": ",".join([*sorted(set(accounts)), OTHER])},
        "region": {"type": "enum", "values": ",".join([*sorted(set(regions)), OTHER])},
        "group": {"type": "injected"},
        "date": {
            "type": "date",
            "format": "yyyy-MM-dd",
            "range": f"{since.isoformat()},NOW",
            "interval": "1",
            "interval.unit": "DAYS",
        },
        "hour": {"type": "integer", "range": "0,23", "digits": "2"},
    }
    names = LAYOUTS[layout].parts
    return Table(
        name=table_name(layout),
        partition_keys=tuple(map(Column, names)),
        columns=tuple(column for column in _COLUMNS if column.name not in names),
        projection={f"projection.{name}.{key}": value for name in names for key, value in values[name].items()},
    )


def events_view(*, layout: str, account: str, regions: Iterable[str]) -> View:
    """Return the view of all events, with the same columns whatever the layout and the transform.

    Account, region, hour and group are those of the prefix, if the layout has them. Otherwise account and region come
    from the record, as ``functions/transform`` finds them, and the hour from the name of the object, which Firehose
    gives the moment of its prefix (Firehose Developer Guide, "Configure Amazon S3 object name format").

    Args:
        layout: name of the layout.
        account: ID of the central account: system fields of its records are believed.
        regions: regions that the archive serves: names of filters that end with one are believed.
    """
    served = ", ".join(f"'{region}'" for region in sorted(set(regions)))
    named = "element_at(split(element_at(subscriptionfilters, 1), '.'), -1)"
    stated = {
        name: f"""IF(owner = '{account}', json_extract_scalar(logevents[i].extractedfields, '$["@aws.{name}"]'))"""
        for name in ("account", "region")
    }
    elsewhere = {
        "account": f"coalesce(account, {_if_like(stated['account'], '^[0-9]{12}$')}, owner, '{OTHER}')",
        "region": f"coalesce(region, {_if_like(stated['region'], '^[a-z0-9-]{1,20}$')}, "
        f"IF({named} IN ({served}), {named}), '{OTHER}')",
        "hour": f"""regexp_extract("$path", '{_HOUR_IN_NAME}', 1)""",
        # The only character of a log group's name that a partition cannot have.
        "group": f"substr(replace(loggroup, '/', '_'), 1, {MAX_GROUP_CHARACTERS})",
    }
    prefix = {name: f'"{name}"' if name in LAYOUTS[layout].parts else sql for name, sql in elsewhere.items()}
    milliseconds = 'coalesce(logevents[i]."timestamp", "timestamp")'
    return _view(
        "events",
        {
            "account": prefix["account"],
            "region": prefix["region"],
            "date": '"date"',
            "hour": prefix["hour"],
            "group": prefix["group"],
            "time": f"TRY(CAST(from_unixtime({milliseconds} / 1e3) AS timestamp(3)))",
            "log_group": "loggroup",
            "log_stream": "logstream",
            "id": "coalesce(logevents[i].id, id)",
            "message": "text",
        },
        # Test messages of CloudWatch Logs, and lines that are no JSON, have none.
        f"FROM {table_name(layout)} CROSS JOIN UNNEST(CASE\n"
        "  WHEN messagetype = 'DATA_MESSAGE' THEN transform(logevents, e -> e.message)\n"
        "  WHEN message IS NOT NULL THEN ARRAY[message]\n"
        "END) WITH ORDINALITY AS texts (text, i)",
        time="timestamp",
    )


def waf_view() -> View:
    """Return the view of the events of AWS WAF, with the fields that questions are about.

    ``rule`` is the one that decided: within a rule group, the group's own, else ``terminating_rule``, which is
    ``Default_Action`` if none did. ``counted`` are the rules that matched and only counted, as RULE or GROUP / RULE,
    wherever AWS WAF writes them: rules with the action Count; rules of a group whose action is overridden with Count,
    or that are excluded from it; and the rule that would have decided in a group that as a whole only counts (AWS WAF
    Developer Guide, "Log fields for protection pack (web ACL) traffic", "Overriding rule group actions").
    """

    def header(name: str) -> str:
        matching = f"filter({_array('$.httpRequest.headers')}, h -> lower({_field('$.name', 'h')}) = '{name}')"
        return f"{_field('$.value', f'element_at({matching}, 1)')}"

    def counting(of: str) -> str:
        # Where AWS WAF states which action the web ACL overrides, one that would have let the request pass is none.
        return (
            f"filter({_array('$.nonTerminatingMatchingRules', of)}, r -> {_field('$.action', 'r')} = 'COUNT' "
            f"AND coalesce({_field('$.overriddenAction', 'r')}, '') <> 'ALLOW')"
        )

    def names(rules: str) -> str:
        return f"transform({rules}, r -> {_field('$.ruleGroupId', 'g')} || ' / ' || {_field('$.ruleId', 'r')})"

    terminating, rule_type = _field("$.terminatingRuleId"), _field("$.terminatingRuleType")
    by_group = f"coalesce({rule_type} LIKE '%GROUP', false)"
    rule_groups = _array("$.ruleGroupList")
    stopping = f"filter({rule_groups}, g -> {_field('$.terminatingRule.ruleId', 'g')} IS NOT NULL)"
    # Groups are evaluated in order, so the last one that stopped is the one that decided, if a group did.
    deciding = f"IF({by_group}, element_at({stopping}, -1))"
    overridden = f"slice({stopping}, 1, greatest(cardinality({stopping}) - IF({by_group}, 1, 0), 0))"
    counted = (
        f"transform({counting('message')}, r -> {_field('$.ruleId', 'r')})",
        f"flatten(transform({rule_groups}, g -> {names(counting('g'))}))",
        f"flatten(transform({rule_groups}, g -> {names(_array('$.excludedRules', 'g'))}))",
        f"transform(filter({overridden}, g -> {_field('$.terminatingRule.action', 'g')} <> 'ALLOW'), "
        f"g -> {_field('$.ruleGroupId', 'g')} || ' / ' || {_field('$.terminatingRule.ruleId', 'g')})",
    )
    return _view(
        "waf",
        {
            **{name: f'"{name}"' for name in ("account", "region", "date", "hour", "group", "time", "log_group", "id")},
            "action": _field("$.action"),
            "rule": f"coalesce({_field('$.terminatingRule.ruleId', deciding)}, {terminating})",
            "rule_group": _field("$.ruleGroupId", deciding),
            "terminating_rule": terminating,
            "rule_type": rule_type,
            "counted": f"array_sort(array_distinct(concat({', '.join(counted)})))",
            "web_acl": f"split_part({_field('$.webaclId')}, '/', 3)",
            "web_acl_id": _field("$.webaclId"),
            "source": _field("$.httpSourceName"),
            "source_id": _field("$.httpSourceId"),
            "client_ip": _field("$.httpRequest.clientIp"),
            "client_asn": _field("$.clientAsn"),
            "forwarded_for": header("x-forwarded-for"),
            "country": _field("$.httpRequest.country"),
            "method": _field("$.httpRequest.httpMethod"),
            "host": f"coalesce({_field('$.httpRequest.host')}, {header('host')})",
            "uri": _field("$.httpRequest.uri"),
            "args": _field("$.httpRequest.args"),
            "user_agent": header("user-agent"),
            "response_code": f"TRY_CAST({_field('$.responseCodeSent')} AS bigint)",
            "ja3": _field("$.ja3Fingerprint"),
            "ja4": _field("$.ja4Fingerprint"),
            "labels": f"transform({_array('$.labels')}, l -> {_field('$.name', 'l')})",
            "request_id": _field("$.httpRequest.requestId"),
            "message": "message",
        },
        # AWS WAF logs only to log groups whose name begins like this.
        f"FROM events\nWHERE log_group LIKE 'aws-waf-logs-%' AND {_field('$.webaclId')} IS NOT NULL",
        time="timestamp",
        response_code="bigint",
        counted="array<string>",
        labels="array<string>",
    )


def _view(name: str, columns: Mapping[str, str], rest: str, **types: str) -> View:
    """Return a view: the columns' names and SQL, what follows them, and the types of those that are no strings."""
    selected = ",\n  ".join(f'{sql} AS "{column}"' for column, sql in columns.items())
    return View(
        name, tuple(Column(each, types.get(each, "string")) for each in columns), f"SELECT\n  {selected}\n{rest}"
    )


def _field(path: str, of: str = "message") -> str:
    return f"json_extract_scalar({of}, '{path}')"


def _array(path: str, of: str = "message") -> str:
    # A message whose part is no array would else fail the query.
    return f"coalesce(TRY_CAST(json_extract({of}, '{path}') AS ARRAY(JSON)), ARRAY[])"


def _if_like(value: str, pattern: str) -> str:
    return f"IF(regexp_like({value}, '{pattern}'), {value})"
