"""``andon demo``: the story of a change, told with a real Andon, a real git and a real shop."""
