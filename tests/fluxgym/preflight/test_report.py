"""What a look found, in its order."""

from fluxgym.preflight.report import ERROR, FINE, WARNING, Finding, Report, sort_findings


def test_the_worst_comes_first():
    found = [Finding(FINE, "a", ""), Finding(WARNING, "b", ""), Finding(ERROR, "c", ""), Finding(WARNING, "d", "")]
    assert [each.subject for each in sort_findings(found)] == ["c", "b", "d", "a"]
    report = Report(found)
    assert [each.subject for each in report.warnings] == ["b", "d"] and len(report.errors) == 1
