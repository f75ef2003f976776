"""A labelled set for finding secrets and personal data: texts as people write them, and where in them something is.

`{EMAIL:email}` in a template is a value of the maker `email` that has to be found, and replaced as `[EMAIL]`; `{:sha1}`
is one that has to stay. Templates without a label are hard negatives.
"""

from __future__ import annotations

import random
import re
from typing import NamedTuple

from support.made_up import make

__all__ = ["NEGATIVES", "POSITIVES", "Sample", "samples"]

SLOT = re.compile(r"\{([A-Z_]*):([a-z0-9_]+)\}")


class Sample(NamedTuple):
    """A text, and each place that has to be found: its kind, start and end."""

    text: str
    spans: list[tuple[str, int, int]]


POSITIVES = [
    # Prose
    "If you spot a mistake, write to {EMAIL:email} and I will fix it.",
    "Questions? Reach me at {EMAIL:email}, or my co-author at {EMAIL:email}.",
    "You can mail me (<{EMAIL:email}>) or find me at the meetup.",
    "Contact: [{EMAIL:email}](mailto:{EMAIL:email})",
    "I am at {EMAIL:hidden_email} if you want to talk.",
    "Drop me a line: {EMAIL:hidden_email}",
    "For consulting, my address is {EMAIL:hidden_email}.",
    "Text me on {PHONE:us_phone_intl} when the build is red.",
    "My number is {PHONE:us_phone}, call before noon.",
    "Call {PHONE:us_phone_dashes} or {PHONE:us_phone_dots}.",
    "Ring the office in London, {PHONE:uk_phone}, or my mobile {PHONE:uk_mobile}.",
    "Phone: {PHONE:uk_national}",
    "Our hotline in Berlin is {PHONE:de_phone}; at night {PHONE:de_mobile}.",
    "Tel. {PHONE:de_national}, mobil auch unter {PHONE:de_dialled}.",
    "Appelez-moi au {PHONE:fr_phone}.",
    "Tél. : {PHONE:fr_national}",
    "Mi móvil es {PHONE:es_phone} y el de la oficina {PHONE:it_phone}.",
    "WhatsApp: {PHONE:nl_phone}",
    "Sună-mă la {PHONE:ro_phone} sau {PHONE:pl_phone}.",
    "Reach our team in Pune at {PHONE:in_phone} and in São Paulo at {PHONE:br_phone}.",
    "Tokyo: {PHONE:jp_phone}, Shanghai: {PHONE:cn_phone}, Sydney: {PHONE:au_phone}, Zürich: {PHONE:ch_phone}.",
    "The SMS came from {PHONE:packed_phone} at midnight.",
    "Please transfer the fee to {IBAN:iban_de}, thank you.",
    "IBAN: {IBAN:iban_gb}",
    "Our accounts are {IBAN:iban_fr} and {IBAN:iban_nl}.",
    "Contul nostru este {IBAN:iban_ro}, iar al lor {IBAN:iban_es}.",
    "Bank details: {IBAN:iban_ch}; Norway: {IBAN:iban_no}",
    "They charged my card {CREDIT_CARD:visa} twice.",
    "Card number {CREDIT_CARD:visa_packed}, expires 04/29.",
    "Use {CREDIT_CARD:mastercard} for the hotel and {CREDIT_CARD:amex} for the flight.",
    "The refund went to {CREDIT_CARD:discover}, not to {CREDIT_CARD:maestro}.",
    "His SSN is {NATIONAL_ID:ssn}, and it leaked with the rest.",
    "National Insurance number: {NATIONAL_ID:nino}",
    "NHS number {NATIONAL_ID:nhs} was on the letter.",
    "DNI: {NATIONAL_ID:nif}, NIE: {NATIONAL_ID:nie}",
    "Numer PESEL: {NATIONAL_ID:pesel}.",
    "Il codice fiscale è {NATIONAL_ID:codice_fiscale}.",
    "Henkilötunnus: {NATIONAL_ID:hetu}",
    "Personnummer {NATIONAL_ID:personnummer} behövs för avtalet.",
    "My TFN is {NATIONAL_ID:tfn} and I should not have posted it.",
    "Steuer-ID: {NATIONAL_ID:steuer_id}",
    "Numéro de sécurité sociale : {NATIONAL_ID:nir}",
    "PAN: {NATIONAL_ID:pan}",
    "Tips in bitcoin are welcome: {CRYPTO:bitcoin}",
    "Donate to {CRYPTO:segwit} or in ether to {CRYPTO:ethereum}.",
    # Logs
    '{IP:ipv4} - - [10/Oct/2026:13:55:36 +0000] "GET /feed.xml HTTP/1.1" 200 2326',
    "Failed password for root from {IP:ipv4} port 42311 ssh2",
    "client={IP:ipv6} user=ada action=login",
    "2026-11-02 10:31:07 INFO mail sent to {EMAIL:email} in 132 ms",
    "WARN retrying https://deploy:{CREDENTIALS:password}@registry.kestrelworks.io/v2/",
    "sending reset link to <{EMAIL:email}> from host {IP:ipv4}",
    "DEBUG headers={'Authorization': 'Bearer {API_KEY:jwt}'}",
    # Code
    'openai.api_key = "{API_KEY:openai}"',
    'client = OpenAI(api_key="{API_KEY:openai_old}")',
    'client = Anthropic(api_key="{API_KEY:anthropic}")',
    'genai.configure(api_key="{API_KEY:google}")',
    'login(token="{API_KEY:huggingface}")',
    "os.environ['HF_TOKEN'] = '{API_KEY:huggingface}'",
    'stripe.api_key = "{API_KEY:stripe}"',
    'sg = SendGridAPIClient("{API_KEY:sendgrid}")',
    'client = Client("AC" + sid, "{API_KEY:twilio}")',
    'bot.run("{API_KEY:discord}")',
    'bot = telebot.TeleBot("{API_KEY:telegram}")',
    'slack = WebClient(token="{API_KEY:slack}")',
    'requests.post("{API_KEY:slack_hook}", json=payload)',
    'mailchimp.set_config({"api_key": "{API_KEY:mailchimp}"})',
    'replicate.Client(api_token="{API_KEY:replicate}")',
    'groq = Groq(api_key="{API_KEY:groq}")',
    'notion = Client(auth="{API_KEY:notion}")',
    'linear = LinearClient("{API_KEY:linear}")',
    "curl -H 'Authorization: Bearer {API_KEY:github}' https://api.github.com/user",
    "git clone https://oauth2:{CREDENTIALS:gitlab}@gitlab.com/ada/notes.git",
    "curl -H 'PRIVATE-TOKEN: {API_KEY:gitlab}' https://gitlab.com/api/v4/projects",
    "git remote set-url origin https://{API_KEY:github}@github.com/ada/notes.git",
    'engine = create_engine("postgresql://ada:{CREDENTIALS:password}@db.kestrelworks.io:5432/notes")',
    'MongoClient("mongodb+srv://writer:{CREDENTIALS:password}@cluster0.kestrel.mongodb.net/")',
    'redis.from_url("redis://:{CREDENTIALS:password}@cache.kestrelworks.io:6379/0")',
    'db.connect(user="ada", password="{SECRET:password}")',
    'const secret = "{SECRET:opaque}";',
    "SECRET_KEY = '{SECRET:opaque}'",
    'String apiKey = "{SECRET:hex_secret}";',
    'auth_token: "{SECRET:opaque}"',
    'if password == "{SECRET:password}": grant()',
    # Configuration
    "AWS_ACCESS_KEY_ID={AWS_KEY:aws_id}\nAWS_SECRET_ACCESS_KEY={SECRET:aws_secret}",
    "[default]\naws_access_key_id = {AWS_KEY:aws_id}\naws_secret_access_key = {SECRET:aws_secret}",
    "OPENAI_API_KEY={API_KEY:openai}",
    "GITHUB_TOKEN={API_KEY:github_fine}",
    "export NPM_TOKEN={API_KEY:npm}",
    "//registry.npmjs.org/:_authToken={API_KEY:npm}",
    "[pypi]\nusername = __token__\npassword = {API_KEY:pypi}",
    "AccountName=notes;AccountKey={SECRET:azure};EndpointSuffix=core.windows.net",
    "DIGITALOCEAN_TOKEN={API_KEY:digitalocean}",
    "DATABRICKS_TOKEN={API_KEY:databricks}",
    "SHOPIFY_TOKEN={API_KEY:shopify}",
    "VAULT_TOKEN={API_KEY:vault}",
    "GRAFANA_TOKEN={API_KEY:grafana}",
    "POSTMAN_KEY={API_KEY:postman}",
    "DB_PASSWORD={SECRET:password}",
    "database:\n  user: ada\n  password: {SECRET:password}",
    "spring.datasource.password={SECRET:password}",
    "client_secret: {SECRET:opaque}",
    '{"client_id": "notes", "client_secret": "{SECRET:opaque}"}',
    "COMET_API_KEY={SECRET:opaque}",
    "api_key = {SECRET:hex_secret}",
    "ENCRYPTION_KEY: '{SECRET:opaque}'",
    "smtp://mailer:{CREDENTIALS:password}@smtp.kestrelworks.io:587",
    "{PRIVATE_KEY:rsa_key}",
    "cat <<EOF > id_ed25519\n{PRIVATE_KEY:openssh_key}\nEOF",
    'key = """{PRIVATE_KEY:pkcs8_key}"""',
]

NEGATIVES = [
    "Version 1.2.3.4 fixes it; 10.0.19045.3803 does not.",
    "Upgrade to 2.13.0.1 or pin numpy==2.4.6.",
    "Listen on 0.0.0.0:8000, reach it at 127.0.0.1 or 192.168.1.20, or 10.4.0.7 in the cluster.",
    "We resolve through 8.8.8.8 and 1.1.1.1; examples use 192.0.2.44 and 2001:db8::1.",
    "ping ::1 and fe80::1%eth0",
    "std::vector<int>::iterator, a::b::c, and ::before",
    "The lecture is from 10:30:15 to 12:00:00, on 2026-11-24 and 24.11.2026.",
    "commit {:sha1}",
    "Fixed in {:short_sha} and {:short_sha}.",
    "sha256:{:sha256}",
    "rev = \"{:sha1}\"\nhash = \"sha256-{:base64}\"",
    "md5 {:md5}  notes.tar.gz",
    "ETag: \"{:md5}\"",
    "The run {:uuid} took 14 minutes, trace {:uuid}.",
    "id: {:uuid}",
    "scores = q@k.T / d**0.5; out = a@b.c + x@w.weight",
    "y = X@beta.values + e@f.mean",
    "@dataclass, @pytest.fixture and @app.get('/users') are decorators.",
    "git@github.com:ada/notes.git and ssh://git@gitlab.com/ada/notes",
    "Mail user@example.com, admin@example.org or noreply@github.com for nothing.",
    "npm install react@18.2.0 @types/node@20.1.1 lodash@4.17.21",
    "docker pull ghcr.io/ada/notes@sha256:{:sha256}",
    "ISBN 978-3-16-148410-0 and ISBN-10 0-306-40615-2, ISSN 2049-3630",
    "See arXiv:2402.06196v2, doi 10.1145/3292500.3330701, and RFC 9110.",
    "arXiv 2310.12345 and PMID 31452104",
    "We trained for 1 000 000 steps on 1,234,567,890 tokens with lr 3e-4.",
    "pi is 3.14159265358979323846 and the seed is 1234567890",
    "In 2019-2020 there were 100-200-3000 of them, 12-34-5678 in all.",
    "The parameters number 7000000000, the tokens 15000000000000.",
    "timestamp=1732442400 id=1859463220118847488",
    "order {:number} shipped, invoice {:number}",
    "https://example.org/posts/{:number}?ref={:md5}",
    "https://medium.com/@ada/why-we-left-{:short_sha}{:short_sha}",
    "https://open.spotify.com/track/{:opaque}",
    "https://drive.google.com/file/d/1{:opaque}/view",
    "![plot](https://miro.medium.com/v2/resize:fit:1400/1*{:opaque}.png)",
    "api_key = os.environ['OPENAI_API_KEY']",
    "api_key=settings.openai_api_key, token=request.headers['authorization']",
    'openai.api_key = "YOUR_API_KEY"',
    'client = OpenAI(api_key="sk-...")',
    "export HF_TOKEN=<your token here>",
    "password = getpass.getpass('Password: ')",
    'password: str = Field(min_length=8, description="the password of the account")',
    "password = None  # set by the caller",
    "DB_PASSWORD=${DB_PASSWORD}\nTOKEN=$(cat token)",
    "token: ${{ secrets.GITHUB_TOKEN }}",
    'secret: {{ .Values.secretName }}',
    'password: "changeme"',
    "password = 'xxxxxxxxxxxx'",
    "MINIO_ROOT_PASSWORD=minioadmin",
    "Passwords: use a manager. Secrets: keep them out of git.",
    "The secret: write every day. The key: read every night.",
    "my secret is simple and the password policy: long phrases",
    "tokenizer = AutoTokenizer.from_pretrained('sentence-transformers/all-MiniLM-L6-v2')",
    "max_tokens=4096, eos_token='<|im_end|>', pad_token_id=50256",
    "token = tokens[position]; next_token = sample(logits)",
    'primary_key="document_id", foreign_key=\'author_id\', sort_key = "published_at"',
    "keyboard_key: ArrowLeft, cache_key = f'{user}:{page}'",
    "postgresql://{user}:{password}@{host}:5432/{name}",
    "mongodb://user:password@localhost:27017 and http://localhost:8080/path",
    "redis://:password@redis:6379/0",
    "http://user:pass@example.com/ is how credentials would look.",
    "-----BEGIN CERTIFICATE-----\n{:base64}\n-----END CERTIFICATE-----",
    "-----BEGIN PUBLIC KEY-----\n{:base64}\n-----END PUBLIC KEY-----",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA{:opaque}",
    "data:image/png;base64,{:base64}",
    "\"integrity\": \"sha512-{:base64}\"",
    "The card number {:bad_card} fails the check.",
    "0000 0000 0000 0000 and 1234 5678 9012 3456 are placeholders.",
    "call me maybe; phone home; mobile first, dial 911",
    "Phone models: 3310, 6110; screens of 1080x1920 and 2560x1440.",
    "Table 3: 0.912 0.887 0.934 0.901; 12 34 56 78 90",
    "cuda:0, sm_86, A100-SXM4-80GB, RTX 4090, i9-13900K",
    "F(5, 120) = 13.84, p < .001, n = 4821",
    "The coordinates are 52.520008, 13.404954.",
    "Python 3.11.7, CUDA 12.4.131, driver 550.54.15",
    "Meet me at the cafe, look at docs dot python style names, and dot products at scale.",
    "We look at example.com and at numpy.org for that.",
    "sk-learn, sk-image, pk-tools and hf-hub are packages; ghp is not a token.",
    "class='btn-sk-primary-outline-large-disabled-hover'",
    "0x7ffe4c2a1b30 and 0xdeadbeef are addresses; #ff00aa is a colour.",
    "Checksum 0x1F2E3D4C5B6A79880123456789ABCDEF",
    "DE89 is a room; the IBAN format is DE + 20 digits.",
    "XY12 3456 7890 1234 5678 90 and GB00 WEST 1234 5698 7654 32 do not check.",
    "[EMAIL] [PHONE] [IBAN] [API_KEY] [SECRET] [CREDENTIALS] [IP] [PRIVATE_KEY]",
    "MODEL_ID=meta-llama/Llama-3.1-8B-Instruct-q4_k_m-gguf",
    "s3://bucket-with-a-long-name-1234567890/path/to/file-000123.parquet",
    "arn:aws:iam::123456789012:role/service-role/AmazonSageMaker-ExecutionRole-20260101T000000",
    "qdrant_collection=articles_2026_11_24_v3",
    "W0620 11:22:33.123456 139872345678901 trainer.py:1234] step 48213",
    "blockchain hashes such as 0x{:sha256} are 32 bytes",
    "AKIA is how access key ids begin; ASIA for temporary ones.",
    "eyJ is how base64 of '{\"' begins.",
    "PRs #1234567890 and issues 20231124-0001",
    "+12345678 - 987654321 = -975308643",
    "+1 (vote), +100 points, 00:00:30.000 --> 00:00:34.500",
]


def samples(seed: int = 0, rounds: int = 3) -> list[Sample]:
    """Every template with other values in each round. Equal seeds give equal samples."""
    rng = random.Random(seed)
    return [_filled(template, rng) for _ in range(rounds) for template in (*POSITIVES, *NEGATIVES)]


def _filled(template: str, rng: random.Random) -> Sample:
    pieces: list[str] = []
    spans = []
    length = position = 0
    for slot in SLOT.finditer(template):
        before, value = template[position : slot.start()], make(slot[2], rng)
        pieces += [before, value]
        length += len(before)
        if slot[1]:
            spans.append((slot[1], length, length + len(value)))
        length += len(value)
        position = slot.end()
    return Sample("".join([*pieces, template[position:]]), spans)
