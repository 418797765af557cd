"""``python -m andon`` is ``andon``."""

from andon.app.cli import main

if __name__ == "__main__":
    main()
