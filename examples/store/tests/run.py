"""Run tests and write what happened as JUnit XML, the format every build tool reads.

python3 -m tests.run                                           all unit tests (tests/test_*.py)
python3 -m tests.run --junit reports/unit.xml                  the same, with a report
python3 -m tests.run --junit reports/journeys.xml tests.journeys
"""

from __future__ import annotations

import argparse
import re
import sys
import time
import traceback
import unittest
from pathlib import Path
from types import TracebackType
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parent.parent
_Failure = tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None]


class Report(unittest.TextTestResult):
    """unittest's own result, which also writes down each test as an XML element."""

    def __init__(self, *arguments: object, **named: object) -> None:
        super().__init__(*arguments, **named)  # type: ignore[arg-type] # passed on as they come
        self.cases: list[ElementTree.Element] = []
        self._began = 0.0
        self._told: list[ElementTree.Element] = []

    def startTest(self, test: unittest.TestCase) -> None:
        """Start the clock."""
        super().startTest(test)
        self._began, self._told = time.perf_counter(), []

    def stopTest(self, test: unittest.TestCase) -> None:
        """Write the test down."""
        super().stopTest(test)
        self._write(test.id(), time.perf_counter() - self._began, self._told)

    def addFailure(self, test: unittest.TestCase, err: _Failure) -> None:
        """A test that found something wrong."""
        super().addFailure(test, err)
        self._tell(test, "failure", err)

    def addError(self, test: unittest.TestCase, err: _Failure) -> None:
        """A test, or the setting up of a whole class, that broke."""
        super().addError(test, err)
        self._tell(test, "error", err)

    def addSubTest(self, test: unittest.TestCase, subtest: unittest.TestCase, err: _Failure | None) -> None:
        """One of several cases in a test."""
        super().addSubTest(test, subtest, err)
        if err is not None and err[0] is not None:
            self._tell(subtest, "failure" if issubclass(err[0], test.failureException) else "error", err)

    def addSkip(self, test: unittest.TestCase, reason: str) -> None:
        """A test that was left out."""
        super().addSkip(test, reason)
        self._told.append(ElementTree.Element("skipped", message=_clean(reason)))

    def _tell(self, test: unittest.TestCase, kind: str, err: _Failure) -> None:
        element = ElementTree.Element(kind, message=_clean(str(err[1])), type=err[0].__name__ if err[0] else "")
        element.text = _clean("".join(traceback.format_exception(*err)))
        if isinstance(test, unittest.TestCase):
            self._told.append(element)
        else:  # setUpClass and the like: no test was running, so it gets a line of its own
            self._write(test.id(), 0.0, [element])

    def _write(self, name: str, seconds: float, told: list[ElementTree.Element]) -> None:
        group, _, last = name.rpartition(".")
        case = ElementTree.Element("testcase", classname=group, name=last, time=f"{seconds:.4f}")
        case.extend(told)
        self.cases.append(case)

    def save(self, path: Path, name: str) -> None:
        """Write the report; the folder is made when it is missing."""
        count = {
            kind: sum(case.find(kind) is not None for case in self.cases) for kind in ("failure", "error", "skipped")
        }
        suite = ElementTree.Element(
            "testsuite",
            name=name,
            tests=str(len(self.cases)),
            failures=str(count["failure"]),
            errors=str(count["error"]),
            skipped=str(count["skipped"]),
            time=f"{sum(float(case.attrib['time']) for case in self.cases):.4f}",
        )
        suite.extend(self.cases)
        root = ElementTree.Element("testsuites")
        root.append(suite)
        ElementTree.indent(root)
        path.parent.mkdir(parents=True, exist_ok=True)
        ElementTree.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)


def _clean(text: str) -> str:
    # XML has no way to write most control characters; one in an error message would make the whole report unreadable.
    return re.sub(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\N{REPLACEMENT CHARACTER}", text)


def main(arguments: list[str] | None = None) -> int:
    """The command line. 0: all passed, 1: some failed, 2: there was no test to run."""
    parser = argparse.ArgumentParser(prog="tests.run", description="Run the shop's tests.")
    parser.add_argument("--junit", type=Path, metavar="FILE", help="write a JUnit XML report")
    parser.add_argument("modules", nargs="*", help="modules to run instead of all unit tests")
    options = parser.parse_args(arguments)
    loader = unittest.TestLoader()
    if options.modules:
        suite = loader.loadTestsFromNames(options.modules)
    else:
        suite = loader.discover(str(ROOT / "tests"), top_level_dir=str(ROOT))
    result = unittest.TextTestRunner(resultclass=Report, verbosity=2).run(suite)
    assert isinstance(result, Report)
    if options.junit:
        result.save(options.junit, " ".join(options.modules) or "unit")
    if not result.testsRun and result.wasSuccessful():
        print("There was no test to run.", file=sys.stderr)
        return 2
    return 0 if result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
