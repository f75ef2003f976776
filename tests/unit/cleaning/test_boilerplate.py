"""What web pages leave around an article goes; what an author may have written stays."""

from __future__ import annotations

import pytest

from twin.cleaning.boilerplate import without_boilerplate

SHARE = "Share this post\n\n#### On Engines\n\nada.substack.com\n\nCopy link\n\nFacebook\n\nEmail\n\nNote\n\nOther\n\n"


def cleaned(text: str) -> str:
    kept = without_boilerplate(text, title="On Engines", author="Ada Lovelace")
    return "\n".join(line for line in kept.split("\n") if line.strip())


def test_share_blocks_go_with_the_counts_and_bylines_among_them() -> None:
    text = (
        f"SubscribeSign in\n\n{SHARE}# On Engines\n\nAda Lovelace\n\nJan 01, 2024\n\n12\n\n{SHARE}Text.\n\n3\n\n{SHARE}"
    )
    assert cleaned(text) == "# On Engines\nText."


def test_comments_of_readers_go_with_all_that_follows() -> None:
    text = "Text.\n\n#### Discussion about this post\n\nComments\n\nRestacks\n\nA reader: nice text!\n\nTop\n"
    assert cleaned(text) == "Text."


def test_an_author_may_discuss_this_post() -> None:
    text = "Text.\n\n#### Discussion about this post\n\nIt was long, and I learned from it.\n"
    assert cleaned(text) == "Text.\n#### Discussion about this post\nIt was long, and I learned from it."


def test_menus_before_the_title_go() -> None:
    menu = "Ada Lovelace\n\n  * __Course\n  * __About\n\n  * __\n  * \n\n__\n\n  1. **Stuff**\n  2. Engines\n\n"
    assert cleaned(f"{menu}# On Engines\n\nText.") == "# On Engines\nText."


def test_menus_of_links_before_the_title_go() -> None:
    menu = "- [Home](/)\n- [Blog](/blog)\n- [About](/about)\n- [Contact](/contact)\n\n"
    assert cleaned(f"{menu}# On Engines\n\nText.") == "# On Engines\nText."


def test_menus_with_icons_go_wherever_they_are() -> None:
    menu = "  * 🔧 **Training** __\n\n    * Fine-tune\n\n  * * * *\n\n  * **Graphs** __\n\n    * GraphSAGE\n\n"
    assert cleaned(f"# On Engines\n\n{menu}Text.") == "# On Engines\nText."


@pytest.mark.parametrize(
    "line",
    [
        "We use cookies to improve your experience.",
        "This website uses cookies.",
        "By using Medium, you agree to our Privacy Policy, including cookie policy.",
        "© 2024 Ada Lovelace",
        "__Copyright 2023, Ada Lovelace",
        "Thanks for reading Ada's Letters! Subscribe for free to receive new posts and support my work.",
        "Skip to content",
        "Thanks for reading Ada's Letters! This post is public so feel free to share it.",
        "Click to share on X (Opens in new window)",
        "Press enter or click to view image in full size",
        "This post is for paid subscribers",
        "You're currently a free subscriber to Ada's Letters. For the full experience, upgrade.",
        "Get Ada Lovelace’s stories in your inbox",
        "To view or add a comment, sign in",
        "  * ",
        "  * __",
        "####",
        "__",
    ],
)
def test_a_line_that_no_author_writes_goes_alone(line: str) -> None:
    assert cleaned(f"Text.\n\n{line}\n\nMore.") == "Text.\nMore."


@pytest.mark.parametrize(
    "text",
    [
        "Share",  # one word on a button is not enough
        "Email\nNote",
        "## Comments\nThey are closed.",
        "## Sign in\nUse your account.",
        "- Email\n- Facebook\n- Other\n- Note",  # the author's own list
        "Text.\n* * *\nMore.",
        "Title\n-\nText.",
        "Ada Lovelace\nJan 01, 2024",
        "Copyright law changed in 1976.",
        "Thanks for reading this far.",
        "Get the stories of users first.",
        "You write what you measure.",
        "Click to open the door.",
        "| Share | Email | Note |",
        "    Share\n    Email\n    Note",  # code
        "- Parsing\n- Typing\n- Linking\n- Loading",
        "# On Engines\n## Contents\n- [One](#one)\n- [Two](#two)\n- [Three](#three)\n- [Four](#four)",
    ],
)
def test_what_an_author_may_have_written_stays(text: str) -> None:
    assert cleaned(text) == text


def test_nothing_in_fenced_code_is_boilerplate() -> None:
    text = "```\nShare this post\nCopy link\n* \n#\n__\n```"
    assert cleaned(text) == text


def test_a_page_that_came_as_one_line_loses_its_frame() -> None:
    head = "On Engines | BlogOpen in appSign upSign inWriteSign upSign inOn EnginesAda·Follow·16 min readListenShare"
    foot = "Sign up to discover human stories that deepen your understanding of the world.FreeDistraction-free reading."
    body = "A sentence of the article. " * 200
    assert cleaned(head + body + foot) == body.strip()
