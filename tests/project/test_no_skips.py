"""A run in which a test was skipped is not a green run."""

from __future__ import annotations

import pytest

pytest_plugins = ["pytester"]

PLUGIN = ("-p", "tests.plugins.no_skips")


def test_run_with_a_skipped_test_fails_and_names_it(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("import pytest\n\ndef test_green(): ...\n\ndef test_away(): pytest.skip()")
    result = pytester.runpytest_subprocess(*PLUGIN)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*skipped tests fail the run*", "*::test_away"])


def test_run_with_a_skipped_module_fails(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_green="def test_green(): ...",
        test_away="import pytest\n\npytest.importorskip('no_such_module')",
    )
    assert pytester.runpytest_subprocess(*PLUGIN).ret == pytest.ExitCode.TESTS_FAILED


def test_run_with_an_expected_failure_fails(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("import pytest\n\n@pytest.mark.xfail\ndef test_bad(): assert False")
    assert pytester.runpytest_subprocess(*PLUGIN).ret == pytest.ExitCode.TESTS_FAILED


def test_run_without_skips_stays_green(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_green(): ...")
    assert pytester.runpytest_subprocess(*PLUGIN).ret == pytest.ExitCode.OK


def test_the_plugin_is_loaded_in_this_very_run(pytestconfig: pytest.Config) -> None:
    assert pytestconfig.pluginmanager.has_plugin("tests.plugins.no_skips")
