"""The job: ``run`` is its story, the other modules are the steps and what a run is planned with.

Sources and Metronome are known through ``etl.core.ports`` alone; only ``wiring`` names concrete ones, and only
``wiring`` and ``api`` see the environment and the clock. No HTTP, SQL, file formats or terminal here; what happens after
a run (reports, alarms, retries) is in ``operations``.
"""
