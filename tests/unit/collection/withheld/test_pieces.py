"""What of a text is not for readers, and that nothing else goes with it."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.collection.withheld.pieces import Markup, without_pieces

LEFT_OUT = {
    "a <!-- note --> b": "a b",
    "<!-- note -->\nb": "b",
    "a\n\n<!-- note\n\n```\ncode in it\n```\n-->\n\nb": "a\n\n\nb",
    "a\n\n<!-- never closed\n\nrest": "a\n\n",
    "{/* note */}\nb": "b",
    "see %%note%% b": "see b",
    "%% note %%\nb": "b",
    "%%\nnote\n\nand more\n%%\nb": "b",
    "#+BEGIN_COMMENT\nnote\n#+END_COMMENT\nb": "b",
    "[//]: # (note)\nb": "b",
    "[comment]: <> (note)\nb": "b",
    "a {>>note<<} b": "a b",
    "{% comment %}\nnote {{ x }}\n{% endcomment %}\nb": "b",
    "{{% comment %}}note{{% /comment %}}\nb": "b",
    "{{/* note */}}\nb": "b",
    "{# note #}\nb": "b",
    '{{< youtube id="a" >}}\nb': "b",
    '{{< figure\n  src="a.png"\n  title="t" >}}\nb': "b",
    "{{% notice warning %}}\nb\n{{% /notice %}}\n": "b\n",
    "{% include a.html %}\nb": "b",
    "{% if x %}b{% endif %} c": "b c",
    "Hello {{ site.name }}, b": "Hello , b",
    "{{ x }}{{ y }}b{% z %}{% z %}": "b",
    "{{#if x}}b{{/if}}": "b",
    "{{c1::mitochondria::hint}} make energy": "mitochondria make energy",
    "{% raw %}{{ shown }}{% endraw %}": "{{ shown }}",
    "{% highlight ruby linenos %}\nputs {{ x }}\n{% endhighlight %}\nb": "```ruby\nputs {{ x }}\n```\n\nb",
    "{{< highlight go >}}\nfmt.Print()\n{{< /highlight >}}\nb": "```go\nfmt.Print()\n```\n\nb",
    "```dataview\nTABLE x\n```\nb": "b",
    "<script setup>\nimport a from 'b'\n</script>\nb": "b",
    "<Intro>\n\nb\n\n</Intro>\n": "\nb\n\n",
    "import Tabs from '@theme/Tabs'\n\n<Tabs>b</Tabs> {x} c": "\nb c",
}

STAYS = [
    "`<!-- shown -->` b",
    "`` a ` {{ shown }} `` b",
    "```\n<!-- shown -->\n{{ shown }}\n```",
    "~~~jinja\n{% if x %}\n~~~",
    "````md\n```dataview\nTABLE\n```\n````",
    "text\n\n    <!-- shown -->\n    {{ shown }}\n\ntext",
    "> ```\n> {{ shown }}\n> ```",
    "- item\n\n  ```\n  {{ shown }}\n  ```",
    "<pre>{{ shown }}</pre>",
    "<code>{% shown %}</code>",
    "\\{{ shown }}",
    "$x^{{2}}$ and $\\frac{{a}}{{b}}$",
    "$$\n{{a}}\n$$",
    "uses: ${{ secrets.KEY }}",
    "100%% sure, and 50%% off",
    "the operator %% alone",
    "%% TeX says so\n%% on every line",
    "a <!-- that nothing closes",
    "{{ that nothing\n\ncloses }}",
    "Vec<T> and List<String>, Dear <Name>,",
    "the import of duties from 'abroad' rose",
    "[a link](https://example.org/{id})",
    "{#an-id} of a heading",
    "# C++ and {braces}",
    "<div style={{color: 'red'}}>",
]


@pytest.mark.parametrize(("text", "for_readers"), LEFT_OUT.items())
def test_what_is_not_for_readers_goes_and_what_it_encloses_stays(text: str, for_readers: str) -> None:
    remains = without_pieces(text, "markdown")
    assert remains.text == for_readers
    assert sum(remains.left_out.values()) >= 1


@pytest.mark.parametrize("text", STAYS)
def test_code_formulas_and_words_stay_as_they_are(text: str) -> None:
    assert without_pieces(text, "markdown") == (text, {})


def test_every_piece_is_counted_by_its_kind() -> None:
    text = "<!-- a --> b {{ c }} d %% e %%\n\n```dataview\nLIST\n```\n\n<Card />\n"
    assert without_pieces(text, "markdown").left_out == {
        "comment": 2, "template code": 1, "query": 1, "component": 1,
    }  # fmt: skip


def test_a_comment_within_a_list_is_no_code() -> None:
    assert without_pieces("- item\n\n    <!-- note -->\n\n    more\n", "markdown").text == "- item\n\n\n    more\n"


def test_plain_text_has_no_pieces() -> None:
    for text in LEFT_OUT:
        assert without_pieces(text, "plain") == (text, {})


def test_of_a_page_only_template_code_goes() -> None:
    text = "The sign <!-- opens, %% means nothing, {{ unfilled }} and <Tag> stay"
    assert without_pieces(text, "page").text == "The sign <!-- opens, %% means nothing, and <Tag> stay"


def test_a_vault_hides_what_obsidian_hides() -> None:
    text = "100%% hidden %% b `= this.x` c `= d`\n\n```tasks\nnot done\n```\n\n%% never closed\n\nrest"
    assert without_pieces(text, "vault").text == "100 b c\n\n\n"


def test_mdx_is_text_and_program() -> None:
    text = """import { Tabs,
  TabItem } from '@astrojs/starlight/components';
export const meta = {
  readingTime: 4,

  layout: "wide",
};

# Trams {#trams}

The depot{' '}opens at {hours[0]}, and $a_{i}$ is a formula.

<Tabs labels={{ a: "x", b: [1] }}>
  <TabItem label="North > line">
    The north line climbs.

    ```js
    const kept = {a: 1}; // <Kept />
    ```

    - one
      - two
  </TabItem>
</Tabs>

<Chart client:load data={trams.map((t) => t.delay)} />

<>A fragment</> and <b>HTML</b>.
"""
    assert without_pieces(text, "mdx").text.split("\n\n") == [
        "\n# Trams",
        "The depot opens at , and $a_{i}$ is a formula.",
        "The north line climbs.",
        "```js\nconst kept = {a: 1}; // <Kept />\n```",
        "- one\n  - two",
        "\nA fragment and <b>HTML</b>.\n",
    ]


def test_a_module_s_braces_that_nothing_closes_cost_one_paragraph() -> None:
    assert without_pieces("export const a = {\n  b\n\nText stays.\n", "mdx").text == "\nText stays.\n"


WORDS = st.text("abcdefgh ijkl", min_size=1, max_size=30).filter(str.strip)
PIECES = st.sampled_from(
    ["<!-- x -->", "<!--\nx\n\ny\n-->", "{{ x }}", '{{< x "y" >}}', "{% x %}", "{/* x */}", "{>>x<<}", "%% x %%"]
)
CODE = st.sampled_from(["```\n{code}\n```", "~~~~x\n{code}\n~~~~"])
MARKS = st.text("<!->{}%/*`# x\n", max_size=60)


@given(st.lists(st.tuples(WORDS, PIECES), min_size=1, max_size=8), WORDS, st.booleans())
def test_nothing_beside_the_pieces_is_lost(parts: list[tuple[str, str]], last: str, as_paragraphs: bool) -> None:
    between = "\n\n" if as_paragraphs else " "
    text = between.join(word + between + piece for word, piece in parts) + between + last
    remains = without_pieces(text, "markdown")
    assert remains.text.split() == " ".join([*(word for word, _ in parts), last]).split()
    assert sum(remains.left_out.values()) == len(parts)


@given(WORDS, CODE, st.text("<!->{}%/* xy\n", max_size=80), PIECES)
def test_fenced_code_is_untouched(before: str, fence: str, code: str, piece: str) -> None:
    block = fence.replace("{code}", code)
    text = without_pieces(f"{before}\n\n{block}\n\n{piece}\n\nafter", "markdown").text
    assert block in text
    assert text.rstrip().endswith("after")


@given(MARKS, st.sampled_from(["page", "markdown", "vault", "mdx"]))
def test_whatever_the_text_it_only_gets_shorter_and_loses_no_letters_in_between(text: str, markup: Markup) -> None:
    remains = without_pieces(text, markup)
    letters = iter(text)
    assert all(letter in letters for letter in remains.text), "what remains is in the text, in its order"


HOSTILE = [
    "<!-- ", "{{ ", "{{\n\n", "{% ", "{%\n\n", "{/* ", "%% ", "%%\n\n", "`", "``a`", "~~~\n", "> ```\n\n", "<a ",
    "<A {", "{", "<pre>", "<script>\n", "import {a\n", "import a\n", "export const a = {\n\n", "<A b='", "$$",
    "$a", "{>>", "{# ", "#+begin_comment\n", "[//]: # (\n", "    <!-- \n\n", "- <!--\n\n", "<A>\n  ", "</A>",
    "{% raw %}", "{{< highlight a >}}",
]  # fmt: skip


@pytest.mark.parametrize("unit", HOSTILE)
@pytest.mark.parametrize("markup", ["markdown", "vault", "mdx"])
def test_time_does_not_grow_with_the_square_of_what_nothing_closes(unit: str, markup: Markup) -> None:
    text = unit * (300_000 // len(unit))
    began = time.process_time()
    without_pieces(text, markup)
    assert time.process_time() - began < 20, "a square would take minutes"
