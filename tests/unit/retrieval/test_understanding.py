"""What a question asks for besides its subject, and above all what it does not ask for."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from twin.retrieval.understanding import Known, Understood, understand

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
KNOWN = Known(
    authors=("Paul Iusztin", "Maxime Labonne", "The LLM Twin Team", "Zoë Müller", "Mark Young", "Wikipedia"),
    platforms=("medium.com", "decodingml.substack.com", "mlabonne.github.io", "github.com", "www.linkedin.com", "file"),
    kinds=("article", "post", "repository"),
    published_from=datetime(2020, 1, 1, tzinfo=UTC),
    published_until=datetime(2026, 11, 20, tzinfo=UTC),
)


def read(question: str, known: Known = KNOWN) -> Understood:
    return understand(question, known, now=NOW)


@pytest.mark.parametrize(
    ("question", "authors"),
    [
        ("What does Paul Iusztin think of vector databases?", ["Paul Iusztin"]),
        ("what does paul iusztin think of vector databases?", ["Paul Iusztin"]),
        ("What does Maxime think about quantization?", ["Maxime Labonne"]),
        ("Explain quantization according to Labonne", ["Maxime Labonne"]),
        ("articles by Maxime on merging", ["Maxime Labonne"]),
        ("Paul's take on RAG?", ["Paul Iusztin"]),
        ("PAUL IUSZTIN’S VIEWS ON RAG", ["Paul Iusztin"]),
        ("paul-iusztin's posts about agents", ["Paul Iusztin"]),
        ("What did Zoe Muller write about dogs?", ["Zoë Müller"]),
        ("Zoë, how do you bake?", ["Zoë Müller"]),
        ("How do you deploy, Paul?", ["Paul Iusztin"]),
        ("Hey Maxime, which optimiser do you use?", ["Maxime Labonne"]),
        ("What do Paul and Maxime say about LoRA?", ["Paul Iusztin", "Maxime Labonne"]),
        ("Which frameworks does Iusztin recommend?", ["Paul Iusztin"]),
        ("How does the LLM Twin Team define chunking?", ["The LLM Twin Team"]),
        ("What was written by Paul about agents?", ["Paul Iusztin"]),
        ("What does Mark say about tests?", ["Mark Young"]),
        ("Paul Iusztin on feature stores", ["Paul Iusztin"]),
        ("What is the role of an encoder according to Wikipedia?", ["Wikipedia"]),
        ("Compare Paul's and Maxime's views on RAG", ["Paul Iusztin", "Maxime Labonne"]),
        ("How does Paul's approach differ from Maxime's?", ["Paul Iusztin", "Maxime Labonne"]),
        ("Does Paul agree with Maxime's take on RAG?", ["Paul Iusztin", "Maxime Labonne"]),
        ("What did Paul, Maxime and Mark write about RAG?", ["Paul Iusztin", "Maxime Labonne", "Mark Young"]),
    ],
)
def test_an_author_who_is_asked_to_speak_is_understood(question: str, authors: list[str]) -> None:
    assert list(read(question).filters.authors) == authors


@pytest.mark.parametrize(
    "question",
    [
        "Who is Mark Zuckerberg?",
        "What did Paul Graham write about startups?",
        "What does Jean Paul say about existence?",
        "How did Newton use Paul's method?",
        "Tell me about Paul Iusztin",
        "Who founded Decoding ML with Paul Iusztin?",
        "What happened to Maxime Labonne's company?",
        "mark the right answer",
        "What do young people think of agents?",
        "Which team won the cup?",
        "What is the team's velocity?",
        "What did Pauline write?",
        "Was the hymn sung by Paul in the church of Saint Mark?",
        "Does your article mention the company founded by Paul Iusztin?",
        "What do articles say about the tool built by Maxime?",
        "Which posts were not written by Paul?",
        "articles not by Paul",
        "Who disagrees with Paul's opinion on RAG?",
    ],
)
def test_who_is_only_talked_about_is_no_filter(question: str) -> None:
    assert read(question).mentions == ()


def test_a_first_name_that_two_authors_have_means_neither() -> None:
    known = Known(authors=("Paul Iusztin", "Paul Newman"))
    assert read("What does Paul think of chunks?", known).mentions == ()
    assert read("What does Paul Newman think of chunks?", known).filters.authors == ("Paul Newman",)


@pytest.mark.parametrize(
    ("question", "since", "until"),
    [
        ("your posts from 2023 about merging", "2023-01-01T00:00", "2023-12-31T23:59"),
        ("What has Maxime Labonne written about DPO in 2023?", "2023-01-01T00:00", "2023-12-31T23:59"),
        ("In 2024, what did you write about agents?", "2024-01-01T00:00", "2024-12-31T23:59"),
        ("What did you write about RAG since March 2024?", "2024-03-01T00:00", None),
        ("articles published in Feb. 2024", "2024-02-01T00:00", "2024-02-29T23:59"),
        ("your articles from 3 May 2024", "2024-05-03T00:00", "2024-05-03T23:59"),
        ("posts between 2022 and 2024 on agents", "2022-01-01T00:00", "2024-12-31T23:59"),
        ("posts from 2021 to 2023", "2021-01-01T00:00", "2023-12-31T23:59"),
        ("articles before 2022", None, "2021-12-31T23:59"),
        ("articles until 2022-06", None, "2022-06-30T23:59"),
        ("your articles published after 2024-03-01", "2024-03-02T00:00", None),
        ("What did you publish last year?", "2025-01-01T00:00", "2025-12-31T23:59"),
        ("your articles this month", "2026-11-01T00:00", None),
        ("your posts of last week", "2026-11-16T00:00", "2026-11-22T23:59"),
        ("What did you say in the last 3 months about agents?", "2026-08-26T12:00", None),
        ("your 2023 articles", "2023-01-01T00:00", "2023-12-31T23:59"),
        ("Your latest article on RAG", "2026-05-24T00:00", None),
        ("What have you written recently about LLMs?", "2026-05-24T00:00", None),
        ("What have you written in the past year?", "2025-11-24T12:00", None),
        ("your posts from the last month", "2026-10-25T12:00", None),
        ("What have you written since last year?", "2025-01-01T00:00", None),
        ("What did you write before last year?", None, "2024-12-31T23:59"),
        ("What did you write until last month?", None, "2026-10-31T23:59"),
        ("What did you write after last year?", "2026-01-01T00:00", None),
        ("your articles from 2021 to today", "2021-01-01T00:00", None),
        ("What have you written from 2023 until now?", "2023-01-01T00:00", None),
        ("your articles from 2022 and 2023", "2022-01-01T00:00", "2023-12-31T23:59"),
        ("What did you write in 2021, 2022 or 2023 about RAG?", "2021-01-01T00:00", "2023-12-31T23:59"),
        ("your 2022 and 2023 posts", "2022-01-01T00:00", "2023-12-31T23:59"),
        ("your 2022-2024 posts", "2022-01-01T00:00", "2024-12-31T23:59"),
        ("posts from 2022–2024", "2022-01-01T00:00", "2024-12-31T23:59"),
    ],
)
def test_a_time_of_publication_is_understood(question: str, since: str | None, until: str | None) -> None:
    def minute(moment: datetime | None) -> str | None:
        return moment.isoformat()[:16] if moment else None

    filters = read(question).filters
    assert (minute(filters.published_from), minute(filters.published_until)) == (since, until)


@pytest.mark.parametrize(
    "question",
    [
        "In 2017 the transformer was introduced by whom?",
        "What happened in 2023?",
        "Will the model be better in 2025?",
        "What is the latest version of Llama?",
        "Which papers were published in 2017?",
        "What changed between 2020 and 2023 in NLP?",
        "What did you write about the election in 2020?",
        "How do recent models differ?",
        "What is new this year in agents?",
        "Which GPU was released last year?",
        "How long does training on 2048 tokens take?",
        "What did you write about 2024-99-99?",
        "articles from 1850",
        "2023",
        "Which articles of the constitution changed in 1787?",
        "your articles on 2024 trends",
        "What did you write on 2024 elections?",
        "What do you think 2025 will bring for agents?",
        "What do you think last year's best model was?",
        "What do you think about what OpenAI announced last year?",
        "What did you write about models released in 2023?",
        "What did you write about the US election in 2020?",
        "What do you think of the Olympic games of 2024?",
        "What do you say about papers from 2023?",
        "What do you recommend after 2000 steps?",
        "Do you recommend up to 2048 tokens?",
        "What did you write until this year?",
        "What did you publish, but not in 2023?",
        "What did you write outside of 2023?",
    ],
)
def test_a_time_that_belongs_to_the_subject_is_no_filter(question: str) -> None:
    assert read(question).mentions == ()


def test_a_time_in_which_nothing_was_published_is_no_filter() -> None:
    assert read("your posts from 2019").mentions == ()
    undated = Known(authors=KNOWN.authors)
    assert read("your posts from 2023", undated).mentions == ()


@pytest.mark.parametrize(
    ("question", "platforms", "kinds"),
    [
        ("What did Paul write on Medium about agents?", ("medium.com",), ()),
        ("Paul's posts on LinkedIn", ("www.linkedin.com",), ()),
        ("your articles on decodingml.substack.com", (), ()),
        ("your newsletters on Substack", ("decodingml.substack.com",), ()),
        ("What is trained in your repository?", (), ("repository",)),
        ("How is training done in Paul's GitHub repository?", (), ("repository",)),
        ("How do I deploy on GitHub?", (), ()),
        ("How do I bake on medium heat?", (), ()),
        ("Is the repository pattern in your code good?", (), ()),
        ("What is in your repository pattern?", (), ()),
        ("your posts on Mastodon", (), ()),
        ("your posts on GitHub Copilot", (), ()),
        ("What did you write on GitHub Actions?", (), ()),
        ("What did you write on GitHub about agents?", ("github.com",), ()),
    ],
)
def test_a_place_counts_only_where_it_is_certain(
    question: str, platforms: tuple[str, ...], kinds: tuple[str, ...]
) -> None:
    filters = read(question).filters
    assert (filters.platforms, filters.kinds) == (platforms, kinds)


@pytest.mark.parametrize(
    ("question", "platforms"),
    [
        ("What did you write on Python?", ()),
        ("your articles on Dagster", ()),
        ("your articles on dagster.io", ("dagster.io",)),
        ("posts from Dagster about assets", ("dagster.io",)),
    ],
)
def test_a_host_that_is_also_a_subject_counts_only_as_a_source(question: str, platforms: tuple[str, ...]) -> None:
    known = replace(KNOWN, platforms=("docs.python.org", "dagster.io", "file"))
    assert read(question, known).filters.platforms == platforms


def test_the_only_place_and_the_only_kind_restrict_nothing() -> None:
    known = Known(platforms=("medium.com",), kinds=("repository",))
    assert read("your posts on Medium", known).mentions == ()
    assert read("What is trained in your repository?", known).mentions == ()


def test_what_became_a_filter_is_not_searched_for() -> None:
    assert read("Explain chunking according to Paul Iusztin").text == "Explain chunking"
    assert read("What did Maxime write on Medium about LoRA in 2023?").text == "What did write about LoRA?"
    assert read("How do you deploy, Paul?").text == "How do you deploy?"


def test_a_question_that_is_nothing_but_a_filter_is_searched_as_it_is() -> None:
    understood = read("Paul, 2023?", KNOWN)
    assert understood.filters.authors == ("Paul Iusztin",)
    assert read("Paul:").text == "Paul:"


def test_loosening_gives_up_the_most_doubtful_first_and_searches_its_words_again() -> None:
    understood: Understood | None = read("What did Paul write on Medium about agents in 2023?")
    fields, texts = [], []
    while understood is not None and (looser := understood.loosened()):
        understood, field = looser
        fields.append(field)
        texts.append(understood.text)
    assert fields == ["platform", "published", "author"]
    assert texts[-1] == "What did Paul write on Medium about agents in 2023?"
    assert understood is not None
    assert understood.filters.keywords == {}


@given(st.text(max_size=200))
def test_any_text_is_read_without_harm(question: str) -> None:
    understood = read(question)
    assert understood.question == question
    assert bool(understood.mentions) or understood.text == question


WORDS = re.findall(
    r"\S+",
    """Paul Maxime Iusztin's by in 2023 since March 2024-02-30 posts your wrote on Medium between and last year you did
    write , ? recent repository""",
)


@given(st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join))
def test_every_mention_stands_in_the_question_and_every_filter_has_one(question: str) -> None:
    understood = read(question)
    assert all(mention.text in question for mention in understood.mentions)
    fields = {mention.field for mention in understood.mentions}
    filters = understood.filters
    assert bool(filters.authors) == ("author" in fields)
    assert bool(filters.published_bounds) == ("published" in fields)
    assert bool(filters.platforms) == ("platform" in fields)
    if filters.published_from and filters.published_until:
        assert filters.published_from <= filters.published_until
