"""Spans of runs, with OpenTelemetry's own SDK; nothing where it is off."""

from __future__ import annotations

import subprocess
import sys

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import etl
from etl.operations.after_run import announced
from tests.support.workspace import Workspace, track


@pytest.fixture(scope="module")
def exporter() -> InMemorySpanExporter:
    """A process has one provider, and keeps it."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return exporter


def test_a_run_is_a_span_with_its_counts(exporter: InMemorySpanExporter, workspace: Workspace) -> None:
    exporter.clear()
    workspace.config()
    workspace.write([track("m1"), track("m2")])
    announced(workspace.load(), "etl.run", workspace.run)
    (span,) = exporter.get_finished_spans()
    assert span.name == "etl.run"
    assert span.attributes["etl.pipeline"] == "test"
    assert (span.attributes["etl.sent"], span.attributes["etl.complete"]) == (2, True)
    assert span.attributes["etl.window"].startswith("[")


def test_a_run_that_failed_is_a_span_with_its_error(
    exporter: InMemorySpanExporter, workspace: Workspace
) -> None:
    exporter.clear()
    workspace.config(source={"path": "nowhere/"})
    with pytest.raises(etl.SourceError):
        announced(workspace.load(), "etl.run", workspace.run)
    (span,) = exporter.get_finished_spans()
    assert not span.status.is_ok
    assert span.events[0].attributes["exception.type"] == "etl.core.errors.SourceError"


def test_where_tracing_is_off_nothing_of_it_is_imported() -> None:
    code = (
        "import sys; from etl.operations.after_run import describe, span as span_of\n"
        "with span_of('etl.run') as span: assert span is None\n"
        "describe(None, None)\n"
        "assert not any(name.startswith('opentelemetry') for name in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
