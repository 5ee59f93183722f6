"""Results: what the gates answered, in the predicates that others already read.

The verdict on a delivery or a challenger as an in-toto test result, and what a promotion rests on as
an SLSA verification summary. Our own statements say more; these say it in the words of tools that do
not know us. https://github.com/in-toto/attestation/blob/main/spec/predicates/test-result.md,
https://slsa.dev/spec/v1.1/verification_summary.
"""

from collections.abc import Iterable, Sequence

from sluicegate.core import Artifact, Judged, Outcome

TEST_RESULT = "https://in-toto.io/attestation/test-result/v0.1"
SUMMARY = "https://slsa.dev/verification_summary/v1"
VERIFIER = "https://sluicegate.dev/verifier/promotion/v1"
LEVEL = "SLSA_BUILD_LEVEL_1"
RESULTS = {Outcome.PASS: "PASSED", Outcome.QUARANTINE: "WARNED"}
"""What pauses has failed until a human says otherwise: not measured is not passed."""


def result_of(outcome: Outcome) -> str:
    """Return the test result that `outcome` is.

    >>> [result_of(outcome) for outcome in Outcome]
    ['PASSED', 'WARNED', 'FAILED', 'FAILED']
    """
    return RESULTS.get(outcome, "FAILED")


def tested(
    outcome: Outcome, judged: Iterable[Judged], configuration: Sequence[Artifact]
) -> dict[str, object]:
    """Return the predicate for findings that were `judged` against their limits.

    `configuration` is what they were judged by. Findings without a limit are no tests. `outcome` is the
    gate's: it may be worse than every test where a limit was met by no measurement.
    """
    tests = [(result_of(each.outcome), each.metric) for each in judged if each.limit is not None]
    return {
        "result": result_of(outcome),
        "configuration": [each.to_dict() for each in configuration],
        "passedTests": sorted(metric for result, metric in tests if result == "PASSED"),
        "warnedTests": sorted(metric for result, metric in tests if result == "WARNED"),
        "failedTests": sorted(metric for result, metric in tests if result == "FAILED"),
    }


def summary(
    resource: str, policy: Artifact, inputs: Sequence[Artifact], time: str
) -> dict[str, object]:
    """Return the predicate of a promotion: by which policy, and after reading which attestations.

    Only what is promoted has one, so that it always says PASSED.
    """
    return {
        "verifier": {"id": VERIFIER},
        "timeVerified": time,
        "resourceUri": resource,
        "policy": {"uri": policy.name, "digest": {"sha256": policy.sha256}},
        "inputAttestations": [
            {"uri": each.name, "digest": {"sha256": each.sha256}} for each in inputs
        ],
        "verificationResult": "PASSED",
        "verifiedLevels": [LEVEL],
        "slsaVersion": "1.1",
    }
