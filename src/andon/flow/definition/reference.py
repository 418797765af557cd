"""The reference page of ``andon.yaml``, written from the description that the reader checks files with.

``python -m andon.flow.definition.reference > docs/reference/andon-yaml.md`` brings the page up to date; a
test fails while it is not.
"""

from __future__ import annotations

import sys

from andon.flow.definition.document import MAX_BYTES, MAX_DEPTH, MAX_VALUES
from andon.flow.definition.kinds import Field, ListOf, Record, TableOf, Text
from andon.flow.definition.rules import RULES
from andon.flow.definition.shape import ROOT

EXAMPLE = """\
stages:
  commit:
    jobs:
      lint:
        run: make lint
      test:
        run: |
          createdb store
          python3 -m unittest
        needs: [lint]
        env: {PGHOST: /tmp}
        services: [postgres]
        reports: [reports/*.xml]
  acceptance:
    environment: acceptance
    jobs:
      journeys:
        run: python3 tests/journeys.py "$ANDON_URL"
  production:
    environment: production
    when: manual

services:
  postgres:
    run: postgres -D "$(mktemp -d)"
    ready: pg_isready

package:
  run: make dist
  files: [store/**, migrations/**]

run:
  web:
    command: python3 -m store
    port: 8000
    health: {path: /health}
  mailer:
    command: python3 -m store.mailer
    routed: false

smoke:
  front page: {path: /, contains: Parts Unlimited}
  one order:
    command: python3 -m store.smoke
    cleanup: python3 -m store.smoke --cleanup

migrations:
  folder: store/migrations
  database: sqlite
  expand: python3 -m store.migrate expand
  backfill: python3 -m store.migrate backfill
  contract: python3 -m store.migrate contract

environments:
  acceptance:
  production:
    instances: {web: 2}
    port: 8080
    config: {GREETING: hello}
    secrets: [PAYMENT_KEY]
    release:
      strategy: canary
      stages:
        employees: {to: {header: x-employee}, for: 2m}
        few: {share: 1%, for: 10m, requests: 500}
        quarter: {share: 25%, for: 10m}
      watch: {payment.refused: rise}
    flags: {second_person: true}

owner: team-store
telemetry:
  business: [orders.*]
  count:
    payment.refused: '"payment refused"'
"""

PREFACE = """\
<!-- Written by `python -m andon.flow.definition.reference`; change src/andon/flow/definition/shape. -->

# `andon.yaml`

`andon.yaml`, at the top of a repository, says how a commit is tested, packaged and run. Andon reads it in each
commit that is pushed. Whatever is wrong is told before anything runs: every fault at once, each with its line,
its column, what was expected and the nearest known word.

```
andon.yaml:7:9: unknown key 'timout'; did you mean 'timeout'?
            timout: 10m
            ^
    expected: run, needs, env, services, caches, network, timeout, memory, cpus, processes or reports
```

`andon init` looks at a repository and proposes a file. Editors that know JSON Schema complete its keys.

## An example

"""

VALUES = """\
## How values are written

| value | written |
|---|---|
| duration | a number and one of `ms`, `s`, `m`, `h`, `d`: `500ms`, `30s`, `10m`, `1.5h`, `7d` |
| share | a number and `%`, to a thousandth: `5%`, `0.1%` |
| size | a number and one of `B`, `kB`, `MB`, `GB`, `TB` (thousands) or `KiB`, `MiB`, `GiB`, `TiB` (1024): `512MiB` |
| name | lowercase letters, digits and dashes, a letter first, at most 40 characters; not `{reserved}` |
| path, pattern | relative to the top of the repository; never absolute, never through `..` or `.git` |
| environment variable | capitals, digits and `_`, no digit first; `ANDON_…` is Andon's own |
| value of a variable | text, a number, `true` or `false`, passed on as written: `1.10` stays `1.10` |

The file is YAML 1.2 in UTF-8: `yes`, `no`, `on` and `off` are words, not `true` and `false`. Anchors and aliases
may be used. Tags, merge keys (`<<`), a second document and a key given twice are refused. A file has at most
{bytes} KiB, {values:,} keys and values (an alias counts with all it stands for) and {depth} levels.
"""


def reference_markdown() -> str:
    """The whole page."""
    parts = [PREFACE, f"```yaml\n{EXAMPLE}```\n"]
    for record in _each_once():
        parts.append(_section(record))
    parts.append("\n## Rules across the file\n\n" + "\n".join(f"- {one.about}" for one in RULES) + "\n\n")
    reserved = "`, `".join(_names()[0].refuses[:4])
    parts.append(VALUES.format(reserved=reserved, bytes=MAX_BYTES // 1024, values=MAX_VALUES, depth=MAX_DEPTH))
    return "".join(parts)


def _each_once() -> list[Record[object]]:
    records: list[Record[object]] = []
    for record in ROOT.records():
        if record not in records:
            records.append(record)
    return records


def _names() -> list[Text]:
    return [one.kind.name for one in ROOT.fields if isinstance(one.kind, TableOf)]


def _section(record: Record[object]) -> str:
    where = _where(record)
    head = "## The keys at the top" if record == ROOT else f"## {record.title[0].upper()}{record.title[1:]}"
    lines = ["", head, ""]
    if where:
        lines += [f"`{where}`", ""]
    lines += [record.about, "", "| key | takes | without it | meaning |", "|---|---|---|---|"]
    lines += [
        f"| `{one.key}` | {_cell(_takes(one))} | {_cell(_without(one))} | {_cell(one.about)} |" for one in record.fields
    ]
    notes = [
        f"Give {_ticked(group, 'or')}, not {'both' if len(group) == 2 else 'more than one'}."
        for group in record.together
    ]
    if record.one_of and record.one_of not in record.together:
        notes.append(f"At least one of {_ticked(record.one_of, 'and')} is needed.")
    elif record.one_of:
        notes.append("One of them is needed.")
    for key, useless in record.excludes:
        verb = "means" if len(useless) == 1 else "mean"
        notes.append(f"{_ticked(useless, 'and')} {verb} nothing beside `{key}`.")
    if record.may_be_empty:
        notes.append("Nothing at all, as in `acceptance:`, means every default.")
    if notes:
        lines += ["", " ".join(notes)]
    return "\n".join(lines) + "\n"


def _where(record: Record[object]) -> str:
    """Such as ``stages.<stage>.jobs.<job>``: where the record stands."""

    def below(parent: Record[object], path: str) -> str | None:
        for one in parent.fields:
            for child, here in _children(one, f"{path}.{one.key}" if path else one.key):
                if child == record:
                    return here
                deeper = below(child, here)
                if deeper is not None:
                    return deeper
        return None

    return below(ROOT, "") or ""


def _children(one: Field[object], path: str) -> list[tuple[Record[object], str]]:
    if isinstance(one.kind, Record):
        return [(one.kind, path)]
    if isinstance(one.kind, TableOf) and isinstance(one.kind.value, Record):
        return [(one.kind.value, f"{path}.<{one.kind.name.what.removeprefix('the name of ').split(' ', 1)[-1]}>")]
    return []


def _takes(one: Field[object]) -> str:
    kind = one.kind
    if isinstance(kind, Record):
        return f"[{kind.title}](#{kind.title.replace(' ', '-')})"
    if isinstance(kind, TableOf) and isinstance(kind.value, Record):
        title = kind.value.title
        return f"a mapping from {kind.name.what} to [{title}](#{title.replace(' ', '-')})"
    if isinstance(kind, ListOf):
        return f"a list{' of at least one' if kind.least else ''}, each {kind.item.what}: `[{kind.item.sample}]`"
    if isinstance(kind, TableOf):
        return f"a mapping from {kind.name.what} to {kind.value.words()}"
    if isinstance(kind, Text):
        return f"{kind.what}: `{kind.sample}`"
    return kind.words()


def _without(one: Field[object]) -> str:
    if one.required:
        return "**needed**"
    if one.shown_default is not None:
        return one.shown_default
    if one.default is None or not isinstance(one.default, (str, int, float, bool)):
        return "none"
    return f"`{one.kind.text(one.default)}`" if one.default != "" else "none"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _ticked(words: tuple[str, ...], joined: str) -> str:
    *most, last = [f"`{word}`" for word in words]
    return f"{', '.join(most)} {joined} {last}" if most else last


if __name__ == "__main__":
    sys.stdout.write(reference_markdown())
