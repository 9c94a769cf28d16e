"""Hypothesis strategies for events, triggers and mappings, over the grammar of ``generate``."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.properties import generate

_randoms = st.randoms(use_true_random=False)

events = _randoms.map(generate.event)
mappings = _randoms.map(generate.mapping)
grammatical_triggers = _randoms.map(generate.trigger)
triggers = st.one_of(grammatical_triggers, st.text(max_size=60))
json_values = _randoms.map(generate.value)
