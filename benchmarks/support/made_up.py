"""Values that look like secrets and personal data, made up at run time from a seed: none is anybody's.

Nothing here is written out whole: keys are put together from a provider's prefix and random characters, numbers get the
check digits that their kind asks for.
"""

from __future__ import annotations

import base64
import hashlib
import json
import string
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

__all__ = ["MAKERS", "make"]

ALNUM = string.ascii_letters + string.digits
LOWER = string.ascii_lowercase + string.digits
UPPER = string.ascii_uppercase + string.digits
HEX = "0123456789abcdef"
BASE64 = ALNUM + "+/"
BASE64_URL = ALNUM + "-_"
BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
FIRST = ("ada", "grace", "alan", "edsger", "barbara", "ken", "donald", "radia", "linus", "guido", "margaret", "john")
LAST = ("byron", "murray", "turning", "vries", "lis", "tomson", "knutt", "perlmann", "torwald", "rossem", "hamill")
HOSTS = ("bluemail", "acme-letters", "northwind-labs", "kestrelworks", "oak-and-iron", "letterbox")
TOP = ("com", "org", "net", "de", "co.uk", "io", "fr", "dev", "eu", "com.br", "ai", "it")


def chars(rng: random.Random, alphabet: str, length: int) -> str:
    """Random characters, a digit and a letter among them where the alphabet has both."""
    text = [rng.choice(alphabet) for _ in range(length)]
    if length > 3 and set(string.digits) & set(alphabet) and set(string.ascii_letters) & set(alphabet):
        text[length // 2] = rng.choice([char for char in alphabet if char.isdigit()])
        text[length // 2 + 1] = rng.choice([char for char in alphabet if char.isalpha()])
    return "".join(text)


def digits(rng: random.Random, length: int) -> str:
    return "".join(rng.choice(string.digits) for _ in range(length))


def luhn_digit(number: str) -> str:
    total = 0
    for place, digit in enumerate(reversed(number)):
        value = int(digit) * (2 if place % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return str(-total % 10)


def card(prefix: str, length: int, groups: tuple[int, ...] = (4, 4, 4, 4), joint: str = " ") -> Callable:
    def made(rng: random.Random) -> str:
        number = prefix + digits(rng, length - len(prefix) - 1)
        number += luhn_digit(number)
        parts, start = [], 0
        for size in groups:
            parts.append(number[start : start + size])
            start += size
        return joint.join(parts)

    return made


def iban(country: str, shape: str, spaced: bool = True) -> Callable:
    """`shape`: `n` a digit, `a` a capital, in the order of the account number."""

    def made(rng: random.Random) -> str:
        account = "".join(rng.choice(string.digits if kind == "n" else string.ascii_uppercase) for kind in shape)
        as_number = "".join(str(int(char, 36)) for char in f"{account}{country}00")
        whole = f"{country}{98 - int(as_number) % 97:02}{account}"
        return " ".join(whole[start : start + 4] for start in range(0, len(whole), 4)) if spaced else whole

    return made


def shaped(pattern: str) -> Callable:
    """`#` becomes a digit, `@` a digit from 2 to 8."""

    def made(rng: random.Random) -> str:
        return "".join({"#": rng.choice(string.digits), "@": rng.choice("2345678")}.get(char, char) for char in pattern)

    return made


def keyed(prefix: str, alphabet: str, length: int, *more: tuple[str, str, int]) -> Callable:
    """A prefix and random characters, and what follows: a joint, an alphabet and a length each."""

    def made(rng: random.Random) -> str:
        text = prefix + chars(rng, alphabet, length)
        return text + "".join(joint + chars(rng, letters, size) for joint, letters, size in more)

    return made


def email(rng: random.Random) -> str:
    first, last, host, top = (rng.choice(names) for names in (FIRST, LAST, HOSTS, TOP))
    local = rng.choice([f"{first}.{last}", f"{first[0]}{last}", f"{first}_{last}", f"{first}+{last}", first])
    return f"{local}@{host}.{top}"


def obfuscated_email(rng: random.Random) -> str:
    first, last, host = rng.choice(FIRST), rng.choice(LAST), rng.choice(HOSTS)
    top = rng.choice(("com", "org", "net", "de", "io"))
    at, dot = rng.choice(
        [(" [at] ", " [dot] "), (" (at) ", " (dot) "), (" at ", " dot "), ("[at]", "[dot]"), ("(at)", ".")]
    )
    return f"{first}.{last}{at}{host}{dot}{top}"


def jwt(rng: random.Random) -> str:
    def part(content: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")

    claims = {"sub": digits(rng, 10), "name": rng.choice(FIRST), "iat": int(digits(rng, 9))}
    return f"{part({'alg': 'HS256', 'typ': 'JWT'})}.{part(claims)}.{chars(rng, BASE64_URL, 43)}"


def private_key(kind: str) -> Callable:
    def made(rng: random.Random) -> str:
        lines = [chars(rng, BASE64, 64) for _ in range(rng.randint(4, 8))]
        mark = f"{kind}PRIVATE" + " KEY-----"
        return "\n".join([f"-----BEGIN {mark}", *lines, chars(rng, BASE64, 40) + "==", f"-----END {mark}"])

    return made


def bitcoin(rng: random.Random) -> str:
    payload = b"\x00" + rng.randbytes(20)
    data = payload + hashlib.sha256(hashlib.sha256(payload).digest()).digest()[:4]
    number, text = int.from_bytes(data, "big"), ""
    while number:
        number, rest = divmod(number, 58)
        text = BASE58[rest] + text
    return "1" * (len(data) - len(data.lstrip(b"\0"))) + text


def bitcoin_segwit(rng: random.Random) -> str:
    data = [0, *(rng.randrange(32) for _ in range(32))]
    values = [3, 3, 0, 2, 3, *data]  # the prefix "bc", spread out

    def polymod(numbers: list[int]) -> int:
        check = 1
        for number in numbers:
            top = check >> 25
            check = (check & 0x1FFFFFF) << 5 ^ number
            for bit, generator in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
                check ^= generator if top >> bit & 1 else 0
        return check

    check = polymod([*values, 0, 0, 0, 0, 0, 0]) ^ 1
    sums = [check >> 5 * (5 - place) & 31 for place in range(6)]
    return "bc1" + "".join(BECH32[number] for number in [*data, *sums])


def password(rng: random.Random) -> str:
    return chars(rng, ALNUM, rng.randint(9, 14)) + rng.choice(("!", "#7", "%", "-9x", ""))


def public_address(rng: random.Random) -> str:
    network = rng.choice((23, 45, 77, 84, 91, 109, 151, 188))
    return f"{network}.{rng.randint(11, 250)}.{rng.randint(0, 250)}.{rng.randint(1, 254)}"


def public_v6(rng: random.Random) -> str:
    return "2a02:" + ":".join(chars(rng, HEX, 4) for _ in range(7))


def nhs(rng: random.Random) -> str:
    while True:
        number = rng.choice("46") + digits(rng, 8)
        check = 11 - sum(int(digit) * weight for digit, weight in zip(number, range(10, 1, -1), strict=True)) % 11
        if check != 10:
            whole = number + str(check % 11)
            return f"{whole[:3]} {whole[3:6]} {whole[6:]}"


def nif(rng: random.Random) -> str:
    number = digits(rng, 8)
    return number + "TRWAGMYFPDXBNJZSQVHLCKE"[int(number) % 23]


def nie(rng: random.Random) -> str:
    number = digits(rng, 7)
    return f"X{number}" + "TRWAGMYFPDXBNJZSQVHLCKE"[int(number) % 23]


def pesel(rng: random.Random) -> str:
    number = f"{rng.randint(50, 99)}{rng.randint(1, 12):02}{rng.randint(1, 28):02}{digits(rng, 4)}"
    total = sum(int(digit) * weight for digit, weight in zip(number, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3), strict=True))
    return number + str(-total % 10)


def codice_fiscale(rng: random.Random) -> str:
    letters = string.ascii_uppercase
    code = "".join(rng.choice("BCDFGLMNPRSTV") for _ in range(6)) + f"{rng.randint(50, 99)}"
    code += f"{rng.choice('ABCDEHLMPRST')}{rng.randint(1, 28):02}{rng.choice('ABCDEFGHIL')}{digits(rng, 3)}"
    odd = dict(
        zip(
            string.digits + letters,
            (
                1,
                0,
                5,
                7,
                9,
                13,
                15,
                17,
                19,
                21,
                1,
                0,
                5,
                7,
                9,
                13,
                15,
                17,
                19,
                21,
                2,
                4,
                18,
                20,
                11,
                3,
                6,
                8,
                12,
                14,
                16,
                10,
                22,
                25,
                24,
                23,
            ),
            strict=True,
        )
    )
    even = {char: int(char) if char.isdigit() else letters.index(char) for char in string.digits + letters}
    total = sum(odd[char] if place % 2 == 0 else even[char] for place, char in enumerate(code))
    return code + letters[total % 26]


def hetu(rng: random.Random) -> str:
    born, order = f"{rng.randint(1, 28):02}{rng.randint(1, 12):02}{rng.randint(50, 99)}", f"{rng.randint(2, 899):03}"
    return f"{born}-{order}" + "0123456789ABCDEFHJKLMNPRSTUVWXY"[int(born + order) % 31]


def indian_pan(rng: random.Random) -> str:
    first, last = ("".join(rng.choice(string.ascii_uppercase) for _ in range(size)) for size in (3, 2))
    return f"{first}P{last[0]}{digits(rng, 4)}{last[1]}"


def personnummer(rng: random.Random) -> str:
    number = f"{rng.randint(50, 99)}{rng.randint(1, 12):02}{rng.randint(1, 28):02}{digits(rng, 3)}"
    return f"19{number[:6]}-{number[6:]}{luhn_digit(number)}"


def tfn(rng: random.Random) -> str:
    while True:
        number = rng.choice("1234") + digits(rng, 8)
        if sum(int(d) * w for d, w in zip(number, (1, 4, 3, 7, 5, 8, 6, 9, 10), strict=True)) % 11 == 0:
            return f"{number[:3]} {number[3:6]} {number[6:]}"


def steuer_id(rng: random.Random) -> str:
    while True:
        places = rng.sample(string.digits, 9)
        number = list(rng.choice([char for char in places if char != "0"])) + places
        rng.shuffle(number)
        text = "".join(number)
        if text[0] == "0" or any(text.count(char) > 2 for char in text):
            continue
        product = 10
        for digit in text:
            total = (int(digit) + product) % 10 or 10
            product = total * 2 % 11
        return f"{text}{(11 - product) % 10}"


def nir(rng: random.Random) -> str:
    number = f"{rng.choice('12')}{rng.randint(50, 99)}{rng.randint(1, 12):02}{rng.randint(10, 89)}{digits(rng, 6)}"
    key = 97 - int(number) % 97
    return f"{number[0]} {number[1:3]} {number[3:5]} {number[5:7]} {number[7:10]} {number[10:]} {key:02}"


MAKERS: dict[str, Callable[[random.Random], str]] = {
    # People
    "email": email,
    "hidden_email": obfuscated_email,
    "us_phone": shaped("(415) @55-####"),
    "us_phone_dashes": shaped("212-@55-####"),
    "us_phone_dots": shaped("646.@55.####"),
    "us_phone_intl": shaped("+1 415-@55-####"),
    "uk_phone": shaped("+44 20 7@## ####"),
    "uk_mobile": shaped("+44 7911 ######"),
    "uk_national": shaped("020 7@## ####"),
    "de_phone": shaped("+49 30 @#######"),
    "de_mobile": shaped("+49 151 @#######"),
    "de_national": shaped("0151 @#######"),
    "de_dialled": shaped("0049 151 @#######"),
    "fr_phone": shaped("+33 1 4@ ## ## ##"),
    "fr_national": shaped("06 1@ ## ## ##"),
    "es_phone": shaped("+34 612 ### ###"),
    "it_phone": shaped("+39 06 6@## ####"),
    "nl_phone": shaped("+31 6 1@######"),
    "ro_phone": shaped("+40 721 ### ###"),
    "pl_phone": shaped("+48 512 ### ###"),
    "in_phone": shaped("+91 98@## #####"),
    "br_phone": shaped("+55 11 9@###-####"),
    "jp_phone": shaped("+81 90-@###-####"),
    "cn_phone": shaped("+86 138 @### ####"),
    "au_phone": shaped("+61 412 @## ###"),
    "ch_phone": shaped("+41 79 @## ## ##"),
    "packed_phone": shaped("+4915@########"),
    # Money
    "visa": card("4", 16),
    "visa_packed": card("4", 16, (16,)),
    "mastercard": card("52", 16, joint="-"),
    "amex": card("37", 15, (4, 6, 5)),
    "discover": card("6011", 16),
    "maestro": card("6759", 16, (16,)),
    "iban_de": iban("DE", "n" * 18),
    "iban_gb": iban("GB", "aaaa" + "n" * 14, spaced=False),
    "iban_fr": iban("FR", "n" * 23),
    "iban_nl": iban("NL", "aaaa" + "n" * 10),
    "iban_ro": iban("RO", "aaaa" + "n" * 16, spaced=False),
    "iban_es": iban("ES", "n" * 20),
    "iban_ch": iban("CH", "n" * 17),
    "iban_no": iban("NO", "n" * 11, spaced=False),
    "bitcoin": bitcoin,
    "segwit": bitcoin_segwit,
    "ethereum": keyed("0x", HEX, 40),
    # National ids
    "ssn": shaped("5@#-@#-@###"),
    "nino": lambda rng: f"AB {rng.randint(10, 99)} {rng.randint(10, 99)} {rng.randint(10, 99)} C",
    "nhs": nhs,
    "nif": nif,
    "nie": nie,
    "pesel": pesel,
    "codice_fiscale": codice_fiscale,
    "hetu": hetu,
    "personnummer": personnummer,
    "tfn": tfn,
    "steuer_id": steuer_id,
    "nir": nir,
    "pan": indian_pan,
    # Machines
    "ipv4": public_address,
    "ipv6": public_v6,
    # Secrets
    "aws_id": keyed("AK" + "IA", UPPER, 16),
    "aws_secret": keyed("", BASE64, 40),
    "github": keyed("gh" + "p_", ALNUM, 36),
    "github_fine": keyed("github" + "_pat_", ALNUM, 22, ("_", ALNUM, 59)),
    "gitlab": keyed("gl" + "pat-", BASE64_URL, 20),
    "slack": keyed("xo" + "xb-", string.digits, 12, ("-", string.digits, 12), ("-", ALNUM, 24)),
    "slack_hook": keyed("https://hooks.slack" + ".com/services/T", UPPER, 8, ("/B", UPPER, 8), ("/", ALNUM, 24)),
    "stripe": keyed("sk" + "_live_", ALNUM, 24),
    "openai": keyed("sk-" + "proj-", BASE64_URL, 48),
    "openai_old": keyed("sk" + "-", ALNUM, 48),
    "anthropic": keyed("sk-ant-" + "api03-", BASE64_URL, 93),
    "google": keyed("AI" + "za", BASE64_URL, 35),
    "huggingface": keyed("h" + "f_", ALNUM, 34),
    "npm": keyed("np" + "m_", ALNUM, 36),
    "pypi": keyed("pypi-" + "AgEIcHlwaS5vcmc", BASE64_URL, 70),
    "sendgrid": keyed("S" + "G.", BASE64_URL, 22, (".", BASE64_URL, 43)),
    "twilio": keyed("S" + "K", HEX, 32),
    "mailchimp": keyed("", HEX, 32, ("-us", "123456789", 1)),
    "discord": keyed("MT", ALNUM, 22, (".", ALNUM, 6), (".", BASE64_URL, 27)),
    "telegram": lambda rng: f"{digits(rng, 9).replace('0', '7')}:AA{chars(rng, BASE64_URL, 33)}",
    "azure": keyed("", BASE64, 86, ("==", "", 0)),
    "digitalocean": keyed("dop" + "_v1_", HEX, 64),
    "databricks": keyed("da" + "pi", HEX, 32),
    "shopify": keyed("shp" + "at_", HEX, 32),
    "groq": keyed("gs" + "k_", ALNUM, 52),
    "vault": keyed("hv" + "s.", BASE64_URL, 90),
    "linear": keyed("lin" + "_api_", ALNUM, 40),
    "notion": keyed("nt" + "n_", ALNUM, 46),
    "grafana": keyed("gl" + "sa_", ALNUM, 32, ("_", HEX, 8)),
    "postman": keyed("PM" + "AK-", HEX, 24, ("-", HEX, 34)),
    "replicate": keyed("r" + "8_", ALNUM, 37),
    "jwt": jwt,
    "rsa_key": private_key("RSA "),
    "openssh_key": private_key("OPENSSH "),
    "pkcs8_key": private_key(""),
    "hex_secret": keyed("", HEX, 40),
    "opaque": keyed("", ALNUM, 32),
    "password": password,
    # What is none of these, for the hard negatives
    "sha256": keyed("", HEX, 64),
    "sha1": keyed("", HEX, 40),
    "short_sha": keyed("", HEX, 7),
    "md5": keyed("", HEX, 32),
    "uuid": lambda rng: (
        f"{chars(rng, HEX, 8)}-{chars(rng, HEX, 4)}-4{chars(rng, HEX, 3)}-a{chars(rng, HEX, 3)}-{chars(rng, HEX, 12)}"
    ),
    "base64": keyed("", BASE64, 120),
    "bad_card": lambda rng: (lambda number: number + str((int(luhn_digit(number)) + 3) % 10))("4" + digits(rng, 14)),
    "number": lambda rng: digits(rng, rng.randint(9, 18)),
}


def make(name: str, rng: random.Random) -> str:
    """One made-up value."""
    return MAKERS[name](rng)
