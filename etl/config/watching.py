"""The sections about watching the job: figures, alarms, and who is told."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, HttpUrl, SecretStr, TypeAdapter, ValidationError

from etl.config.models import DAY, Names, Number, Section, _at_most, _listed, _positive
from etl.config.values import Duration, Location, wrong

_HTTP = TypeAdapter(HttpUrl)


def _http_url(value: SecretStr) -> SecretStr:
    try:
        _HTTP.validate_python(value.get_secret_value())
    except ValidationError:
        raise wrong("should be an http:// or https:// URL") from None
    return value


Positive = Annotated[Duration, AfterValidator(_positive)]


def _path(value: str) -> str:
    if not re.fullmatch(r"\$(\.[^.\[\]]+)+", value):
        raise wrong("should be a path in the track event, such as $.properties.calls")
    return value


class ReportSection(Section):
    """What a run's report shows beside the counts."""

    quantity: Annotated[str, AfterValidator(_path)] | None = Field(
        default=None,
        description="A path in the track event, such as `$.properties.calls`: its numbers are summed beside the counts.",
    )


class Metrics(Section):
    """Where the figures of a run go, for Prometheus; needs the extra ``metrics``."""

    file: Location | None = Field(
        default=None,
        description="A `.prom` file in the folder that the node exporter's textfile collector reads.",
    )
    pushgateway: str | None = Field(default=None, description="`host:port` or the URL of a Pushgateway.")


class Alarms(Section):
    """What ``etl status --alarms`` is to complain about."""

    no_new_rows: Positive | None = Field(
        default=None, description="No row newer than this came from the source."
    )
    watermark_age: Positive | None = Field(
        default=None, description="The watermark lies further back than this."
    )
    unbillable_in: Annotated[Duration, _at_most(33 * DAY, "33d")] = Field(
        default=7 * DAY, description="So long before `max_age` passes, something is not sent yet."
    )
    volume_over: Positive = Field(
        default=timedelta(hours=24),
        description="The hours whose volume is compared with the same hours of the four weeks before.",
    )
    volume_below: Number | None = Field(
        default=None, ge=0, lt=1, description="Less was sent than this part of the usual: `0.5`."
    )
    volume_above: Number | None = Field(
        default=None,
        gt=1,
        allow_inf_nan=False,
        description="More was sent than this many times the usual: `2`.",
    )


class Notify(Section):
    """Who is told when a run fails, and when the next one is complete again."""

    secrets = frozenset({"webhook"})
    webhook: Annotated[SecretStr, AfterValidator(_http_url)] | None = Field(
        default=None, description="A URL that gets a POST of JSON; never shown in messages."
    )
    command: Annotated[Names, BeforeValidator(_listed)] | None = Field(
        default=None, description="A program and its arguments, as a list; it gets the JSON on stdin."
    )
    timeout: Positive = Field(default=timedelta(seconds=10), description="For either.")
