"""Numbers of people and of their money: telephones, cards, bank accounts, national ids, wallets.

Shapes are found here; whether a number can be one is decided by libraries that know each country's rules and check
digits: phonenumbers, and python-stdnum. Where many an ordinary number would pass, a label such as `Tel.` or `PESEL`
must stand before it.
"""

from __future__ import annotations

import re
from importlib import import_module
from typing import TYPE_CHECKING

from twin.cleaning.finders.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["accounts", "codici_fiscali", "labelled_ids", "numbers", "wallets"]

NUMBER_SPAN = re.compile(r"\d(?:[ ().-]{0,2}\d){8,64}")
"""Nine digits and more that may be one number; telephones and cards are looked for only there."""
MARGIN = 4
ID_SPAN = re.compile(r"\d(?:[ .-]?\d){5,24}")
"""Six digits and more: what a label may stand before."""
LABEL_CHARS = 64
BEFORE_CHARS = 28
"""How far before a number its label may begin."""
NOT_BEFORE = "/=_"
"""In addresses of pages and in code there are numbers of other kinds."""
NOT_AFTER = re.compile(r"[\w/=]|[.,-]\d")

CARD = re.compile(r"(?<![\w.,/=+-])[2-6]\d{3}(?:[ -]?\d){8,14}\d")
BRANDS = re.compile(
    r"4\d{12}(?:\d{3}){0,2}|5[0-9]\d{14}|2[2-7]\d{14}|3[47]\d{13}|3(?:0[0-5]|[689]\d)\d{11}|35\d{14}|6\d{15}"
)
"""First digits and lengths of Visa, Mastercard, American Express, Diners, JCB, and Discover, UnionPay and Maestro."""
SSN = re.compile(r"(?<![\w./=-])(?!000|666|9)\d{3}-(?!00)\d{2}-(?!0000)\d{4}")
NORTH_AMERICAN = re.compile(r"(?:\([2-9]\d{2}\) ?|[2-9]\d{2}[-.])[2-9]\d{2}[-.]\d{4}")
DIALLED_ABROAD = re.compile(r"00[1-9]\d[ .-]")
PHONE_LABEL = re.compile(
    r"(?<![^\W\d_])(?:phone|tele?fono?|tel|téléphone|tél|mobile?|móvil|m[oó]bil|cell|celular|handy|fax|whatsapp|call|sms"
    r"|text me)"
    r"(?: (?:me|us|at|on|number|no|is))*[ .:()\t*_–-]{0,6}$",
    re.IGNORECASE,
)
NATIONAL_REGIONS = ("GB", "DE", "FR", "ES", "IT", "NL", "PL", "RO", "PT", "BR", "IN", "AU", "US")
"""Whose national numbers are understood after a label; an international one says itself where it belongs."""
MIN_PACKED_DIGITS = 10
"""Fewer digits after a plus sign, with no blank or dash among them, are more likely a sum than a telephone."""

IBAN = re.compile(
    r"[A-Z](?<![A-Za-z0-9][A-Z])[A-Z]\d{2}(?:[ -]?[A-Z0-9]{4}){2,7}(?:[ -]?[A-Z0-9]{1,3})?(?![A-Za-z0-9])"
)
BITCOIN = re.compile(r"(?:1(?<![\w/=]1)|3(?<![\w/=]3)|bc1(?<![\w/=]bc1))[a-zA-HJ-NP-Z0-9]{25,62}(?![A-Za-z0-9])")
ETHEREUM = re.compile(r"0x(?<!\w0x)[0-9a-fA-F]{40}(?![A-Za-z0-9])")

CODICE_FISCALE = re.compile(r"\d\d(?<=(?<![A-Za-z0-9])[A-Z]{6}\d\d)[A-EHLMPRST]\d\d[A-Z]\d{3}[A-Z](?![A-Za-z0-9])")
CODICE_FISCALE_LETTERS = 6
SELF_EVIDENT = (
    ("\\d{6}[-+A]\\d{3}[0-9A-FHJ-NPR-Y]", "fi.hetu"),
    ("\\d{3}\\.\\d{3}\\.\\d{3}-\\d\\d", "br.cpf"),
    ("756\\.\\d{4}\\.\\d{4}\\.\\d\\d", "ch.ssn"),
    ("[12] \\d\\d \\d\\d \\d\\d \\d{3} \\d{3} \\d\\d", "fr.nir"),
)
"""Shapes that are hardly anything else, once the check digits agree."""
LABELLED = (
    (("NHS",), "\\d{3}[ -]?\\d{3}[ -]?\\d{4}", ("gb.nhs",)),
    (("DNI", "NIF", "NIE"), "[XYZ]?-?\\d{7,8}-?[A-Z]", ("es.dni", "es.nie", "es.nif")),
    (("PESEL",), "\\d{11}", ("pl.pesel",)),
    (("ersonnummer", "ersonal identity number"), "(?:\\d\\d)?\\d{6}[-+]?\\d{4}", ("se.personnummer",)),
    (("CPR", "CPR-nummer"), "\\d{6}-?\\d{4}", ("dk.cpr",)),
    (("ødselsnummer",), "\\d{6} ?\\d{5}", ("no.fodselsnummer",)),
    (("TFN", "ax File Number", "ax file number"), "\\d{3} ?\\d{3} ?\\d{2,3}", ("au.tfn",)),
    (("Steuer-I", "Steueridentifikationsnummer", "IdNr"), "\\d{2} ?\\d{3} ?\\d{3} ?\\d{3}", ("de.idnr",)),
    (("sécurité sociale", "NIR"), "[12] ?\\d\\d ?\\d\\d ?\\d[\\dAB] ?\\d{3} ?\\d{3} ?\\d\\d", ("fr.nir",)),
    (("Aadhaar", "aadhaar", "AADHAAR"), "\\d{4}[ -]?\\d{4}[ -]?\\d{4}", ("in_.aadhaar",)),
    (("SIN", "ocial insurance", "ocial Insurance"), "\\d{3}[ -]?\\d{3}[ -]?\\d{3}", ("ca.sin",)),
    (("SSN", "ITIN", "ocial security", "ocial Security"), "\\d{3}[ -]?\\d{2}[ -]?\\d{4}", ("us.ssn", "us.itin")),
    (("CPF",), "\\d{3}\\.?\\d{3}\\.?\\d{3}-?\\d\\d", ("br.cpf",)),
    (("BSN", "urgerservicenummer"), "\\d{4}\\.?\\d{2}\\.?\\d{3}", ("nl.bsn",)),
    (("CNP",), "\\d{13}", ("ro.cnp",)),
    (("RRN", "주민등록번호"), "\\d{6}-?\\d{7}", ("kr.rrn",)),
    (("AHV", "AVS"), "756\\.?\\d{4}\\.?\\d{4}\\.?\\d\\d", ("ch.ssn",)),
    (("NISS", "ijksregisternummer", "egistre national"), "\\d\\d\\.?\\d\\d\\.?\\d\\d-?\\d{3}\\.?\\d\\d", ("be.nn",)),
    (("CURP",), "[A-Z]{4}\\d{6}[A-Z]{6}[0-9A-Z]\\d", ("mx.curp",)),
    (("NINO", "ational Insurance", "ational insurance"), "[A-CEGHJ-PR-TW-Z]{2} ?\\d\\d ?\\d\\d ?\\d\\d ?[A-D]", ()),
)
"""Labels (without a first letter that may be a capital), the shape of what follows, and who knows the check digits."""
INDIAN_PAN = re.compile(r"PAN[^\n\d]{0,16}?(?<![A-Za-z0-9])([A-Z]{5}\d{4}[A-Z])(?![A-Za-z0-9])")
AFTER_LABEL = "[^\\n\\d]{0,24}?(?<![A-Za-z0-9])"
_LABELLED = tuple(
    (labels, re.compile(f"(?:{'|'.join(map(re.escape, labels))}){AFTER_LABEL}({shape})(?![A-Za-z0-9])"), modules)
    for labels, shape, modules in LABELLED
)
_SELF_EVIDENT = tuple(
    (re.compile(f"(?<![A-Za-z0-9./=_-])(?:{shape})(?![A-Za-z0-9])"), module) for shape, module in SELF_EVIDENT
)


def numbers(text: str) -> Iterator[Finding]:
    """Card, social security and telephone numbers, and national ids that are told by their shape."""
    for span in NUMBER_SPAN.finditer(text):
        first, last = max(0, span.start() - MARGIN), span.end() + MARGIN
        for found in CARD.finditer(text, first, last):
            if not NOT_AFTER.match(text, found.end()) and _is_card(found[0]):
                yield Finding("CREDIT_CARD", found.start(), found.end())
        for found in SSN.finditer(text, first, last):
            if not NOT_AFTER.match(text, found.end()):
                yield Finding("SSN", found.start(), found.end())
        for shape, module in _SELF_EVIDENT:
            for found in shape.finditer(text, first, last):
                if _is_valid(module, found[0]):
                    yield Finding("NATIONAL_ID", found.start(), found.end())
        yield from _phones(text, *span.span())


def codici_fiscali(text: str) -> Iterator[Finding]:
    """Italian tax codes, which are told by their shape."""
    for found in CODICE_FISCALE.finditer(text):
        start = found.start() - CODICE_FISCALE_LETTERS
        if _is_valid("it.codicefiscale", text[start : found.end()]):
            yield Finding("NATIONAL_ID", start, found.end())


def labelled_ids(text: str) -> Iterator[Finding]:
    """National ids that are told by the word before them."""
    for span in ID_SPAN.finditer(text):
        first, last = max(0, span.start() - LABEL_CHARS), span.end() + MARGIN
        part = text[first:last]
        for labels, pattern, modules in _LABELLED:
            if not any(label in part for label in labels):  # cheaper than the pattern, and nearly always the end of it
                continue
            for found in pattern.finditer(text, first, last):
                if not modules or any(_is_valid(module, found[1]) for module in modules):
                    yield Finding("SSN" if "us.ssn" in modules else "NATIONAL_ID", *found.span(1))
    for found in INDIAN_PAN.finditer(text) if "PAN" in text else ():
        if _is_valid("in_.pan", found[1]):
            yield Finding("NATIONAL_ID", *found.span(1))


def accounts(text: str) -> Iterator[Finding]:
    """Bank accounts by their IBAN."""
    for found in IBAN.finditer(text):
        # What follows an IBAN may look like a part of it: try without
        whole = found[0]
        while len(whole) >= 15:
            if _is_iban(whole):
                yield Finding("IBAN", found.start(), found.start() + len(whole))
                break
            whole = whole[: max(whole.rfind(" "), whole.rfind("-"), 0)]


def wallets(text: str) -> Iterator[Finding]:
    """Addresses of bitcoin and ethereum wallets."""
    for found in BITCOIN.finditer(text):
        if _is_valid("bitcoin", found[0]):
            yield Finding("CRYPTO", found.start(), found.end())
    for found in ETHEREUM.finditer(text):
        yield Finding("CRYPTO", found.start(), found.end())


def _phones(text: str, start: int, end: int) -> Iterator[Finding]:
    """Telephone numbers in a part of a text that has the digits for one."""
    regions = _regions(text, start, end)
    if not regions:
        return
    import phonenumbers

    first = max(0, start - MARGIN)
    for region in regions:
        leniency = phonenumbers.Leniency.VALID if region else phonenumbers.Leniency.POSSIBLE  # new ranges come in use
        matcher = phonenumbers.PhoneNumberMatcher(text[first : end + MARGIN], region, leniency=leniency)
        spans = [(first + found.start, first + found.end) for found in matcher]
        if spans:
            yield from (Finding("PHONE", *span) for span in spans if _may_be_phone(text, *span))
            return


def _regions(text: str, start: int, end: int) -> tuple[str | None, ...]:
    """The countries by whose rules a number may be read; none for one that nothing tells to be a telephone's."""
    if text[max(0, start - 2) : start].endswith(("+", "+(")):
        return (None,)
    if DIALLED_ABROAD.match(text, start):
        return ("DE",)  # one of the many where 00 leads abroad
    if NORTH_AMERICAN.search(text, max(0, start - 1), end):
        return ("US",)
    return NATIONAL_REGIONS if PHONE_LABEL.search(text, max(0, start - BEFORE_CHARS), start) else ()


def _may_be_phone(text: str, start: int, end: int) -> bool:
    number = text[start:end]
    if start and (text[start - 1].isalnum() or text[start - 1] in NOT_BEFORE + ".-"):
        return False
    if NOT_AFTER.match(text, end):
        return False
    return not number[1:].isdigit() or len(number) > MIN_PACKED_DIGITS


def _is_iban(account: str) -> bool:
    from stdnum import iban

    return iban.is_valid(account, check_country=False)  # its own sum is enough; not every country's is known


def _is_card(number: str) -> bool:
    digits = re.sub(r"\D", "", number)
    return BRANDS.fullmatch(digits) is not None and len(set(digits)) > 1 and _is_valid("luhn", digits)


def _is_valid(module: str, number: str) -> bool:
    """Whether the part of python-stdnum that knows the kind accepts the number, check digits included."""
    return import_module(f"stdnum.{module}").is_valid(number)
