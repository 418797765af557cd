"""What is taken out of Python code by itself, and what is left for somebody to do."""

from __future__ import annotations

import textwrap

import pytest

from andon.flow.flags.model.removing import removed

IMPORT = "from andon_flags import flags\n"


def without(code: str, value: object = True) -> str:
    found = removed(IMPORT + textwrap.dedent(code), "new", value).text
    assert found.startswith(IMPORT)
    return found.removeprefix(IMPORT)


def plain(code: str) -> str:
    return textwrap.dedent(code)


BRANCH = '''
    def pay(user):
        # before
        if flags.boolean(
            "new", {"targetingKey": user.id}, default=False
        ):  # which way
            # the new way
            text = """one
                two"""
            if text:
                return (text,
                    1)
        else:
            # the old way
            return None
        # behind
        return text
'''


def test_the_branch_that_stays_is_moved_and_its_texts_are_not_touched() -> None:
    assert without(BRANCH) == plain('''
    def pay(user):
        # before
        # the new way
        text = """one
                two"""
        if text:
            return (text,
                1)
        # behind
        return text
    ''')
    assert without(BRANCH, False) == plain("""
    def pay(user):
        # before
        # the old way
        return None
        # behind
        return text
    """)


def test_a_question_that_is_turned_round_keeps_the_other_branch() -> None:
    code = """
    if not flags.boolean("new"):
        old()
    else:
        new()
    """
    assert without(code) == "\nnew()\n"
    assert without(code, False) == "\nold()\n"


def test_a_branch_that_goes_without_another_leaves_nothing_or_a_pass() -> None:
    assert without('if flags.boolean("new"):\n    new()\nrest()\n', False) == "rest()\n"
    assert without('def f():\n    if flags.boolean("new"):\n        new()\n', False) == "def f():\n    pass\n"


def test_other_questions_become_the_value() -> None:
    assert without('x = a and flags.boolean("new", c)\n') == "x = a and True\n"
    assert without('x = ("é", flags.string("new", default="q"))\n', 'a"b') == 'x = ("é", \'a"b\')\n'
    assert without('x = flags.number("new") + 1\n', -2.5) == "x = -2.5 + 1\n"
    elif_ = "if a:\n    b()\nelif flags.boolean('new'):\n    c()\nelse:\n    d()\n"
    assert without(elif_) == elif_.replace("flags.boolean('new')", "True")


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ('if flags.boolean("other"): pass\n', True),
        ('x = flags.boolean("new", context())\n', True),  # what is called may do something
        ('x = flags.boolean("new", {"n": (y := 1)})\n', True),
        ('x = flags.boolean("new", **more)\n', True),
        ('x = flags.boolean(NEW)\nNEW = "new"\n', True),
        ('x = flags.string("new")\n', True),  # of another kind: it gets the default
        ('x = flags.number("new") ** 2\n', -1),
        ("x = f\"{flags.boolean('new')}\"\n", True),
        ('x = client.boolean("new")\n', True),
        ('def f(flags):\n    return flags.boolean("new")\n', True),
        ('flags = other\nx = flags.boolean("new")\n', True),
        ('from elsewhere import *\nx = flags.boolean("new")\n', True),
        ('x = flags.boolean("new"\n', True),  # no Python
        ('x = flags.boolean("new")\r\n', True),
        ('if a:\n\tx = flags.boolean("new")\n', True),
        ('x = flags.object("new")\n', {"a": 1}),
    ],
)
def test_what_cannot_be_proved_is_left_as_it_is(code: str, value: object) -> None:
    assert without(code, value) == code


def test_a_branch_on_the_line_of_its_question_is_not_moved_but_made_plain() -> None:
    assert without('if flags.boolean("new"): a()\nelse: b()\n') == "if True: a()\nelse: b()\n"


def test_lines_that_were_rewritten_are_told() -> None:
    code = IMPORT + 'a = flags.boolean("new")\nb = flags.boolean("new", c())\nif flags.boolean("new"):\n    pass\n'
    assert sorted(removed(code, "new", True).lines) == [2, 4]
