"""Requests made from the document's own structure: what a person might ask who has seen title and headings.

A model of 135M parameters writes fluent questions that miss the sense of a passage; the structure does not
(`docs/concepts/instruct-dataset.md` has the figures). The words come from the author, the phrasing from here. There are
many phrasings, and which one a passage gets follows from its id, so that a model does not learn one beginning.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twin.datasets.headings import title_of, title_within, topic_of
from twin.records import content_hash
from twin.text.words import content_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twin.datasets.headings import Kind, Topic
    from twin.records import Chunk

__all__ = ["about_heading", "continuing", "last_resorts", "with_keywords"]

NAMED_SHARE = 0.7
"""A topic that has so much of the title's words names it already."""

PHRASINGS: dict[Kind, tuple[str, ...]] = {
    "thing": (
        "What do you think about {}?",
        "Tell me about {}.",
        "What have you learned about {}?",
        "What is your view on {}?",
        "Can you explain {}?",
        "What should I know about {}?",
        "How do you think about {}?",
        "Give me your take on {}.",
        "What matters most about {}?",
        "How would you describe {}?",
        "Could you say something about {}?",
        "Talk me through {}.",
        "What can you tell me about {}?",
        "Why does {} matter to you?",
        "I would like to understand {}. Where do I start?",
        "What have you found out about {}?",
    ),
    "doing": (
        "How do you go about {}?",
        "What should I know about {}?",
        "Tell me about {}.",
        "What is your advice on {}?",
        "Can you walk me through {}?",
        "What have you learned from {}?",
        "How does {} work in practice?",
        "What does {} involve?",
        "Which things matter when {}?",
        "Explain {}.",
        "What is your experience with {}?",
        "Do you have notes on {}?",
    ),
    "task": (
        "How do you {}?",
        "Can you show me how to {}?",
        "What is the best way to {}?",
        "Explain how to {}.",
        "What does it take to {}?",
        "I want to {}. How?",
        "Tell me how to {}.",
        "How would you {} if you started today?",
    ),
    "clause": (
        "Can you explain {}?",
        "Tell me {}.",
        "I would like to know {}. Can you tell me?",
        "Could you say {}?",
        "Help me understand {}.",
        "Please tell me {}.",
        "Describe {}.",
        "Can you tell me {}?",
        "What can you say about {}?",
        "Please explain {} in your own words.",
    ),
    "case": (
        "What happens {}?",
        "What do you do {}?",
        "Tell me what happens {}.",
        "What should I expect {}?",
        "How do things go {}?",
        "Explain what happens {}.",
    ),
    "statement": (
        "What do you mean by saying that {}?",
        "Why do you say that {}?",
        "You say that {}. Can you explain?",
        "What does it mean in practice that {}?",
        "Tell me more: {}, you say?",
        "Suppose that {}. What then?",
    ),
    "question": ("{}", "{} I would like your answer.", "{} What is your view?", "{} What would you say?"),
}
PLACES = (
    "I have a question about {}. ",
    "You wrote about {}. ",
    "On {}: ",
    "I am reading about {}. ",
    "Regarding {}: ",
    "Let us talk about {}. ",
    "About {}: ",
    "This is about {}. ",
    "Another thing about {}: ",
    "Back to {}: ",
)
EMPHASES = (
    ", especially {} and {}",
    ", in particular {} and {}",
    ", above all {} and {}",
    ", mainly {} and {}",
    " ({}, {})",
    ", with {} and {} in mind",
)
"""Behind a thing."""
VIEWS = (
    ", with regard to {} and {}",
    ", with {} and {} in mind",
    ", as for {} and {}",
    " ({}, {})",
    ", thinking of {} and {}",
    " where {} and {} are concerned",
)
"""Behind a clause."""
INTERESTS = (
    " I am thinking of {} and {}.",
    " I mean with regard to {} and {}.",
    " It is {} and {} that interest me.",
    " Where do {} and {} come in?",
    " What about {} and {}?",
    " How do {} and {} fit in?",
)
"""Behind a question."""
LAST_RESORTS = (
    "{}: what is there to say about {}?",
    "In the matter of {}, tell me about {}.",
    "{}. Explain {}.",
    "Concerning {}, what are your thoughts on {}?",
    "With {} in mind, what about {}?",
    "Looking at {}, how do you see {}?",
    "When it comes to {}, what do you say about {}?",
    "For {}, what is the story of {}?",
)
CONTINUATIONS = (
    'Go on from here: "{}"',
    'Continue in your own words: "{}"',
    'You begin like this: "{}" What comes next?',
    'Finish the thought: "{}"',
    'What do you say after this? "{}"',
    'How does it go on? "{}"',
    'Pick up where this stops: "{}"',
    'Here is your first sentence: "{}" Write the rest.',
)


def about_heading(chunk: Chunk, count: int) -> list[str]:
    """At most `count` requests made of the nearest heading that says something, and the title."""
    topic = topic_of(chunk)
    if topic is None:
        return []
    return [
        _placed(phrasing.format(topic.text), topic, chunk, attempt)
        for attempt, phrasing in enumerate(_turned(PHRASINGS[topic.kind], chunk, "heading", count))
    ]


def with_keywords(chunk: Chunk, keywords: Sequence[str], count: int) -> list[str]:
    """At most `count` requests as `about_heading` makes them that also name two keywords of the passage."""
    topic = topic_of(chunk)
    if len(keywords) < 2:
        return []
    if topic is None:
        both = " and ".join(keywords[:2])
        asked = [phrasing.format(both) for phrasing in _turned(PHRASINGS["thing"], chunk, "keywords", count)]
        return [_of_title(one, chunk, attempt) for attempt, one in enumerate(asked)]
    return [
        _placed(_asked_with(topic, phrasing, keywords, chunk, attempt), topic, chunk, attempt)
        for attempt, phrasing in enumerate(_turned(PHRASINGS[topic.kind], chunk, "keywords", count))
    ]


def last_resorts(chunk: Chunk, keywords: Sequence[str], count: int) -> list[str]:
    """At most `count` requests with all that there is: the title, the heading and up to three keywords."""
    topic, title = topic_of(chunk), title_within(chunk)
    terms = [*([topic.text.rstrip("?")] if topic and topic.text.casefold() != title.casefold() else []), *keywords[:3]]
    if len(terms) < 2:
        return []
    named = f"{', '.join(terms[:-1])} and {terms[-1]}"
    place = title or terms[0]
    return [phrasing.format(place, named) for phrasing in _turned(LAST_RESORTS, chunk, "last", count)]


def continuing(chunk: Chunk, beginning: str, count: int) -> list[str]:
    """At most `count` requests to go on after the beginning of a passage."""
    return [phrasing.format(beginning) for phrasing in _turned(CONTINUATIONS, chunk, "continuation", count)]


def _asked_with(topic: Topic, phrasing: str, keywords: Sequence[str], chunk: Chunk, attempt: int) -> str:
    """The request with two keywords behind its topic, or behind all of it where the topic stands in the middle."""
    is_last = topic.kind != "question" and phrasing.endswith(("{}?", "{}."))
    options = (EMPHASES if topic.kind in ("thing", "doing") else VIEWS) if is_last else INTERESTS
    extra = _turned(options, chunk, "extra", attempt + 1)[-1].format(*keywords[:2])
    return phrasing.format(topic.text + extra) if is_last else phrasing.format(topic.text) + extra


def _placed(asked: str, topic: Topic, chunk: Chunk, attempt: int) -> str:
    """The request behind a mention of the title, where the topic does not name it already."""
    title = content_words(title_of(chunk))
    is_named = len(title & content_words(topic.text)) >= NAMED_SHARE * len(title)
    return asked if is_named else _of_title(asked, chunk, attempt)


def _of_title(asked: str, chunk: Chunk, attempt: int) -> str:
    title = title_within(chunk)
    if not title:
        return asked
    place = _turned(PLACES, chunk, "place", attempt + 1)[-1].format(title)
    goes_on = place.endswith(": ") and not asked.startswith("I ")
    return place + (asked[:1].lower() + asked[1:] if goes_on else asked)


def _turned(options: Sequence[str], chunk: Chunk, what: str, count: int) -> list[str]:
    """The first `count` of the options, from where the passage's id says."""
    start = int(content_hash(what, chunk.id)[:8], 16)
    return [options[(start + place) % len(options)] for place in range(count)]
