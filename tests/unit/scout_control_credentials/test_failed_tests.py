"""The test of an account that failed is followed by advice for what its source did."""

from __future__ import annotations

import pytest
from scout_control.credentials import failed_tests
from scout_control.errors import (
    ConflictError,
    DataRefusedError,
    NetworkError,
    PermissionDeniedError,
    RunFailedError,
    RunPausedError,
    ServerError,
    SettingsError,
)
from scout_control.meltano.log import EXTRACTOR, RunLog
from scout_control.meltano.outcomes import failure, of_a_test

READ = "users: hq.example /a/river/api/user/v1/"
# The last error of our taps, their exit code, and the advice.
TAPS = [
    (f"{READ} could not be read: no connection, 9 tries.", 1, "Check the address and the network"),
    (f"{READ} could not be read: timed out, 2 tries.", 1, "Check the address, the network and the"),
    (f"{READ} could not be read: TLS failed (certificate), 9 tries.", 1, "right scheme"),
    (f"{READ} could not be read: HTTP 500, 8 tries.", 1, "itself has a problem: try again later."),
    (f"{READ} could not be read: HTTP 503, 8 tries.", 1, "itself has a problem: try again later."),
    (f"{READ} could not be read: HTTP 521, 8 tries.", 1, "itself has a problem: try again later."),
    (
        f"{READ} could not be read: the response is not JSON, 8 tries.",
        1,
        "not of a proxy or a",
    ),
    (
        f"{READ} could not be read: the response was cut off, 8 tries.",
        1,
        "Check the address and",
    ),
    (f"Unexpected response from {READ}: it lacks objects.", 65, "not of a proxy or a page to sign"),
    (f"{READ} redirects (HTTP 302).", 1, "not of a proxy or a page to sign in; then try again."),
    (f"{READ} does not exist (HTTP 404).", 1, "Correct the address or the setting, or have"),
    ("The account may not read hq.example /a (HTTP 403).", 1, "have the access granted at the"),
    ("The account may not read hq.example /a (HTTP 401).", 1, "have the access granted at the"),
    ("domain is missing.", 2, "Correct the setting, then try again."),
    ("The server asks to wait 64 s.", 75, "Try again in a few minutes."),
    ("Something else.", 1, "Correct what the message names, then try again."),
]
OTHERS = [
    ("requests.exceptions.ConnectionError: Max retries exceeded", "Check the address and the netw"),
    ("Failed to resolve 'api.example' ([Errno -2] Name or service not known)", "Check the address"),
    ("SSLError(SSLCertVerificationError: certificate verify failed)", "the right scheme"),
    ("ReadTimeout: read timed out", "If the source is only slow, try again later."),
    ("504 Server Error: Gateway Timeout for url", "If the source is only slow, try again later."),
    ("502 Server Error: Bad Gateway", "The source itself has a problem: try again later."),
    (
        "500 Server Error: Internal Server Error",
        "The source itself has a problem: try again later.",
    ),
    ("429 Client Error: Too Many Requests for url", "Try again in a few minutes."),
    ("403 Client Error: Forbidden for url", "have the access granted at the source"),
    ("Executable 'tap-x' could not be started: not found", "Install the plugin"),
]


def error_of(tap, text, code):
    log = RunLog(plugins={EXTRACTOR: tap}, plugin_errors={tap: text}, exit_codes={EXTRACTOR: code})
    return failure(log)


@pytest.mark.parametrize(("text", "code", "advice"), TAPS)
def test_what_our_taps_say_is_followed_by_what_helps(text, code, advice):
    assert advice in failed_tests.remedy(error_of("tap-commcare", text, code))


@pytest.mark.parametrize(("text", "advice"), OTHERS)
def test_what_other_taps_say_is_followed_by_what_helps(text, advice):
    assert advice in failed_tests.remedy(error_of("tap-other", text, 1))


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (ServerError("tap-x did not finish within 120 s.", "-"), "Check the address, the network"),
        (ServerError("Postgres failed.", "-"), "Check the address and the network, then apply"),
        (RunFailedError("The extractor was killed by signal 9.", "-"), "has more free memory"),
        (PermissionDeniedError("No.", "-"), "have the access granted at the source; then apply ag"),
        (NetworkError("No.", "-"), "Check the address and the network, then apply again."),
        (DataRefusedError("No.", "-"), "to sign in; then apply again."),
        (SettingsError("No.", "-"), "Correct the setting, then apply again."),
        (ConflictError("No.", "-"), "Apply again when the other process has ended."),
    ],
)
def test_each_kind_of_failure_has_its_advice(error, advice):
    assert advice in failed_tests.remedy(error, "apply again")


@pytest.mark.parametrize(
    ("until", "advice"),
    [
        ("2026-11-29T08:00:55.500016Z", "Try again after 2026-11-29 08:00:55Z."),
        ("2026-11-29T10:00:55+02:00", "Try again after 2026-11-29 08:00:55Z."),
        ("2026-11-29T08:00:55", "Try again after 2026-11-29 08:00:55Z."),
        ("2026-13-29T08:00:55Z", "Try again in a few minutes."),
        ("tomorrow", "Try again in a few minutes."),
    ],
)
def test_a_rate_limit_is_waited_for_as_long_as_the_source_asks(until, advice):
    error = RunPausedError(f"The source is rate-limiting until {until}.", "Kept.")

    assert failed_tests.remedy(error) == advice


def test_no_advice_for_a_test_speaks_of_a_run_or_repeats_what_the_tap_said_of_one():
    for row in failed_tests.ADVICE:
        assert not {"run", "resume", "resumes", "rows"} & {*row.remedy.lower().split()}
        assert "{again}" in row.remedy.lower()
    said = "No connection. Check base_url. Run again later; the run resumes where it stopped."
    assert of_a_test(said) == "No connection. Check base_url."
