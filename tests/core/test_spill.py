"""The temporary file of a run: nothing until it is needed, and a clear word when there is no room."""

from __future__ import annotations

import os

import numpy as np
import pytest

from etl.core.bloom import SpillFile
from etl.core.errors import StateError


def test_arrays_come_back_as_they_were():
    """Read into another, or mapped."""
    spill, one, two = SpillFile(), np.arange(10, dtype="<u8"), np.arange(20, 40, dtype="<u8").reshape(2, 10)
    first, second = spill.append(one), spill.append(two)
    back = np.zeros(10, "<u8")
    spill.read_into(back, first)
    assert (back == one).all()
    assert (spill.mapped(second, (2, 10)) == two).all()
    spill.close()


def test_no_file_is_made_before_it_is_needed(monkeypatch):
    """A small run needs none."""
    monkeypatch.setattr("tempfile.TemporaryFile", None)
    SpillFile().close()


def test_a_full_temporary_folder_stops_the_run_and_says_what_to_do(monkeypatch):
    """Exit code 3: what was sent is recorded."""

    def full(*_):
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr("os.pwrite", full)
    spill = SpillFile()
    with pytest.raises(
        StateError, match=r"temporary folder .*: No space left on device. Make room there, or .*TMPDIR"
    ):
        spill.append(np.zeros(1))
    spill.close()
