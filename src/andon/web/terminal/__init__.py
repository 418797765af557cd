"""The terminal as a console: what every command uses to ask Andon and to show what it answers.

Loads fast: a command line that thinks for half a second is not used. Nothing here imports the server's side.
"""
