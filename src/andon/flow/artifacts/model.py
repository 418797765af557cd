"""What can be wrong with a package, and how globs choose its files."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Sequence

from andon.kernel.errors import Conflict, Invalid, NotFound


class PackageInvalid(Invalid):
    """What a build left behind is no package: nothing matches, or a link leaves the tree."""

    code = "artifacts.package_invalid"


class ArtifactMissing(NotFound):
    code = "artifacts.missing"


class ArtifactCorrupt(Conflict):
    """The stored bytes no longer match their digest."""

    code = "artifacts.corrupt"


class Globs:
    """Chooses workspace-relative paths; ``**`` crosses folders, ``*`` and ``?`` do not."""

    def __init__(self, globs: Sequence[str]) -> None:
        self._patterns = [re.compile(_translate(glob)) for glob in globs]

    def match(self, path: str) -> bool:
        return any(pattern.fullmatch(path) for pattern in self._patterns)


def _translate(glob: str) -> str:
    if glob.endswith("/"):
        glob += "**"
    parts: list[str] = []
    for part in glob.split("/"):
        if part == "**":
            parts.append("**")
        else:
            parts.append(fnmatch.translate(part).removeprefix("(?s:").removesuffix(r")\Z").replace(".*", "[^/]*"))
    out = ""
    for place, part in enumerate(parts):
        last = place == len(parts) - 1
        if part == "**":
            out += ".*" if last else "(?:.*/)?"
        else:
            out += part + ("" if last else "/")
    return "(?s:" + out + ")"
