"""After a run: status, alarms, figures, notifications, repair of dead letters, exports and the report.

Everything here reads the state, and repairs through the pipeline; nothing here prints, and no run depends on it.
"""
