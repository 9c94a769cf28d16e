"""The job: ``run`` is its story, the other modules are the steps and what a run is planned with.

Sources, Metronome and the state are known through ``etl.core.ports`` alone; only ``wiring`` names concrete ones, and
only ``wiring`` and ``api`` see the environment and the clock.
"""
