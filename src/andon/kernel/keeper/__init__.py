"""Small detached processes, each of which keeps one long-lived program running and outlives Andon itself.

``control`` starts, asks, stops and lists keepers; ``process`` is what runs in them; ``forwarder`` runs inside a
sandbox and makes a program that listens on a port reachable through a Unix socket. See ``model`` for the words.

A keeper is to its program what a container shim is: it owns the pipe the program writes to (and writes the log),
notices its end, starts it again, and dies with nothing left behind. Andon may be restarted, upgraded or killed
meanwhile, and finds its keepers again by their folders.
"""
