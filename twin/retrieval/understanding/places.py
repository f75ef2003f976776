"""Where the writings that a question asks for were published, and of which kind they are.

Only places and kinds that the index has count, and only where the question is about publication: "your posts on
Medium", "what did she write on Substack", "in your repository".
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from twin.retrieval.understanding.context import OWNERS, concerns_publication, stands_alone
from twin.retrieval.understanding.tokens import vocabulary

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from twin.retrieval.understanding.tokens import Token

__all__ = ["Place", "find_kind", "find_platform"]

LEADING = vocabulary("on from at in via")
HOSTED = vocabulary("io com org net dev app co me www blog github gitlab netlify vercel pages readthedocs")
"""Parts of host names that name no publication: `someone.github.io` is a blog, and not GitHub."""
SUBJECTS = vocabulary("on in")
"""After these, a name is as often a subject: `your articles on Python`, though docs.python.org is read."""
PUBLISHERS = vocabulary(
    """medium substack linkedin github gitlab youtube twitter x reddit hashnode mastodon bluesky facebook instagram
    threads quora tumblr wordpress"""
)
"""Platforms on which people publish, so that `on` means the place."""
REPOSITORY = vocabulary("repository repositories repo repos")


class Place(NamedTuple):
    """A platform or kind that a question names."""

    values: tuple[str, ...]
    start: int
    end: int
    """The characters of the question that name it."""


@lru_cache(maxsize=8)
def _labels(platforms: tuple[str, ...]) -> Mapping[str, tuple[str, ...]]:
    """Platforms by the word that people say for them: `medium` for `medium.com` and `towardsdatascience.medium.com`."""
    labels: dict[str, list[str]] = {}
    for platform in platforms:
        parts = platform.casefold().split(".")
        named = parts[-2] if len(parts) > 1 else parts[0]
        if platform.casefold() in ("github.com", "gitlab.com") or (named not in HOSTED and platform != "file"):
            labels.setdefault(named, []).append(platform)
    return {label: tuple(hosts) for label, hosts in labels.items()}


def find_platform(
    text: str, words: Sequence[Token], writers: Collection[int], platforms: tuple[str, ...]
) -> Place | None:
    """The platform that the question asks for, when there are others too."""
    labels = _labels(platforms)
    for place in range(1, len(words)):
        word, before = words[place], words[place - 1]
        hosts = labels.get(word.folded)
        if hosts is None or len(hosts) == len(platforms) or before.folded not in LEADING:
            continue
        last = place
        while last + 1 < len(words) and text[words[last].end : words[last + 1].start] == ".":
            last += 1
        named = word.capital and (before.folded not in SUBJECTS or word.folded in PUBLISHERS)
        whole = stands_alone(words, last, text)
        if (last > place or named) and whole and concerns_publication(words, place - 1, last, writers, text):
            return Place(hosts, before.start, words[last].end)
    return None


def find_kind(text: str, words: Sequence[Token], writers: Collection[int], kinds: tuple[str, ...]) -> Place | None:
    """`in your repository` and the like, when the index has repositories and something else."""
    if "repository" not in kinds or len(kinds) == 1:
        return None
    for place in range(2, len(words)):
        if words[place].folded not in REPOSITORY or (place + 1 < len(words) and not _ends(text, words, place)):
            continue
        owner = place - 1
        while owner > 1 and words[owner].folded in {"code", "github", "git", "own", "s"}:
            owner -= 1
        owned = words[owner].folded in OWNERS or owner in writers
        first = owner
        while first - 1 in writers:
            first -= 1
        if owned and first > 0 and words[first - 1].folded in {"in", "from", "of"}:
            return Place(("repository",), words[first - 1].start, words[place].end)
    return None


def _ends(text: str, words: Sequence[Token], place: int) -> bool:
    """Whether a word is followed by no noun of its own (`in your repository pattern`)."""
    following = words[place + 1]
    return any(mark in text[words[place].end : following.start] for mark in ",;?.!") or following.folded in {
        "do", "did", "does", "is", "are", "was", "were", "that", "about", "on", "for", "how", "what", "where", "which",
    }  # fmt: skip
