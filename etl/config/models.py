"""The sections of a config as frozen models. Wording and file positions are ``loading``'s."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    TypeAdapter,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from etl.config.values import (
    BaseUrl,
    Duration,
    Location,
    ProxyUrl,
    UtcTime,
    beside_config,
    check_mapping,
    wrong,
)
from etl.core.subscription import DEFAULT_MAPPING, DEFAULT_TRIGGER, Subscription

DAY = timedelta(days=1)


def _at_least(limit: timedelta, text: str) -> AfterValidator:
    def check(value: timedelta) -> timedelta:
        if value < limit:
            raise wrong(f"should be at least {text}")
        return value

    return AfterValidator(check)


def _at_most(limit: timedelta, text: str) -> AfterValidator:
    def check(value: timedelta) -> timedelta:
        if value > limit:
            raise wrong(f"should be at most {text}")
        return value

    return AfterValidator(check)


def _positive(value: timedelta) -> timedelta:
    if not value:
        raise wrong("should be longer than nothing")
    return value


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _tables(value: Any) -> Any:
    names = _listed(value)
    if value == "*" or value is None:
        return value
    if not isinstance(names, list | tuple) or not names or not all(isinstance(n, str) and n for n in names):
        raise wrong('should be "*" or a list of table names')
    return tuple(names)


def _database(value: Any, info: ValidationInfo) -> Any:
    """The state's URL; a relative SQLite path starts at the config file."""
    try:
        url = make_url(str(value))
    except ArgumentError:
        raise wrong("should be a URL: sqlite:///state/etl.db or postgresql+psycopg://…") from None
    if url.drivername == "postgresql+psycopg":
        return value
    if url.drivername not in {"sqlite", "sqlite+pysqlite"}:
        raise wrong("should start with sqlite:/// or postgresql+psycopg://")
    if not url.database or url.database == ":memory:":
        raise wrong("should name a file: a database in memory forgets what was sent")
    path = beside_config(url.database, info)
    return url.set(drivername="sqlite", database=path).render_as_string(hide_password=False)


def _source_url(value: Any, info: ValidationInfo) -> Any:
    """A warehouse's URL; a relative path of a file starts at the config file."""
    try:
        url = make_url(str(value))
    except (ArgumentError, ValueError):
        raise wrong("should be a SQLAlchemy URL such as snowflake://… or postgresql+psycopg://…") from None
    file = url.database if url.get_backend_name() in {"sqlite", "duckdb"} else None
    if not file or file.startswith((":", "md:", "motherduck:")):
        return value
    return url.set(database=beside_config(file, info)).render_as_string(hide_password=False)


def _query(value: Any, info: ValidationInfo) -> Any:
    """The path of a SQL file that binds ``:since`` and ``:until``."""
    path = Path(beside_config(str(value), info))
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        raise wrong("should be the path of a SQL file, which cannot be read") from None
    missing = [bind for bind in (":since", ":until") if bind not in text]
    if missing:
        raise wrong(f"should bind :since and :until, but {' and '.join(missing)} is not in the file")
    return str(path)


def _no_boolean(value: Any) -> Any:
    # Python counts true as 1.
    if isinstance(value, bool):
        raise wrong("should be a number")
    return value


Whole = Annotated[int, BeforeValidator(_no_boolean)]
Number = Annotated[float, BeforeValidator(_no_boolean)]
StateUrl = Annotated[SecretStr, BeforeValidator(_database)]
SourceUrl = Annotated[SecretStr, BeforeValidator(_source_url)]
Query = Annotated[str, BeforeValidator(_query)]
Name = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^\S(.*\S)?$")]
Names = Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(min_length=1)]


_ONE_OR_MORE = WithJsonSchema(
    {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}
)


def _late(value: Any) -> Any:
    """A duration, or None for ``off``, which YAML 1.1 reads as false."""
    if value in ("off", None) or value is False:
        return None
    return value if isinstance(value, timedelta) else TypeAdapter(Duration).validate_python(value)


_LATE = {"anyOf": [TypeAdapter(Duration).json_schema(), {"const": "off"}]}


class Section(BaseModel):
    """Frozen, and closed: a key it does not know is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
    #: Keys whose value no message shows.
    secrets: ClassVar[frozenset[str]] = frozenset()


#: Of sources that consist of files or tables which can be left out.
Exclude = Annotated[Names, BeforeValidator(_listed), _ONE_OR_MORE]
_EXCLUDE: Any = Field(
    default=None,
    description="Files or tables to leave out, by name or glob; of files from the folder of `path` on.",
)


class _Source(Section):
    cursor: str | None = Field(
        default=None, description="What windows are cut on: when Segment received the event."
    )
    start: UtcTime | None = Field(
        default=None,
        description="Where the first scheduled run begins; without it, that run needs `--since`.",
    )
    overlap: Annotated[Duration, _at_most(34 * DAY, "34d")] = Field(
        default=timedelta(hours=72),
        description="How far a scheduled window reaches back for late rows, at most `34d`.",
    )
    late: Annotated[timedelta | None, BeforeValidator(_late), WithJsonSchema(_LATE)] = Field(
        default=DAY,
        description="How often a warehouse is asked for rows later than `overlap`, or `off`; files are looked at by every run.",
    )
    batch_rows: Whole = Field(
        default=20_000, ge=1, le=1_000_000, description="Rows read together; bounds the memory."
    )


class ParquetSource(_Source):
    """Parquet files: one, a folder, a glob or an object store URL; Hive partitions are recognised."""

    secrets = frozenset({"path"})
    type: Literal["parquet"]
    exclude: Exclude | None = _EXCLUDE
    path: Location = Field(
        description="A file, a folder, a glob, or a URL: `s3://`, `gs://`, `az://`. Hive partitions are recognised."
    )
    layout: Literal["auto", "segment", "warehouse"] = Field(
        default="auto",
        description="`segment` (nested, camelCase), `warehouse` (flat, snake_case), or look at the columns.",
    )
    partitions: Literal["auto", "received"] = Field(
        default="auto",
        description="`received`: folders named for a time (`date=…`, `year=…/month=…`) are named for when the cursor "
        "lies, so that those outside a window are not opened. Else only those of Segment's data lakes are taken so.",
    )


class DeltaSource(_Source):
    """A Delta table: its newest version, by ``deltalake``."""

    secrets = frozenset({"path"})
    type: Literal["delta"]
    path: Location = Field(description="The folder or URL of a Delta table, whose newest version is read.")
    layout: Literal["auto", "segment", "warehouse"] = Field(default="auto", description="As for `parquet`.")


class IcebergSource(_Source):
    """An Iceberg table: its current snapshot, by ``pyiceberg``."""

    secrets = frozenset({"path"})
    type: Literal["iceberg"]
    path: Location | None = Field(
        default=None, description="The folder or URL of an Iceberg table, or one of its metadata files."
    )
    catalog: str | None = Field(
        default=None, description="Instead of `path`: a catalog that pyiceberg's own configuration names."
    )
    table: str | None = Field(default=None, description="The table in `catalog`, such as `segment.tracks`.")
    layout: Literal["auto", "segment", "warehouse"] = Field(default="auto", description="As for `parquet`.")

    @model_validator(mode="after")
    def _one_way_to_find(self) -> IcebergSource:
        if bool(self.path) == bool(self.catalog and self.table) or bool(self.catalog) != bool(self.table):
            raise wrong("should have either path, or catalog and table")
        return self


class LogsSource(_Source):
    """Segment's raw logs: (gzipped) JSON lines of whole calls, as its S3 destination writes them."""

    secrets = frozenset({"path"})
    type: Literal["logs"]
    exclude: Exclude | None = _EXCLUDE
    path: Location = Field(
        description="The same, of (gzipped) JSON lines of whole calls, as Segment's S3 destination writes them."
    )


class WarehouseSource(_Source):
    """A Segment warehouse, read through SQLAlchemy: per-event tables, or a query of the user's own."""

    secrets = frozenset({"url"})
    type: Literal["warehouse"]
    exclude: Exclude | None = _EXCLUDE
    url: SourceUrl | None = Field(
        default=None, description="A SQLAlchemy URL, its password from the environment."
    )
    schemas: Annotated[Names, BeforeValidator(_listed), _ONE_OR_MORE] | None = Field(
        default=None, alias="schema", description="The schema of a Segment source, or a list of them."
    )
    tables: Annotated[tuple[str, ...] | Literal["*"] | None, BeforeValidator(_tables), _ONE_OR_MORE] = Field(
        default=None, description='Per-event tables, or `"*"` for all that `tracks` names.'
    )
    query: Query | None = Field(
        default=None,
        description="The path of a SQL file, instead of `schema` and `tables`; it binds `:since` and `:until`.",
    )

    @model_validator(mode="after")
    def _one_way_to_read(self) -> WarehouseSource:
        if self.query and (self.tables or self.schemas):
            raise wrong("should have either query, or schema and tables, but has both")
        if not self.query and not (self.tables and self.schemas):
            raise wrong("should have schema and tables, or a query")
        return self


Source = Annotated[
    ParquetSource | DeltaSource | IcebergSource | LogsSource | WarehouseSource,
    Field(discriminator="type"),
]
SOURCES: dict[str, type[Section]] = {
    "parquet": ParquetSource,
    "delta": DeltaSource,
    "iceberg": IcebergSource,
    "warehouse": WarehouseSource,
    "logs": LogsSource,
}


class SubscriptionSection(Section):
    """A subscription as written; ``subscription`` is what the transform takes."""

    name: Name = Field(description="State is kept under it. Versions share it, see below.")
    was: Name | None = Field(
        default=None,
        description="The name it had before, of whose letters, status and alarms it takes over; also after an edit.",
    )
    beside: Annotated[Names, BeforeValidator(_listed), _ONE_OR_MORE] | None = Field(
        default=None,
        description="Names that are gone, or of other pipelines, whose events it bills once more, on purpose.",
    )
    trigger: str = Field(default=DEFAULT_TRIGGER, description="Segment's FQL.")
    since: UtcTime | None = Field(
        default=None, alias="from", description="Events whose cursor lies at or after it."
    )
    until: UtcTime | None = Field(default=None, description="Events whose cursor lies before it.")
    mapping: Annotated[dict[str, Any], BeforeValidator(check_mapping)] = Field(
        default=DEFAULT_MAPPING,
        description="Segment's mapping JSON as it stands; when given, with all five fields.",
    )
    numbers: Literal["preserve", "string"] = Field(
        default="preserve",
        description="`string` sends every number inside `properties` as its decimal text.",
    )

    @field_validator("until")
    @classmethod
    def _after_from(cls, until: datetime | None, info: ValidationInfo) -> datetime | None:
        since = info.data.get("since")
        if since and until and since >= until:
            raise wrong("should be after from")
        return until

    @property
    def subscription(self) -> Subscription:
        """The same as plain data."""
        return Subscription(self.name, self.trigger, self.mapping, self.since, self.until, self.numbers)


class Destination(Section):
    """Metronome."""

    secrets = frozenset({"api_token", "proxy"})
    account: Name = Field(
        description="Which Metronome account or environment this bills; ids are unique within it."
    )
    base_url: BaseUrl = Field(
        default="https://api.metronome.com",
        description="`https` only; `http` for loopback, such as the local stand-in.",
    )
    was: BaseUrl | None = Field(
        default=None,
        description="The `base_url` of before, where it is the same Metronome at another address.",
    )
    api_token: SecretStr | None = Field(default=None, description="The bearer token, by reference.")
    events_per_second: Number = Field(
        default=5000, gt=0, allow_inf_nan=False, description="Metronome's limit for a new account."
    )
    max_age: Annotated[Duration, _at_most(33 * DAY, "33d"), AfterValidator(_positive)] = Field(
        default=33 * DAY, description="Older events are not sent; at most `33d`."
    )
    gzip: bool = Field(default=False, description="Compress requests.")
    connections: Whole = Field(default=16, ge=1, le=256, description="Requests at a time.")
    retry_for: Duration = Field(
        default=timedelta(minutes=30), description="How long a chunk is tried again before the run stops."
    )
    timeout: Annotated[Duration, AfterValidator(_positive)] = Field(
        default=timedelta(seconds=60), description="For one request."
    )
    proxy: ProxyUrl | None = Field(
        default=None,
        description="The proxy to go through, whatever `HTTPS_PROXY` and `NO_PROXY` say; a password by reference.",
    )
    ca_file: Location | None = Field(
        default=None,
        description="PEM certificates to trust, instead of `SSL_CERT_FILE` and the public authorities.",
    )
    confirm: Literal["answer", "status"] = Field(
        default="answer",
        description="Whether a 200 whose body is [in doubt](delivery.md#what-confirms) stops the run, or, with "
        "`status`, confirms like any other.",
    )


class State(Section):
    """The state database: what was sent, what was refused, how far windows are complete."""

    secrets = frozenset({"url"})
    url: StateUrl | None = Field(
        default=None, description="Or `postgresql+psycopg://…`, where several machines run the job."
    )
    retention: Annotated[Duration, _at_least(70 * DAY, "70d")] = Field(
        default=100 * DAY, description="How long sent ids are remembered; at least `70d`."
    )
    keep_events: bool = Field(default=True, description="Keep the event of a dead letter, for repair.")


class Limits(Section):
    """What to do about values beyond Metronome's undocumented limit."""

    property_value: Literal["warn", "reject"] = Field(
        default="warn", description="Or `reject`: what happens to an event with a longer property value."
    )
    property_value_bytes: Whole = Field(default=256, ge=1, description="In UTF-8.")


class Breaker(Section):
    """When so much is refused that a mistake in the config is likelier than bad events."""

    enabled: bool = Field(default=True, description="Whether it may stop a run.")
    rejected_ratio: Number = Field(
        default=0.05, gt=0, le=1, description="This part of the matched pairs is newly rejected, and"
    )
    rejected_pairs: Whole = Field(default=1000, ge=0, description="so many pairs are: both must be exceeded.")
    refused_chunks: Whole = Field(
        default=10, ge=1, description="So many chunks, the first ones, with every event refused."
    )


class Root(Section):
    """What a config says outside its sections."""

    pipeline: Name = Field(description="A stable name: state is kept under it, whatever path or url becomes.")
    was: Name | None = Field(
        default=None, description="The name that the pipeline had before, whose state it takes over."
    )
    retired: dict[Name, UtcTime] = Field(
        default_factory=dict,
        description="Name of a subscription that is gone → when it ended: its last version bills what came before.",
    )
