"""Run a command in a sandbox (bubblewrap) whose whole process tree can be limited, stopped and found again.

Import from the modules: ``model`` (what to run), ``launch`` (run it), ``limits`` (how much of the machine it
may take), ``spool`` (what an earlier life left behind), ``doctor`` (whether this machine can do it). Nothing is
re-exported here, because the keeper process imports single modules and should stay small.
"""
