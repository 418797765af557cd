"""The shop's tests. `python3 -m tests.run` runs the unit tests, `python3 -m tests.run tests.journeys` the journeys."""
