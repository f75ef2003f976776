"""Is a phrase of a question about when or where something was written, or about the subject itself?

"Your posts from 2023" asks for publications; "in 2017 the transformer was introduced" does not. A wrong filter hides
the answer, a missed one only ranks it lower, so a phrase counts only where the words around it leave no doubt: it
belongs to a noun for something published, or it follows the verb, ends or begins a clause in which a writer writes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twin.retrieval.understanding.tokens import vocabulary

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from twin.retrieval.understanding.tokens import Token

__all__ = ["NEGATIONS", "NOUNS", "PRONOUNS", "PUBLISHED", "WRITING", "concerns_publication", "stands_alone"]

NOUNS = vocabulary(
    """post posts article articles blog blogs blogpost blogposts writing writings newsletter newsletters essay
    essays"""
)
"""What writers publish. Papers, books and reports are more often what is written about."""
OWNERS = vocabulary("your his her their my")
PRONOUNS = vocabulary("you he she they")
WRITING = vocabulary(
    """write writes wrote written publish publishes published post posts posted blog blogged say says said mention
    mentions mentioned cover covered discuss discussed explain explained recommend recommended share shared
    think thought"""
)
PUBLISHED = vocabulary("published written posted")
AUXILIARIES = vocabulary("did do does have has had what")
BETWEEN = vocabulary("ever also already actually really even just recently lately that were was been")
CLAUSES = vocabulary(
    """the this that these those who whom whose which what how why when where whether if because will would should can
    could may might is are was were"""
)
"""Words that begin a noun phrase or a clause of its own, to which a phrase after it belongs."""
OF = vocabulary("of from")
ONWARDS = vocabulary("to until till through on onward onwards")
FOLLOWING = vocabulary(
    "about on regarding concerning that and or how why what when where which for in with to from as at by since"
)
"""Words that may follow a phrase of time or place without making it a part of a longer name."""
NEGATIONS = vocabulary("not never no except besides excluding without outside than isn aren wasn weren haven hasn didn")


def concerns_publication(words: Sequence[Token], first: int, last: int, writers: Collection[int], text: str) -> bool:
    """Whether the phrase of the words `first` to `last` tells when or where something was published.

    Args:
        writers: Places of words that are an author's name.
    """
    if any(word.folded in NEGATIONS for word in words[max(0, first - 3) : first]):
        return False
    if _belongs_to_a_noun(words, first, last):
        return True
    if first and words[first - 1].folded in WRITING:
        return stands_alone(words, last, text) and _somebody_writes(words, range(first), writers)
    if not _at_an_edge(words, first, last, text) or _belongs_to_the_subject(words, first, last):
        return False
    return _somebody_writes(words, range(first), writers) or _somebody_writes(
        words, range(last + 1, len(words)), writers
    )


def _belongs_to_a_noun(words: Sequence[Token], first: int, last: int) -> bool:
    """`posts from 2023`, `articles published since May 2024`, `your 2023 posts`."""
    before = [word.folded for word in words[max(0, first - 4) : first]]
    while before and before[-1] in BETWEEN:
        before.pop()
    if before and before[-1] in NOUNS:
        return True
    if before and before[-1] in PUBLISHED and NOUNS & set(before):
        return True
    after = [word.folded for word in words[last + 1 : last + 4]]
    if after[:1] == ["s"]:
        after = after[1:]
    if after[:1] == ["blog"] or (after and after[0] in OWNERS):
        after = after[1:]
    return bool(after) and after[0] in NOUNS


def _at_an_edge(words: Sequence[Token], first: int, last: int, text: str) -> bool:
    """Whether the phrase begins the question or ends it, or a part of it that punctuation ends."""
    return first == 0 or _ends(words, last, text)


def stands_alone(words: Sequence[Token], last: int, text: str) -> bool:
    """Whether the phrase that ends at `last` is whole: `on GitHub about`, and not `on GitHub Actions`."""
    return _ends(words, last, text) or words[last + 1].folded in FOLLOWING


def _ends(words: Sequence[Token], last: int, text: str) -> bool:
    if last == len(words) - 1:
        return True
    between = text[words[last].end : words[last + 1].start]
    return any(mark in between for mark in ",;?.!")


def _belongs_to_the_subject(words: Sequence[Token], first: int, last: int) -> bool:
    """`the US election in 2020`, `models released in 2023`, `games of 2024`: the phrase says which ones are meant."""
    if first == 0:
        return False
    phrase = {word.folded for word in words[first : last + 1]}
    if words[first].folded in OF and not phrase & ONWARDS:
        return True
    if words[first - 1].folded.endswith("ed") and words[first - 1].folded not in WRITING:
        return True
    verb = next((place for place in range(first - 1, -1, -1) if words[place].folded in WRITING), -1)
    return any(word.folded in CLAUSES for word in words[verb + 1 : first])


def _somebody_writes(words: Sequence[Token], within: range, writers: Collection[int]) -> bool:
    """`did you write`, `Paul has published`, `what she said`."""
    for place in within:
        if words[place].folded not in WRITING:
            continue
        subject = place - 1
        while subject in within and words[subject].folded in BETWEEN | AUXILIARIES:
            subject -= 1
        if subject not in within:
            continue
        if subject in writers or words[subject].folded == "author":
            return True
        if words[subject].folded in PRONOUNS and (subject == 0 or words[subject - 1].folded in AUXILIARIES):
            return True
    return False
