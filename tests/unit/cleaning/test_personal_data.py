"""Secrets and personal data: found where they are, and not where they are not. None of these values is real."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.cleaning import find_personal_data, redact

PRIVATE_KEY = "-----BEGIN RSA PRIVATE KEY-----\n" + "MIIEpAIBAAKCAQEA7bq1\n" * 12 + "-----END RSA PRIVATE KEY-----"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("write to ada.l+x@mail.lovelace.co.uk.", "write to [EMAIL]."),
        ("<ada@lovelace.org>,bob@babbage.de", "<[EMAIL]>,[EMAIL]"),
        ("mailto:ada@lovelace.org", "mailto:[EMAIL]"),
        ("call +44 20 7946 0958 now", "call [PHONE] now"),
        ("call +1 (415) 555-2671.", "call [PHONE]."),
        ("call (415) 555-2671 or 415-555-2671", "call [PHONE] or [PHONE]"),
        ("+4915112345678", "[PHONE]"),
        ("0049 151 1234 5678", "[PHONE]"),
        ("SSN 078-05-1120", "SSN [SSN]"),
        ("card 4111 1111 1111 1111, 5500-0000-0000-0004", "card [CREDIT_CARD], [CREDIT_CARD]"),
        ("IBAN DE89 3704 0044 0532 0130 00 and GB29NWBK60161331926819.", "IBAN [IBAN] and [IBAN]."),
        ("key AKIAIOSFODNN7EXAMPLE", "key [AWS_KEY]"),
        ("OPENAI=sk-proj-a1b2c3d4e5f6g7h8i9j0k1l2", "OPENAI=[API_KEY]"),
        ("ghp_" + "a1B2" * 9, "[API_KEY]"),
        ("hf_" + "a1B2c3D4e5" * 3 + "xyzA", "[API_KEY]"),
        ("AIza" + "Sy1234567890abcdefghijklmnopqrstuvw"[:35], "[API_KEY]"),
        ("xoxb-" + "123456789012-abcdef", "[API_KEY]"),
        (f"Bearer {JWT}", "Bearer [API_KEY]"),
        ("mongodb+srv://ada:s3cr3t@db.host.org/x", "mongodb+srv://[CREDENTIALS]@db.host.org/x"),
        ('api_key = "9f8e7d6c5b4a39281706"', 'api_key = "[SECRET]"'),
        ("'client_secret': 'Zx81Qw92Er73Ty64Ui'", "'client_secret': '[SECRET]'"),
        ("AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG/bPxRfiCYzzzzKEY1", "AWS_SECRET_ACCESS_KEY=[SECRET]"),
        (f"a\n{PRIVATE_KEY}\nb", "a\n[PRIVATE_KEY]\nb"),
        ("-----BEGIN PRIVATE KEY-----\nMIIEpAIBAAKCAQEA7bq1\nand no end.", "[PRIVATE_KEY]\nand no end."),
    ],
)
def test_what_is_found_becomes_its_placeholder(text: str, expected: str) -> None:
    assert redact(text)[0] == expected


@pytest.mark.parametrize(
    "text",
    [
        "Ada Lovelace wrote it on 2024-03-02 at 10:00:00.",
        "git@github.com:owner/name.git",
        "user@example.com, noreply@lovelace.org, me@mail.example.org",
        "scores = q@k.transpose(-2, -1) + w@x.T",
        "@decorator and @handle and a@b",
        "pi is 3.14159265358979323846, e is 2.718281828459045",
        "version 1.2.3, 10.0.0.1, 192.168.100.200",
        "sum = +12345678 - 987654321",
        "https://example.org/posts/4111111111111111 and /p/415-555-2671",
        "the id 1234567890123456 fails the check sum",
        "0000 0000 0000 0000",
        "sk-learn-like-names-of-css-classes-are-long",
        "a risk-free task-oriented approach",
        "api_key = os.environ['OPENAI_API_KEY_FOR_TEST1']",
        "token: '${{ secrets.GITHUB_TOKEN_1 }}'",
        'password = "correcthorsebatterystaple"',
        'tokenizer = "sentence-transformers/all-MiniLM-L6-v2"',
        "max_tokens=12345678901234567890",
        "mongodb://{user}:{password}@{host}/db and http://host:8080/path",
        "sha256 53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        "uuid 5d6bfa4e-52c1-5b3d-9a57-6c3f2f1f9a10",
        "ISBN 978-3-16-148410-0, doi 10.1000/182",
        "XY12 3456 7890 1234 5678",
        "[EMAIL] [PHONE] [API_KEY] [SECRET]",
        "1 000 000 000 and 2,147,483,647 and 1e100",
        "2019-2020, 100-200-3000, 12-34-5678",
    ],
)
def test_what_only_looks_like_it_stays(text: str) -> None:
    assert find_personal_data(text) == []


def test_findings_are_in_order_without_overlaps_and_without_values() -> None:
    text = "https://a:b1@ada@lovelace.org +44 20 7946 0958 " * 3
    findings = find_personal_data(text)
    assert [finding.start for finding in findings] == sorted(finding.start for finding in findings)
    assert all(one.end <= other.start for one, other in pairwise(findings))
    assert "7946" not in repr(findings)


@given(st.text(max_size=40), st.text(max_size=40))
def test_a_key_is_found_wherever_it_stands_alone(before: str, after: str) -> None:
    text = f"{before} AKIAIOSFODNN7EXAMPLE {after}"
    assert "AKIAIOSFODNN7EXAMPLE" not in redact(text)[0]


@given(st.text("0123456789 -+().@a:/=\"'EBIN", max_size=200))
def test_redacting_twice_finds_nothing_more(text: str) -> None:
    redacted, _ = redact(text)
    again, counts = redact(redacted)
    for _ in range(5):
        if not counts:
            break
        again, counts = redact(again)
    assert not counts


ADVERSARIAL = [
    *("a", "@", "a@", "a.", "@a.", "1", "1 ", "1-", "+1", "+", "(", "0", "A", "AB", " ", "\n", "\t", "\\n", "="),
    *("-----BEGIN PRIVATE KEY-----", "-----BEGIN ", "://a:", "://", "sk-", "sk-a", "eyJ", "eyJaaaaaaaaaa.", "AKIA"),
    *("secret=", "secret='", '="', "='", "AB12 ", "DE89 3704 ", "4111 1111 ", "xox", "ghp_a"),
]


@pytest.mark.parametrize("piece", ADVERSARIAL)
def test_time_is_linear_in_hostile_text(piece: str) -> None:
    def seconds(size: int) -> float:
        text = (piece * (size // len(piece) + 1))[:size]
        start = time.process_time()
        find_personal_data(text)
        return time.process_time() - start

    seconds(1_000)
    small = max(min(seconds(50_000) for _ in range(2)), 0.002)
    large = seconds(400_000)
    # Eight times the text: linear is 8, quadratic is 64
    assert large < small * 30
