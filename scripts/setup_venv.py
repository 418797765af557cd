"""Makes `.venv` with what the locks say and the project itself, and does nothing when nothing has changed.

Started by `make setup` with whatever Python the machine has, so: standard library only, and syntax that an old
Python can at least read in order to say that it is too old.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

OLDEST = (3, 11)
NEWER = ("python3.14", "python3.13", "python3.12", "python3.11")
ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
LOCK = ROOT / "requirements" / "dev.txt"


def main():
    # type: () -> int
    if sys.version_info < OLDEST:
        return try_a_newer_python()
    started = time.monotonic()
    done = [step for step in (make_venv, install_lock, install_project) if step()]
    if done:
        say("ready in {:.0f} s: .venv/bin/andon".format(time.monotonic() - started))
    return 0


def try_a_newer_python():
    # type: () -> int
    """Debian and others keep several Pythons beside each other; `python3` is not always the newest."""
    for name in NEWER:
        found = shutil.which(name)
        if found:
            os.execv(found, [found, str(Path(__file__).resolve()), *sys.argv[1:]])
    sys.stderr.write(
        "Andon needs Python {}.{} or newer; {} is {}.\n"
        "Install a newer one and name it: make setup PYTHON=/path/to/python3.12\n".format(
            OLDEST[0], OLDEST[1], sys.executable, sys.version.split()[0]
        )
    )
    return 1


def make_venv():
    # type: () -> bool
    wanted = "{} {}".format(sys.version.split()[0], sys.executable)
    if PYTHON.exists() and read(VENV / ".stamp-python") and usable():
        return False
    say("making .venv with Python {}".format(sys.version.split()[0]))
    shutil.rmtree(str(VENV), ignore_errors=True)
    made = subprocess.run(
        [sys.executable, "-m", "venv", str(VENV)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        universal_newlines=True,
        check=False,
    )
    if made.returncode != 0:
        shutil.rmtree(str(VENV), ignore_errors=True)
        sys.exit(
            "{}\n\nThis Python cannot make virtual environments with pip in them.\n"
            "On Debian and Ubuntu: apt install python3-venv. Elsewhere, name another Python: "
            "make setup PYTHON=/path/to/python3.12".format(made.stdout.strip())
        )
    (VENV / ".stamp-python").write_text(wanted, encoding="utf-8")
    return True


def usable():
    # type: () -> bool
    """A virtual environment outlives the Python it was made from, and a copied one points elsewhere."""
    probe = [str(PYTHON), "-c", "import sys; print(sys.prefix)"]
    answer = subprocess.run(probe, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    where = answer.stdout.decode(errors="replace").strip()
    return answer.returncode == 0 and bool(where) and Path(where).resolve() == VENV.resolve()


def install_lock():
    # type: () -> bool
    wanted = digest([LOCK])
    stamp = VENV / ".stamp-lock"
    if read(stamp) == wanted:
        return False
    packages = re.findall(r"(?m)^[a-z0-9].*==", LOCK.read_text(encoding="utf-8"))
    say("installing {} packages by their hashes".format(len(packages)))
    if not install_with_uv():
        run([str(PYTHON), "-m", "pip", "install", "--quiet", "--require-hashes", "-r", str(LOCK)])
    stamp.write_text(wanted, encoding="utf-8")
    forget(VENV / ".stamp-project")  # uv removes what the lock does not name, and that is the project
    return True


def install_with_uv():
    # type: () -> bool
    """uv, itself from the lock, does in seconds what takes pip a minute. Where it fails (a mirror or a proxy that
    only pip is configured for), pip does it."""
    lines = LOCK.read_text(encoding="utf-8").splitlines()
    start = next((i for i, line in enumerate(lines) if line.startswith("uv==")), None)
    if start is None or os.environ.get("ANDON_SETUP_WITH") == "pip":
        return False
    end = next((i for i in range(start + 1, len(lines)) if not lines[i].startswith(" ")), len(lines))
    only_uv = VENV / "uv.txt"
    only_uv.write_text("\n".join(lines[start:end]) + "\n", encoding="utf-8")
    run([str(PYTHON), "-m", "pip", "install", "--quiet", "--require-hashes", "-r", str(only_uv)])
    # the machine's own certificates, as with pip: many a network has an authority of its own
    uv = [str(VENV / "bin" / "uv"), "pip", "sync", "--quiet", "--system-certs", "--require-hashes"]
    done = subprocess.run(
        [*uv, "--python", str(PYTHON), str(LOCK)],
        cwd=str(ROOT),
        stderr=subprocess.PIPE,
        universal_newlines=True,
        check=False,
    )
    if done.returncode == 0:
        return True
    say("uv could not do it, once more with pip, which takes a minute ({})".format(" ".join(done.stderr.split())))
    return False


def install_project():
    # type: () -> bool
    frontend = [
        path
        for path in (ROOT / "frontend").rglob("*")
        if path.is_file() and "node_modules" not in path.relative_to(ROOT).parts
    ]
    version = ROOT / "src" / "andon" / "__init__.py"
    client = ROOT / "client"
    own = [ROOT / "pyproject.toml", ROOT / "hatch_build.py", version, client / "pyproject.toml"]
    wanted = digest([*own, *sorted(frontend)])
    stamp = VENV / ".stamp-project"
    static = ROOT / "src" / "andon" / "web" / "static" / ".built"
    if read(stamp) == wanted and static.is_file():
        return False
    say("bundling the console and installing the project")
    # pip would do it too, but wrap what went wrong into forty lines of its own
    run([str(PYTHON), str(ROOT / "hatch_build.py")])
    pip = [str(PYTHON), "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    run([*pip, "--editable", str(ROOT), "--editable", str(client)])
    compile_what_starts()
    stamp.write_text(wanted, encoding="utf-8")
    return True


def compile_what_starts():
    # type: () -> None
    """Byte code for what `andon up` loads, so that the first start is as quick as the second, and every start where
    PYTHONDONTWRITEBYTECODE is set. uv leaves this out; all of site-packages would take ten times as long."""
    environment = dict(os.environ)
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    roles = "import andon.app.cli, andon.app.supervisor, andon.app.web, andon.app.worker, alembic.operations"
    # A tree that cannot be imported is the tests' matter, not the set-up's.
    subprocess.run([str(PYTHON), "-c", roles], env=environment, stderr=subprocess.DEVNULL, check=False)


def digest(files):
    # type: (list[Path]) -> str
    whole = hashlib.sha256()
    for path in files:
        whole.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes() + b"\0")
    return whole.hexdigest()


def read(path):
    # type: (Path) -> str
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""


def forget(path):
    # type: (Path) -> None
    if path.exists():
        path.unlink()


def run(command):
    # type: (list[str]) -> None
    environment = dict(os.environ, PIP_DISABLE_PIP_VERSION_CHECK="1", PIP_ROOT_USER_ACTION="ignore")
    done = subprocess.run(command, cwd=str(ROOT), env=environment, check=False)
    if done.returncode != 0:
        sys.exit("setup stopped: `{}` ended with {}".format(" ".join(command), done.returncode))


def say(text):
    # type: (str) -> None
    sys.stdout.write("setup: {}\n".format(text))
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
