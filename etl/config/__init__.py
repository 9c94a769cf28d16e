"""The config file: YAML in, frozen models out, or every problem at once."""

from etl.config.config import Config
from etl.config.loading import Draft, draft_config, load_config, parse_config
from etl.config.models import (
    Breaker,
    DeltaSource,
    Destination,
    IcebergSource,
    Limits,
    LogsSource,
    ParquetSource,
    State,
    SubscriptionSection,
    WarehouseSource,
)
from etl.config.values import parse_duration, parse_time
from etl.config.watching import Alarms, Metrics, Notify, ReportSection

__all__ = [
    "Alarms",
    "Breaker",
    "Config",
    "DeltaSource",
    "Destination",
    "Draft",
    "IcebergSource",
    "Limits",
    "LogsSource",
    "Metrics",
    "Notify",
    "ParquetSource",
    "ReportSection",
    "State",
    "SubscriptionSection",
    "WarehouseSource",
    "draft_config",
    "load_config",
    "parse_config",
    "parse_duration",
    "parse_time",
]
