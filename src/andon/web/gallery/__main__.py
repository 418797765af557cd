"""Write the gallery: `python -m andon.web.gallery OUT_DIR`."""

from __future__ import annotations

import sys
from pathlib import Path

from andon.web.gallery.write import write

if __name__ == "__main__":
    for page in write(Path(sys.argv[1] if len(sys.argv) > 1 else "gallery")):
        sys.stdout.write(f"{page}\n")
