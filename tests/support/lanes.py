# SPDX-License-Identifier: MIT
"""Tests side by side: some in this process, others meanwhile in processes of their own."""
import contextlib
import io
import json
import os
import signal
import sys
import unittest


def each(tests):
    """The tests of a suite, one by one."""
    for test in tests:
        if isinstance(test, unittest.BaseTestSuite):
            yield from each(test)
        else:
            yield test


class SideBySide(unittest.TestSuite):
    """The tests of the first suite run here, those of each other one in a process of its own; what they did and printed is
    told when the first ones are through. For tests that share nothing and measure no time."""

    def __init__(self, here, *beside):
        super().__init__(here)
        self.beside = [list(each(suite)) for suite in beside]

    def countTestCases(self):
        return super().countTestCases() + sum(map(len, self.beside))

    def run(self, result, debug=False):
        lanes = [Lane(tests) for tests in self.beside]
        try:
            super().run(result, debug)
            for lane in lanes:
                lane.tell(result)
        finally:
            for lane in lanes:
                lane.end()
        return result


class Lane:
    """A process that runs tests and tells of each by a line."""

    def __init__(self, tests):
        self.tests = tests
        sys.stdout.flush()
        sys.stderr.flush()
        read_end, write_end = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                os.close(read_end)
                with os.fdopen(write_end, "w", encoding="utf-8") as stream:
                    for test in tests:
                        print(json.dumps(self.done(test)), file=stream, flush=True)
            finally:
                os._exit(0)
        os.close(write_end)
        self.stream = os.fdopen(read_end, encoding="utf-8")

    @staticmethod
    def done(test):
        result = unittest.TestResult()
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            test.run(result)
        bad = result.failures + result.errors + [(one, "an unexpected success") for one in result.unexpectedSuccesses]
        return {"said": said.getvalue(), "bad": [text for _, text in bad], "skipped": [why for _, why in result.skipped]}

    def tell(self, result):
        for test in self.tests:
            result.startTest(test)
            line = self.stream.readline()
            found = json.loads(line) if line.endswith("\n") else {"said": "", "skipped": [], "bad": ["its process has ended"]}
            print(found["said"], end="", flush=True)
            for text in found["bad"]:
                try:
                    raise AssertionError(text)
                except AssertionError:
                    result.addFailure(test, sys.exc_info())
            for why in found["skipped"]:
                result.addSkip(test, why)
            if not found["bad"] and not found["skipped"]:
                result.addSuccess(test)
            result.stopTest(test)

    def end(self):
        self.stream.close()
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
