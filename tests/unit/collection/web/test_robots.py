"""What a robots.txt means for this robot."""

from __future__ import annotations

import asyncio

import pytest

from twin.collection.web.robots import MAX_AGE_SECONDS, Rules, RulesOfHosts, robots_url
from twin.errors import SourceFailed

AGENT = "llm-twin/0.1 (+https://example.org/contact)"


def allowed(text: str, path: str, agent: str = AGENT) -> bool:
    return asyncio.run(Rules(text, agent).allow(f"http://a.example{path}"))


@pytest.mark.parametrize(
    ("text", "path", "expected"),
    [
        ("", "/x", True),
        ("User-agent: *\nDisallow: /x", "/x", False),
        ("User-agent: *\nDisallow:", "/x", True),
        ("User-agent: *\nDisallow: /x\nAllow: /x/y", "/x/y/z", True),
        ("User-agent: *\nDisallow: /*.pdf$", "/a/b.pdf", False),
        ("User-agent: *\nDisallow: /*.pdf$", "/a/b.pdf?x", True),
        ("User-agent: other\nDisallow: /", "/x", True),
        ("User-agent: LLM-Twin\nDisallow: /x", "/x", False),
        ("User-agent: llm-twin/2.0\nDisallow: /x", "/x", False),
        ("User-agent: llm\nDisallow: /x", "/x", True),
        ("User-agent: org\nDisallow: /x", "/x", True),
        ("User-agent: *\nDisallow: /\nUser-agent: llm-twin\nAllow: /", "/x", True),
        ("User-agent: other\nUser-agent: llm-twin\nDisallow: /x", "/x", False),
        ("User-agent: llm-twin\n\n# both\nSitemap: /s\nUser-agent: other\nDisallow: /x", "/x", False),
        ("User-agent: llm-twin\nDisallow: /a\nUser-agent: other\nDisallow: /x", "/x", True),
        ("User-agent: llm-twin\nDisallow: /a\n\nUser-agent: llm-twin\nDisallow: /x", "/x", False),
        ("user agent *\ndisallow /x", "/x", False),
        ("<html><body>Not found</body></html>", "/x", True),
        ("User-agent: *\r\nDisallow: /x\r\n", "/x", False),
        ("User-agent: *\nDisallow: /%7Ejoe", "/~joe", False),
        ("User-agent: *\nDisallow: /ü", "/%C3%BC", False),
    ],
)
def test_rules(text: str, path: str, expected: bool) -> None:
    assert allowed(text, path) is expected


def test_a_robot_within_a_browsers_name_is_found() -> None:
    agent = "Mozilla/5.0 (compatible; OurTwin/1.0; +https://example.org)"
    assert not allowed("User-agent: ourtwin\nDisallow: /x", "/x", agent)
    assert not allowed("User-agent: plain\nDisallow: /x", "/x", "plain robot")


@pytest.mark.parametrize(
    ("value", "delay"), [("2.5", 2.5), ("-1", 0), ("nan", 0), ("inf", 0), ("1e400", 0), ("x", 0), ("", 0)]
)
def test_a_crawl_delay_is_seconds(value: str, delay: float) -> None:
    assert Rules(f"User-agent: *\nCrawl-delay: {value}", AGENT).delay == delay
    assert Rules(f"User-agent: other\nCrawl-delay: {value}", AGENT).delay == 0


def test_the_file_is_at_the_root_of_the_host() -> None:
    assert robots_url("https://a.example:8443/b/c?d#e") == "https://a.example:8443/robots.txt"


class Reader:
    def __init__(self) -> None:
        self.read: list[str] = []
        self.time = 0.0
        self.broken = False

    async def __call__(self, place: str) -> str:
        self.read.append(place)
        await asyncio.sleep(0)
        if self.broken:
            raise SourceFailed("it is down")
        return "User-agent: *\nDisallow: /x"


def test_a_file_is_read_once_a_day_and_host_however_many_ask() -> None:
    reader = Reader()
    rules = RulesOfHosts(reader, AGENT, lambda: reader.time)

    async def ask() -> None:
        await asyncio.gather(*(rules.of(f"http://{host}.example/{n}") for host in "ab" for n in range(10)))

    asyncio.run(ask())
    assert reader.read == ["http://a.example/robots.txt", "http://b.example/robots.txt"]
    reader.time = MAX_AGE_SECONDS
    asyncio.run(rules.of("http://a.example/"))
    assert len(reader.read) == 3


def test_what_could_not_be_read_is_not_kept() -> None:
    reader = Reader()
    rules = RulesOfHosts(reader, AGENT, lambda: reader.time)
    reader.broken = True
    with pytest.raises(SourceFailed, match="it is down"):
        asyncio.run(rules.of("http://a.example/"))
    reader.broken = False
    assert not asyncio.run(asyncio.run(rules.of("http://a.example/")).allow("http://a.example/x"))
