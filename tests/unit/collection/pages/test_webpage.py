"""Pages to markdown: the author's structure stays, what stands around the article goes."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from twin.collection.pages import blocks, rendering, selection, webpage

URL = "https://blog.example/posts/caches"
SENTENCE = "<p>A cache is a bet that what was asked for once will be asked for again, and most such bets are won.</p>"
TAIL = "<p>That is all there is to say about caches here; the next post is about the stores that are behind them.</p>"


def article(inner: str, *, around: str = "{}", head: str = "") -> str:
    body = around.format(f"<article><h1>Caches</h1>{SENTENCE}{inner}{TAIL}</article>")
    return f"<!doctype html><html lang=en-GB><head><title>Caches</title>{head}</head><body>{body}</body></html>"


def content(inner: str, **more: str) -> str:
    return webpage.read(article(inner, **more), URL).content


def test_what_a_page_says_of_itself_is_read() -> None:
    head = (
        '<meta name="author" content="Ada Lovelace; Charles Babbage"><link rel="Canonical" href="/posts/c">'
        '<meta property="article:published_time" content="2024-03-02T10:00:00Z">'
    )
    page = webpage.read(article("", head=head), URL)
    assert (page.title, page.author, page.language, page.canonical) == ("Caches", "Ada Lovelace", "en-gb", "/posts/c")
    assert page.published_at == datetime(2024, 3, 2, tzinfo=UTC)


def test_lists_keep_their_levels_numbers_and_paragraphs() -> None:
    found = content(
        "<ol start=3><li>Choose a key.<ul><li>Short ones are fast.</li><li>Long ones collide less:<ul>"
        "<li>sha256 is long enough.</li></ul></li></ul></li><li>Choose a size.</li></ol>"
        "<ul><li><p>One thing to say.</p><p>And another one.</p></li></ul>"
    )
    assert (
        "3. Choose a key.\n   - Short ones are fast.\n   - Long ones collide less:\n     - sha256 is long enough.\n"
        "4. Choose a size." in found
    )
    assert "- One thing to say.\n\n  And another one." in found


def test_code_keeps_every_character_and_its_language() -> None:
    code = "def get(key):\n\n    if x < 3:  # *not* _emphasis_\n        return  store.get(key)"
    escaped = code.replace("<", "&lt;")
    found = content(
        f'<pre><code class="language-python">{escaped}\n</code></pre>'
        f'<div class="highlight highlight-source-rust"><pre>fn main() {{}}</pre></div>'
        '<div class="highlight"><table><tr><td class="gutter"><pre class="lineno">1\n2</pre></td><td class="code">'
        '<pre><span class="line">a = 1</span><br><span class="line">b = 2</span></pre></td></tr></table></div>'
        "<pre>a ``` b</pre>"
    )
    assert f"```python\n{code}\n```" in found
    assert "```rust\nfn main() {}\n```" in found
    assert "```\na = 1\nb = 2\n```" in found
    assert "````\na ``` b\n````" in found
    assert "1\n2" not in found


def test_tables_become_tables_with_their_caption() -> None:
    found = content(
        "<table><caption>Hit rates</caption><thead><tr><th>Size</th><th>Rate</th></tr></thead><tbody>"
        "<tr><td>100</td><td>uses <code>a|b</code></td></tr><tr><td colspan=2>all of it</td></tr></tbody></table>"
    )
    assert "*Hit rates*\n\n| Size | Rate |\n| --- | --- |\n| 100 | uses `a\\|b` |\n| all of it |  |" in found


def test_a_table_that_only_places_things_is_what_is_in_it() -> None:
    page = f"<table role=presentation><tr><td>{SENTENCE}</td><td>{TAIL}</td></tr></table>"
    assert "|" not in webpage.fragment(page)


def test_captions_and_what_images_show_are_kept() -> None:
    found = content(
        '<figure><img src=a.png alt="A diagram of slots"><figcaption>Figure 1: a cache with four slots.</figcaption>'
        "</figure>"
        '<p><img src=b.png alt="A photo of a rack of servers"></p><img src=c.png alt="c.png">'
    )
    assert "*Figure 1: a cache with four slots.*" in found
    assert "A diagram of slots" not in found
    assert "c.png" not in found
    assert "*Image: A photo of a rack of servers*" in webpage.fragment('<img src=b alt="A photo of a rack of servers">')


def test_quotes_rules_and_definitions() -> None:
    found = webpage.fragment(
        "<blockquote><p>Two hard things.</p><p>— Phil</p></blockquote><hr><dl><dt>Hit</dt><dd>It is there.</dd></dl>"
    )
    assert found == "> Two hard things.\n>\n> — Phil\n\n---\n\n**Hit**\n\nIt is there."


def test_links_are_absolute_and_carry_no_trackers() -> None:
    found = webpage.fragment(
        '<p><a href="/a?utm_source=x&amp;b=1">one</a> <a href="#here">two</a> <a href="javascript:x()">three</a> '
        '<a href="mailto:a@example.org">four</a> <a href="c (d)">five</a></p>'
        "<h2 id=h>Head<a class=headerlink href=#h>¶</a></h2>",
        URL,
    )
    assert found == (
        "[one](https://blog.example/a?b=1) two three four [five](https://blog.example/posts/c%20%28d%29)\n\n## Head"
    )


def test_emphasis_and_code_in_a_line_close_up_to_their_words() -> None:
    found = webpage.fragment(
        "<p>so<b> bold </b>and <em>it <strong>is</strong></em> <code>a`b</code> H<sub>2</sub>O x<sup>2</sup></p>"
    )
    assert found == "so **bold** and *it **is*** ``a`b`` H2O x^2"


def test_formulas_are_the_tex_that_they_were_written_in() -> None:
    katex = (
        '<span class="katex"><span class="katex-mathml"><math><mi>t</mi><annotation encoding="application/x-tex">t = h'
        ' t_c</annotation></math></span><span class="katex-html">t=htc</span></span>'
    )
    assert (
        webpage.fragment(f"<p>The time {katex} is <script type='math/tex'>x^2</script>.</p>")
        == "The time $t = h t_c$ is $x^2$."
    )


@pytest.mark.parametrize("line", ["# one", "> two", "- three", "+ four", "5. five"])
def test_a_paragraph_is_not_taken_for_what_its_beginning_looks_like(line: str) -> None:
    [first] = webpage.fragment(f"<p>{line}</p>").splitlines()
    assert "\\" in first
    assert first.replace("\\", "") == line


def test_two_line_breaks_end_a_paragraph_and_one_a_line() -> None:
    assert webpage.fragment("<div>one<br>two<br><br>three</div>") == "one\ntwo\n\nthree"


def test_what_stands_around_the_article_is_left_out() -> None:
    found = content(
        "<h2>How it works</h2>",
        around=(
            "<header><nav><ul><li><a href=/>Home</a></li><li><a href=/about>About us</a></li></ul></nav></header>{}"
            "<div class='share-buttons'><a href=https://x.example/share>Share on X</a></div>"
            "<div class=newsletter><p>Subscribe to my newsletter for one letter a week about caches.</p></div>"
            "<section id=comments><p>Great post, thanks! I have learned a lot about caches from it today.</p></section>"
            "<aside><h3>Related</h3><ul><li><a href=/b>Bets in practice</a></li></ul></aside>"
            "<footer><p>© 2024 Ada Lovelace. All rights reserved.</p></footer>"
        ),
    )
    assert "## How it works" in found
    for gone in ("Home", "About us", "Share on", "Subscribe", "Great post", "Bets", "All rights"):
        assert gone not in found


def test_a_list_and_a_table_at_the_end_are_kept() -> None:
    end = "<ul><li>one item</li><li>another item</li></ul><table><tr><td>a</td><td>b</td></tr></table>"
    found = webpage.read(f"<article>{SENTENCE}{TAIL}{end}</article>").content
    assert found.endswith("- one item\n- another item\n\n| a | b |\n| --- | --- |")


def test_hidden_text_is_left_out() -> None:
    assert webpage.fragment("<p>a <span style='display: none'>b</span><i hidden>c</i> d</p><p hidden>e</p>") == "a d"


def test_a_page_without_an_article_is_none() -> None:
    with pytest.raises(webpage.NoArticle, match="JavaScript"):
        webpage.read("<html><body><script>render()</script></body></html>")


def test_xhtml_that_declares_an_encoding_is_read() -> None:
    declared = '<?xml version="1.0" encoding="iso-8859-1"?><html xmlns="http://www.w3.org/1999/xhtml">'
    page = f"{declared}<body>{SENTENCE}{TAIL}é</body></html>"
    assert "A cache is a bet" in webpage.read(page).content


def test_a_lead_that_stands_apart_is_kept_and_a_byline_is_not() -> None:
    lead = "Caches are everywhere, and hardly anybody who uses them could say when they help and when they harm."
    byline = "By Ada Lovelace and a long list of people who have helped her with this, on Tuesday 2 March 2024"
    tree = blocks.parse(
        f"<h1>Caches</h1><p>{lead}</p><p>{byline}</p><b>Share</b><i>Print</i><div>{SENTENCE}{TAIL}</div>"
    )
    assert tree is not None
    page = blocks.read(tree)
    found = [SENTENCE[3:-4], TAIL[3:-4]]
    selection.select(page, found, lambda: found)
    assert rendering.markdown(page) == "\n\n".join([lead, *found])
