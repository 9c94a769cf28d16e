"""Hypothesis strategies for events, triggers and mappings, over the grammar of ``generate``."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.properties.generate import Grammar

_grammars = st.randoms(use_true_random=False).map(Grammar)

events = _grammars.map(Grammar.event)
mappings = _grammars.map(Grammar.mapping)
grammatical_triggers = _grammars.map(Grammar.trigger)
triggers = st.one_of(grammatical_triggers, st.text(max_size=60))
json_values = _grammars.map(Grammar.value)
