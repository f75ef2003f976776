"""Cleaning a whole document: what stays, what goes, and that it settles."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from twin import cleaning
from twin.records import Document


def document(content: str, **changes: object) -> Document:
    fields = {"id": "1", "url": "https://a.example.org/p", "source_id": "s", "author": "Ada Lovelace"}
    return Document(**(fields | {"title": "On Engines"} | {"content": content} | changes))  # ty: ignore[invalid-argument-type]


def clean(content: str, **changes: object) -> str:
    return cleaning.clean(document(content, **changes)).content


ARTICLE = """# On Engines

An opening paragraph, with *emphasis*, `code`, a [link](https://example.org/x), and a dash \u2013 here.

## A list

- one
- two
  1. nested

> A quotation by someone.

| a | b |
|---|---|
| 1 | 2 |

```python
def f(x):


    return  x   \t
```

    indented = code


    stays = True

Line one\x20\x20
line two.
"""


def test_an_article_without_anything_to_remove_stays_as_it_is() -> None:
    assert clean(ARTICLE) == ARTICLE.rstrip("\n")


def test_everything_else_of_the_document_is_carried_over() -> None:
    raw = document(ARTICLE, kind="post", platform="example.org", revision=3, language="de")
    cleaned = cleaning.clean(raw)
    assert cleaned.raw_hash == raw.hash
    assert (cleaned.id, cleaned.url, cleaned.author, cleaned.kind) == (raw.id, raw.url, raw.author, raw.kind)
    assert (cleaned.revision, cleaned.language, cleaned.platform) == (3, "de", "example.org")
    assert cleaned.redactions == {}
    assert cleaned.duplicate_of is None


def test_characters_get_one_form_outside_code() -> None:
    styled = "\U0001d5ef\U0001d5fc\U0001d5f9\U0001d5f1"
    code = "```\nGro\u0308\u00dfe\u200b\n```"
    content = f"Gro\u0308\u00dfe\u200b\ufeff und\u00a0{styled}\r\nx\x00\n{code}"
    assert clean(content) == f"Gr\u00f6\u00dfe und bold\nx\n{code}"


def test_joiners_stay_where_they_make_letters_and_emoji() -> None:
    family, persian = "\U0001f469\u200d\U0001f4bb", "\u0645\u06cc\u200c\u0631\u0648\u0645"
    assert clean(f"{family} {persian} a\u200db\u200c") == f"{family} {persian} ab"


def test_redactions_are_counted_and_the_author_stays() -> None:
    cleaned = cleaning.clean(
        document(
            "Ada Lovelace, ada@lovelace.org or bob@lovelace.org, +44 20 7946 0958.\n\n"
            "```sh\nexport KEY=AKIAIOSFODNN7EXAMPLE\n```",
            title="Mail me: ada@lovelace.org",
        )
    )
    assert cleaned.redactions == {"EMAIL": 3, "PHONE": 1, "AWS_KEY": 1}
    assert cleaned.content == "Ada Lovelace, [EMAIL] or [EMAIL], [PHONE].\n\n```sh\nexport KEY=[AWS_KEY]\n```"
    assert cleaned.title == "Mail me: [EMAIL]"
    assert "lovelace.org" not in str(cleaned)


def test_a_document_of_nothing_but_boilerplate_comes_out_empty() -> None:
    assert clean("Share this post\n\nCopy link\n\nFacebook\n\nEmail\n") == ""


# Pieces that interact: marks, controls, lists, fences, secrets, odd characters
PIECES = st.sampled_from(
    [
        *("Share this post", "Share", "Email", "Note", "12", "Jan 01, 2024", "Ada Lovelace", "Copyright 2024 A"),
        *("# On Engines", "#### On Engines", "#### Discussion about this post", "Comments", "We use cookies here."),
        *("  * ", "  * __", "  * Menu entry", "  * * * *", "* * *", "-", "#", "__", "---", "1.", "[Home](/)"),
        *("```", "~~~", "```python", "    code", "\u200b```", "x  ", "", " ", "a\r", "\u00a0", "e\u0301", "\u200d"),
        *(
            "A sentence of the author's.",
            "  * [Home](/)",
            "a@b.org",
            "AKIAIOSFODNN7EXAMPLE",
            "https://me:secret@host/x",
        ),
        *("-----BEGIN RSA PRIVATE KEY-----", "-----END RSA PRIVATE KEY-----", "MIIEpAIBAAKCAQEA7"),
        *("token = 'a8f7d6e5c4b3a2918'", "+1 415 555 2671", "4111 1111 1111 1111"),
    ]
)
TEXTS = st.lists(PIECES, max_size=25).map("\n".join) | st.text(max_size=300)


@given(TEXTS)
@example("x  \n\u200b```")  # an invisible character hides what begins code
@example("\u200b```\na\n```\nb\u200b\n```")
def test_cleaning_what_is_clean_changes_nothing(content: str) -> None:
    once = cleaning.clean(document(content))
    twice = cleaning.clean(once)
    assert twice.content == once.content
    assert twice.title == once.title
    assert twice.redactions == {}


@given(TEXTS)
def test_nothing_recognisable_is_left(content: str) -> None:
    assert cleaning.find_personal_data(clean(content)) == []


VOCABULARY = "the engine weaves patterns just as looms weave flowers share subscribe email menu note read more"
words = st.sampled_from(VOCABULARY.split())
sentences = st.lists(words, min_size=5, max_size=14).map(lambda chosen: " ".join(chosen).capitalize() + ".")
around = st.sampled_from(
    [
        *("Share this post", "Copy link\n\nFacebook\n\nEmail", "Subscribe now", "  * \n  * __", "We use cookies here."),
        *(
            "## A heading",
            "- an item of a list",
            "> a quotation",
            "| a | b |",
            "* * *",
            "![](https://pixel.wp.com/b.gif)",
        ),
        *("Click to share on X (Opens in new window)", "12", "Jan 01, 2024", "Ada Lovelace", "#", "Share", "Email"),
    ]
)


@given(st.lists(st.tuples(st.lists(around, max_size=4), sentences), min_size=1, max_size=8))
def test_no_sentence_of_the_author_is_lost(parts: list[tuple[list[str], str]]) -> None:
    content = "\n\n".join("\n\n".join([*before, sentence]) for before, sentence in parts)
    kept = clean(content).split("\n")
    assert [line for line in kept if line in {sentence for _, sentence in parts}] == [sentence for _, sentence in parts]


code_line = st.text(st.characters(codec="utf-8", exclude_characters="\r\u2028\u2029\u0085\n`~@"), max_size=30)


@given(st.lists(code_line, max_size=8))
def test_fenced_code_is_kept_byte_for_byte(lines: list[str]) -> None:
    code = "\n".join(lines)
    if cleaning.find_personal_data(code):
        return
    block = f"~~~text\n{code}\n~~~"
    content = f"A paragraph.\n\n{block}\n\nAnother one."
    assert clean(content) == content
