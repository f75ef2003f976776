"""What web pages leave around an article: navigation, share and subscribe blocks, notices, comments.

Nothing goes on the word of one ambiguous line. A line is a mark (no author writes it), a control (a word on a button,
which an author may write too), or a companion (a date, a count, a byline). A run of such lines goes when it has a mark
or three controls; anything else ends the run.
"""

from __future__ import annotations

import re
from typing import Literal

from twin.text.markdown import code_lines

__all__ = ["without_boilerplate"]

Role = Literal["mark", "control", "companion"]

MARKS = frozenset(
    {
        "share this post", "share this article", "copy link", "subscribesign in", "sign insubscribe", "previousnext",
        "start writingget the app", "get the app", "open in app", "skip to content", "skip to main content",
        "skip to navigation", "toggle navigation", "accept all cookies", "reject all cookies", "cookie settings",
        "manage cookies", "manage cookie preferences", "type your email…", "type your email...", "ready for more?",
        "substack is the home for great culture", "privacy ∙ terms ∙ collection notice", "unblock scripts",
        "this site requires javascript to run correctly. please turn on javascript or",
        "this site requires javascript to run correctly. please turn on javascript or unblock scripts",
        "sign up to discover human stories that deepen your understanding of the world.", "share this:", "like this:",
        "like loading...", "like loading…", "press enter or click to view image in full size", "member-only story",
        "sign up for more like this.", "already a paid subscriber? sign in", "subscribe to continue reading",
        "give a gift subscription", "upgrade to paid", "to view or add a comment, sign in", "report this article",
        "code of conduct • report abuse", "top comments (0)", "follow publication", "get email updates",
        "start your substackget the app", "this site requires javascript to run correctly.",
        "great! check your inbox and click the link to confirm your subscription.",
    }
)  # fmt: skip
CONTROLS = frozenset(
    {
        "share", "tweet", "facebook", "twitter", "linkedin", "reddit", "whatsapp", "telegram", "email", "note", "notes",
        "other", "more", "print", "copy", "top", "latest", "discussions", "comments", "restacks", "no posts",
        "subscribe",
        "subscribe now", "subscribed", "sign in", "sign up", "log in", "login", "register", "menu", "search", "home",
        "about", "contact", "archive", "privacy", "terms", "next", "previous", "like", "likes", "reply", "replies",
        "follow", "following", "listen", "save", "accept", "decline", "accept all", "reject all", "leave a comment",
        "read more", "see all", "help", "status", "careers", "press", "teams", "text to speech",
    }
)  # fmt: skip
NOTICES = re.compile(
    r"(?:we|this (?:web)?site|our (?:web)?site)(?: and our partners)? uses? cookies\b"
    r"|by (?:using|continuing|browsing|clicking)\b.{0,120}\bcookies?\b"
    r"|to make medium work, we log user data"
    r"|thanks for reading\b.{0,80}\bsubscribe for free\b"
    r"|thanks for reading\b.{0,80}\bthis post is public so feel free to share it\b"
    r"|click to (?:share on|email|print)\b.{0,80}\(opens in new window\)"
    r"|you(?:'|’)re currently a free subscriber\b|this post is for (?:paid|paying) subscribers$"
    r"|get \S.{0,40}(?:'|’)s stories in your inbox$"
    r"|subscribe (?:now )?to (?:receive|get) new posts\b"
    r"|(?:©|\(c\)|copyright)\W{0,3}(?:19|20)\d\d\b.{0,80}$",
    re.IGNORECASE,
)
NOTICE_STARTS = (
    "we ", "this ", "our ", "by ", "to make ", "thanks ", "subscribe ", "©", "(c)", "copyright", "click to ", "you",
    "get ",
)  # fmt: skip
"""How a notice begins; saves trying the pattern on every line."""
COUNT = re.compile(r"\d[\d.,]{0,6}[kKmM]?")
DATE = re.compile(r"(?:[A-Z][a-z]{2,8} \d{1,2}, \d{4}|\d{1,2} [A-Z][a-z]{2,8} \d{4}|\d{4}-\d\d-\d\d|\d{1,2} min read)")
BARE_HOST = re.compile(r"(?:[a-z0-9-]{1,40}\.){1,3}[a-z]{2,10}")
HEADING = re.compile(r"(#{1,6})(?:[ \t]+(.*))?$")
LIST_ITEM = re.compile(r"[ \t]*(?:[*+-]|\d{1,3}[.)])(?:[ \t]+(.*)|[ \t]*)$")
RULE = re.compile(r"[ \t]{0,3}(?:(?:\*[ \t]*){3,}|(?:-[ \t]*){3,}|(?:_[ \t]*){3,})$")
MENU_DIVIDER = re.compile(r"[ \t]+\* \* \* \*$")
"""A list item with a rule in it, as converters write the dividing lines of menus."""
ITEM_STARTS = ("*", "-", "+", *"0123456789")
ONLY_A_LINK = re.compile(r"!?\[[^\]]{0,80}\]\([^)\s]{0,300}\)")
AROUND_WORDS = " \t#*_>"
DISCUSSION = frozenset({"discussion about this post"})
DISCUSSION_SIGNS = frozenset({"comments", "restacks"})
DISCUSSION_WITHIN_LINES = 12
PAGE_HEAD = re.compile(r"^.{0,400}?Open in appSign ?up.{0,1500}?ListenShare", re.DOTALL)
PAGE_FOOT = "Sign up to discover human stories that deepen your understanding of the world."
ONE_LINE_PAGE_CHARS = 4_000
ICON = "__"
"""What some converters leave of an icon font."""
MAX_EMPTY_CHARS = 12
MAX_MARK_CHARS = 300
MAX_CONTROL_CHARS = 40
MAX_ITEM_CHARS = 80
MIN_CONTROLS = 3
MIN_NAVIGATION_ITEMS = 4
PREAMBLE_LINES = 60


def without_boilerplate(text: str, *, title: str, author: str) -> str:
    """`text` (markdown) without what the page around the article left in it. Fenced code stays as it is."""
    lines = [_without_page_frame(line) if len(line) > ONE_LINE_PAGE_CHARS else line for line in text.split("\n")]
    lines = lines[: _discussion_start(lines)]
    for find in (_preamble, _navigation, _empty_items):
        lines = _without(lines, find(lines))
    return "\n".join(_without(lines, _control_runs(lines, title, author)))


def _without(lines: list[str], dropped: set[int]) -> list[str]:
    return [line for number, line in enumerate(lines) if number not in dropped] if dropped else lines


def _without_page_frame(line: str) -> str:
    """A whole page that came as one line, without what Medium puts above and below the article."""
    head = PAGE_HEAD.match(line)
    if not head:
        return line
    foot = line.rfind(PAGE_FOOT, head.end())
    return line[head.end() : foot if foot >= 0 else None].strip()


def _discussion_start(lines: list[str]) -> int:
    """Where readers' comments start: they are not the author's, and nothing of the author's follows them."""
    for number, line in enumerate(lines):
        if line.startswith("#") and _words(line) in DISCUSSION:
            following = {_words(later) for later in lines[number + 1 : number + 1 + DISCUSSION_WITHIN_LINES]}
            if following & DISCUSSION_SIGNS:
                return number
    return len(lines)


def _preamble(lines: list[str]) -> set[int]:
    """Everything before the first level-one heading, when it is navigation through and through."""
    before: list[int] = []
    items = icons = 0
    for number, line in enumerate(lines[:PREAMBLE_LINES]):
        if line.startswith("# ") and line[2:].strip():
            return set(before) if icons or items >= MIN_NAVIGATION_ITEMS else set()
        words = line.strip()
        if not words:
            continue
        if len(words) > MAX_ITEM_CHARS or words.endswith((".", "!", "?", ":", "```", "~~~")):
            return set()
        item = LIST_ITEM.match(line)
        icons += words == ICON or (item is not None and _is_icon_item(item[1]))
        items += item is not None and bool(ONLY_A_LINK.fullmatch((item[1] or "").strip()))
        before.append(number)
    return set()


def _navigation(lines: list[str]) -> set[int]:
    """Lists of short entries with icons or empty bullets among them, as converters make of menus."""
    if not any(line.endswith((ICON, "*", "-", "+", ".", ")")) and _is_icon_line(line) for line in lines):
        return set()
    dropped: set[int] = set()
    block: list[int] = []
    is_code = code_lines(lines)
    for number, line in enumerate([*lines, "end"]):
        in_list = number < len(lines) and not is_code[number] and _is_menu_line(line)
        if in_list:
            block.append(number)
        elif line.strip():
            if _is_navigation([LIST_ITEM.match(lines[item]) for item in block]):
                dropped.update(block)
            block = []
    return dropped


def _is_navigation(items: list[re.Match[str] | None]) -> bool:
    texts = [(item[1] or "").strip() for item in items if item]
    if len(texts) < MIN_NAVIGATION_ITEMS or not any(_is_icon_item(text) for text in texts):
        return False
    return all(len(text) <= MAX_ITEM_CHARS and not text.endswith((".", "!", "?", ":", ";", ",")) for text in texts)


def _is_menu_line(line: str) -> bool:
    if not line.lstrip().startswith(ITEM_STARTS):
        return False
    return MENU_DIVIDER.match(line) is not None or (LIST_ITEM.match(line) is not None and not RULE.match(line))


def _is_icon_line(line: str) -> bool:
    item = LIST_ITEM.match(line)
    return item is not None and _is_icon_item(item[1])


def _is_icon_item(text: str | None) -> bool:
    text = (text or "").strip()
    return not text or text == ICON or text.startswith(f"{ICON} ") or text.endswith(f" {ICON}")


def _empty_items(lines: list[str]) -> set[int]:
    """Bullets, headings and icons with nothing in them."""
    dropped: set[int] = set()
    is_code: list[bool] = []
    for number, line in enumerate(lines):
        words = line.strip()
        if not words or len(words) > MAX_EMPTY_CHARS:
            continue
        item, heading = LIST_ITEM.match(line), HEADING.match(line)
        empty_item = item is not None and (item[1] or "").strip() in ("", ICON)
        above = lines[number - 1] if number else ""
        underlines = empty_item and words == "-" and above.strip() and not LIST_ITEM.match(above)
        empty_heading = heading is not None and not (heading[2] or "").strip(" #")
        if (empty_item and not underlines) or empty_heading or words == ICON:
            is_code = is_code or code_lines(lines)
            if not is_code[number]:
                dropped.add(number)
    return dropped


def _control_runs(lines: list[str], title: str, author: str) -> set[int]:
    words = [line.strip(AROUND_WORDS) for line in "\n".join(lines).casefold().split("\n")]
    has_mark = any(one in MARKS or (one.startswith(NOTICE_STARTS) and NOTICES.match(one)) for one in words)
    if not has_mark and sum(one in CONTROLS for one in words) < MIN_CONTROLS:
        return set()
    dropped: set[int] = set()
    run: list[int] = []
    roles: list[Role] = []
    names = {author.casefold(), title.casefold()} - {""}
    for number, (line, is_code) in enumerate(zip([*lines, "end"], [*code_lines(lines), True], strict=True)):
        if not line or line.isspace():
            continue
        role = None if is_code else _role(line, words[number], names)
        if role:
            run.append(number)
            roles.append(role)
        elif run:
            if "mark" in roles or roles.count("control") >= MIN_CONTROLS:
                dropped.update(run)
            run, roles = [], []
    return dropped


def _role(line: str, words: str, names: set[str]) -> Role | None:
    """The role of one prose line; `names` are the author's name and the title, which share blocks repeat."""
    if len(line) > MAX_MARK_CHARS or line.startswith(("    ", "\t", "|")):
        return None
    if words in MARKS or (words.startswith(NOTICE_STARTS) and NOTICES.match(words)):
        return "mark"
    if len(line) > MAX_CONTROL_CHARS and words not in names:
        return None
    heading = HEADING.match(line) if line[0] == "#" else None
    if heading:
        return "companion" if len(heading[1]) >= 4 and words in names else None
    if words in CONTROLS:
        return None if LIST_ITEM.match(line) else "control"
    if words in names or COUNT.fullmatch(words) or DATE.fullmatch(line.strip()) or BARE_HOST.fullmatch(words):
        return "companion"
    return None


def _words(line: str) -> str:
    return line.strip(AROUND_WORDS).casefold()
