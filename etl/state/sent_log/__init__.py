"""state.sent_log."""
