"""Settings are read strictly: whatever is wrong is told with its line, and nothing else is ever raised."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from andon.kernel.db import open_engine
from andon.kernel.errors import Invalid
from andon.kernel.settings import Settings, SettingsInvalid, load, settings_reference
from andon.kernel.settings.lines import lines_of
from andon.kernel.settings.model import all_settings

REFERENCE = Path(__file__).parents[3] / "docs" / "reference" / "settings.md"


def read(folder: Path, text: str, **variables: str) -> Settings:
    (folder / "settings.toml").write_text(text)
    return load(folder, variables)


def faults(folder: Path, text: str, **variables: str) -> list[str]:
    with pytest.raises(SettingsInvalid) as caught:
        read(folder, text, **variables)
    return [str(fault).removeprefix(f"{folder}/") for fault in caught.value.faults]


def test_without_a_file_everything_has_its_default(tmp_path: Path) -> None:
    assert load(tmp_path, {}) == Settings(data=tmp_path)


def test_the_data_directory_is_found_where_it_is_said_to_be(tmp_path: Path) -> None:
    home = {"HOME": str(tmp_path)}
    assert load(None, home).data == tmp_path / ".local/share/andon"
    assert load(None, home | {"XDG_DATA_HOME": str(tmp_path / "x")}).data == tmp_path / "x/andon"
    assert load(None, home | {"XDG_DATA_HOME": "/x", "ANDON_DATA": str(tmp_path / "y")}).data == tmp_path / "y"
    assert load(tmp_path, home | {"ANDON_DATA": "/y"}).data == tmp_path
    assert load(Path("relative"), {}).data == Path.cwd() / "relative"


def test_a_data_directory_may_have_any_printable_name(tmp_path: Path) -> None:
    folder = tmp_path / "a ?b#c%20d@e:f"
    engine = open_engine(load(folder, {}).database_url)
    with engine.connect():
        assert (folder / "andon.db").exists()
    engine.dispose()
    with pytest.raises(SettingsInvalid, match="control characters"):
        load(tmp_path / "a\nb", {})


def test_file_and_variables_are_read_and_variables_go_first(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        """
        web.port = 8080  # in words
        web.address = "https://andon.example/"
        jobs = { memory_max = "512MiB", log_bytes = 1048576, toolchains = ["/opt/a", "/opt/b"] }
        [environments]
        first_port = 9000
        last_port = 9001
        """,
        ANDON_WEB_PORT="8081",
        ANDON_WEB_SESSION_HOURS="1.5",
        ANDON_JOBS_REQUIRE_LIMITS="yes",
        ANDON_JOBS_TOOLCHAINS="/opt/c:/opt/d",
        ANDON_DATA="/elsewhere",
        ANDON_SOMETHING_ELSE="is another program's",
    )
    assert found.web.port == 8081
    assert found.address == "https://andon.example"
    assert found.web.session_hours == 1.5
    assert (found.jobs.memory_max, found.jobs.log_bytes) == (512 * 1024**2, 1024**2)
    assert found.jobs.toolchains == ("/opt/c", "/opt/d")
    assert found.jobs.require_limits is True
    assert (found.environments.first_port, found.environments.last_port) == (9000, 9001)


def test_all_faults_are_told_at_once_each_with_its_line(tmp_path: Path) -> None:
    assert faults(
        tmp_path,
        '[web]\nprot = 1\nport = "80"\n\n[jobs]\ntext = """\nport = 1\n[web]\n"""\nmemory_max = "512MB"\n'
        "\n[enviroments]\nhost = 1\n[retention]\nrun_days = 0\n",
        ANDON_WEB_HOTS="x",
        ANDON_JOBS_PARALLEL="-1",
    ) == [
        "settings.toml:2: there is no setting 'web.prot'; did you mean web.port?",
        (
            "settings.toml:6: there is no setting 'jobs.text'; there are "
            "parallel, memory_max, log_bytes, toolchains, require_limits"
        ),
        "settings.toml:12: there is no group 'enviroments'; did you mean environments?",
        "ANDON_WEB_HOTS: there is no such setting; did you mean ANDON_WEB_HOST?",
        "settings.toml:3: web.port takes a whole number, not '80'",
        "settings.toml:10: jobs.memory_max takes a size such as \"512MiB\" or a number of bytes, not '512MB'",
        "settings.toml:15: retention.run_days is at least 1, not 0",
        "ANDON_JOBS_PARALLEL: jobs.parallel is at least 0, not -1",
    ]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("web = 1", "settings.toml:1: web is a group of settings: write [web] and its settings below"),
        ("[[web]]\nport = 1", "settings.toml:1: web is a group of settings: write [web] and its settings below"),
        ("web.port = true", "settings.toml:1: web.port takes a whole number, not True"),
        ("web.port = 65536", "settings.toml:1: web.port is at most 65535, not 65536"),
        ("\nweb.session_hours = nan", "settings.toml:2: web.session_hours takes a number, not nan"),
        ("web.host = 'a b'", "settings.toml:1: web.host takes an IP address or a host name, not 'a b'"),
        ('web.host = "\\u0000"', "settings.toml:1: web.host may not contain control characters"),
        ("jobs.toolchains = ['opt']", "settings.toml:1: jobs.toolchains takes absolute paths, not 'opt'"),
        ("jobs.log_bytes = 1", "settings.toml:1: jobs.log_bytes is at least 64KiB, not 1"),
        ("[web]\nport =", "settings.toml:2: is not TOML: Invalid value"),
        ("[web]\nport = 1\nport = 2", "settings.toml:3: is not TOML: Cannot overwrite a value"),
        (
            "environments.first_port = 9000",
            "settings.toml:1: environments.last_port (7999) is below environments.first_port (9000)",
        ),
        ("web.port = 7800", "settings.toml:1: web.port (7800) is one of the router's ports (7800 to 7999)"),
        (
            "webhooks.private_networks = ['10.20.0.1/16']",
            "settings.toml:1: webhooks.private_networks takes ranges that begin at their first address",
        ),
        ("webhooks.private_networks = ['inside.example']", "webhooks.private_networks takes ranges"),
        ("web.address = 'andon.example'", "web.address takes http://HOST or https://HOST"),
        ("web.address = 'http://[::1'", "web.address takes http://HOST or https://HOST"),
        ("a = " + "[" * 5000 + "]" * 5000, "settings.toml: is nested too deeply"),
        ("web.port = " + "9" * 5000, "settings.toml"),
    ],
)
def test_each_kind_of_fault(tmp_path: Path, text: str, fault: str) -> None:
    (found,) = faults(tmp_path, text)
    assert fault in found


def test_a_database_address_may_hold_a_password_and_is_not_shown(tmp_path: Path) -> None:
    (found,) = faults(tmp_path, "[database]\nurl = 'mysql://andon:hunter2@db/andon'")
    assert found.startswith("settings.toml:2: database.url takes postgresql://")
    assert "hunter2" not in found


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").mkdir()
    with pytest.raises(SettingsInvalid, match="Is a directory"):
        load(tmp_path, {})


def test_a_file_that_is_not_text_is_told_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_bytes(b"# one\n# \xff\n")
    with pytest.raises(SettingsInvalid, match="toml:2: is not UTF-8"):
        load(tmp_path, {})


def test_the_error_tells_what_is_safe(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="Nothing was started") as caught:
        read(tmp_path, "x = 1")
    assert caught.value.exit_code == 2


KEYS = [*(one.key for one in all_settings()), *Settings.GROUPS, "[web]", "[[jobs]]"]
SIGNS = ["=", '"', "'''", "[", "]", "{", "}", "\n", "#", ".", ",", "\\", "-"]
VALUES = ["1", "true", "1979-05-27", "0x1F", "inf", "\u0000", "ü", "\ud800", '"512MiB"']
WORDS = st.sampled_from([*KEYS, *SIGNS, *VALUES])


@settings(max_examples=150, deadline=None)
@given(
    st.one_of(st.text(), st.lists(WORDS).map(" ".join), st.lists(WORDS).map("".join)),
    st.dictionaries(st.sampled_from([one.variable for one in all_settings()] + ["ANDON_WEB_X"]), st.text(), max_size=3),
)
def test_whatever_is_in_them_only_settings_invalid_is_raised(text: str, variables: dict[str, str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "settings.toml").write_bytes(text.encode("utf-8", "surrogatepass"))
        try:
            load(Path(folder), variables)
        except SettingsInvalid as error:
            message = str(error).encode()
            assert len(message.splitlines()) >= 1 + len(error.faults) > 1  # noqa: PT017 - most texts are valid


@settings(max_examples=100, deadline=None)
@given(st.text())
def test_looking_for_lines_always_ends(text: str) -> None:
    assert all(line >= 1 for line in lines_of(text).values())


def test_lines_are_found_through_everything_toml_allows() -> None:
    text = (
        'a = 1\n"b c".d = """\nx = 1\n"""\n[ t . u ]\nv = [ # w = 1\n  1,\n  "]",\n]\nx = { y = 1 }\n'
        "[[z]]\nq = '''\n'''\nr.s = 2021-01-01\n"
    )
    assert lines_of(text) == {
        ("a",): 1,
        ("b c",): 2,
        ("b c", "d"): 2,
        ("t",): 5,
        ("t", "u"): 5,
        ("t", "u", "v"): 6,
        ("t", "u", "x"): 10,
        ("z",): 11,
        ("z", "q"): 12,
        ("z", "r"): 14,
        ("z", "r", "s"): 14,
    }


def test_every_setting_is_described() -> None:
    for one in all_settings():
        assert one.says.endswith("."), one.key
        assert one.default is not None, one.key


def test_the_reference_is_what_the_code_says() -> None:
    assert REFERENCE.read_text() == settings_reference(), (
        "write it again: .venv/bin/python -m andon.kernel.settings.reference > docs/reference/settings.md"
    )
