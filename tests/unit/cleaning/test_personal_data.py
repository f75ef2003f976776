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
        ("ADA@LOVELACE.ORG, Ada@Lovelace.Org, me@team.tf", "[EMAIL], [EMAIL], [EMAIL]"),
        ("ada@lovelace.org:hunter2", "[EMAIL]:hunter2"),
        ("ada@lovelace.org: she knows", "[EMAIL]: she knows"),
        ("ssh is fine. Write to ada@lovelace.org", "ssh is fine. Write to [EMAIL]"),
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
        ("ada.l [at] lovelace [dot] org, ada(at)lovelace.org", "[EMAIL], [EMAIL]"),
        ("I am ada at mail dot lovelace dot co dot uk", "I am [EMAIL]"),
        ("Tel. 0151 23456789, Phone: 020 7946 0958", "Tel. [PHONE], Phone: [PHONE]"),
        ("Tél. : 06 12 34 56 78", "Tél. : [PHONE]"),
        ("NHS number 943 476 5919", "NHS number [NATIONAL_ID]"),
        ("DNI: 12345678Z, NIE X1234567L", "DNI: [NATIONAL_ID], NIE [NATIONAL_ID]"),
        ("Numer PESEL: 44051401359.", "Numer PESEL: [NATIONAL_ID]."),
        ("codice fiscale RSSMRA85T10A562S", "codice fiscale [NATIONAL_ID]"),
        ("131052-308T", "[NATIONAL_ID]"),
        ("CPF 390.533.447-05", "CPF [NATIONAL_ID]"),
        ("PAN: ACUPA7085R", "PAN: [NATIONAL_ID]"),
        ("National Insurance number: AB 12 34 56 C", "National Insurance number: [NATIONAL_ID]"),
        ("to 1NEDqZPvTWRaoho48qXuLLsrYomMXPABfD", "to [CRYPTO]"),
        ("0x" + "5aAeb6053F3E94C9b9A0" * 2, "[CRYPTO]"),
        ('91.34.12.7 - - [10/Oct/2026] "GET /"', '[IP_ADDRESS] - - [10/Oct/2026] "GET /"'),
        ("from 2a02:908:1b0:7::1a2b:3c4d port 22", "from [IP_ADDRESS] port 22"),
        ("TOKEN=" + "dapi" + "0a1b2c3d4e5f6a7b" * 2, "TOKEN=[API_KEY]"),
        ("12345" + "6789:AA" + "Hq3" * 11, "[API_KEY]"),
        ("AccountKey=" + "aB3/" * 21 + "aB==", "AccountKey=[SECRET]"),
        ("https://hooks.slack" + ".com/services/T0A1B2C3/B0A1B2C3/a1B2c3D4e5F6", "[API_KEY]"),
        ('connect(password="tr0ub4dor!")', 'connect(password="[SECRET]")'),
        ("--user ada --password tr0ub4dor!", "--user ada --password [SECRET]"),
        ("api.telegram.org/bot12345" + "6789:AA" + "Hq3" * 11 + "/getMe", "api.telegram.org/bot[API_KEY]/getMe"),
        ("X-Forwarded-For: 91.34.12.7, 10.0.0.3", "X-Forwarded-For: [IP_ADDRESS], 10.0.0.3"),
        ("DB_PASSWORD=tr0ub4dor-x", "DB_PASSWORD=[SECRET]"),
        ("redis://:tr0ub4dor@cache:6379/0", "redis://[CREDENTIALS]@cache:6379/0"),
        ("https://me:wZL0f3Zl0q%@registry.host.io/v2/", "https://[CREDENTIALS]@registry.host.io/v2/"),
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
        "attn = q@k.mT / math.sqrt(d), x@w.mH, y = x@self.fc, z = a@b.Ts",
        "\\makeatletter \\tikz@lib.is \\foo@bar.com",
        "@ada@fosstodon.org and https://mastodon.social/@ada@fosstodon.org",
        "npm i @angular/core.js chart.js@4.4.1 next@canary and actions/checkout@v4.1",
        "this@Main.is, super@Outer.to and return@forEach.it",
        "![logo](cid:part1.ab12@mail.net)",
        "scp notes.txt ada@box.org:/srv/notes && rsync -av . me@box.io:b/c",
        "git clone alice@host.net:team/repo.git; ssh -p 22 -i ~/.ssh/id ada@box.org",
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
        "'token_type': 'urn:ietf:oauth:saml2', secret_name='prod-db-2026-primary', password_file=/run/secrets/p1",
        "--password $PASSWORD --token <your-token-1> --api-key your_api_key_1",
        "Look at docs dot python and meet me at noon (at home).",
        "hotel 020 7946 0958 rooms, 06 12 34 56 78",
        "PESEL 44051401358 and NHS 943 476 5918 fail their sums",
        "44051401359 without a label",
        "version 91.34.12.7, from 8.8.8.8, from 192.0.2.7, host 10.1.2.3, from 2001:db8::1",
        "10:30:15:22 and a::b::c",
        "mongodb://user:password@localhost and http://user:pass@host and https://a:b1c2d3@example.com",
        "api_key=openai_api_key_v2, token: imdsv2_session_token_url",
        "31246269696*x + 27439610544*y",
        "0x" + "ab12" * 16,
        "1NEDqZPvTWRaoho48qXuLLsrYomMXPABfX",
        "[IP_ADDRESS] [NATIONAL_ID] [CRYPTO] password=[SECRET] AccountKey=[SECRET] https://[CREDENTIALS]@host",
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
    *(":", "::", "a:", ":a", "1.1.", " at ", " dot ", "[at]", "a at b dot ", "0x", "0xa", "bc1", "1a", "SK", "-us1"),
    *("PESEL 1", "tel 0", "+1(", "00 1 ", "M", "Ma.", "A" * 30, "ABCDEF12", "password=a1b2c3d4 "),
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
