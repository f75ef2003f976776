"""Releases: the next version, the changelog's section, and whether tag, version and changelog agree.

    release.py prepare [VERSION]   writes the version into pyproject.toml and names the changelog's open section
    release.py check               fails unless the tag of this commit, pyproject.toml and the changelog agree
    release.py notes               prints the section of the version in pyproject.toml
    release.py tag                 prints the tag of that version

The next version follows the commits since the last tag, as Conventional Commits has it: one with `!` or BREAKING CHANGE
is a major step, `feat` a minor one, anything else a patch. A changelog that says Added or Changed is at least a minor
step. Before 1.0.0 a major step is a minor one.
"""

from __future__ import annotations

import argparse
import datetime
import re
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
PYPROJECT = PROJECT / "pyproject.toml"
CHANGELOG = PROJECT / "CHANGELOG.md"
VERSION_LINE = re.compile(r'^version = "(\d+)\.(\d+)\.(\d+)"$', re.MULTILINE)
UNRELEASED = "## [Unreleased]"
BREAKING = re.compile(r"^\w+(\([^)]*\))?!:|^BREAKING[ -]CHANGE:", re.MULTILINE)
FEATURE = re.compile(r"^feat(\([^)]*\))?:", re.MULTILINE)

Version = tuple[int, int, int]


def current(pyproject: str) -> Version:
    """The version that pyproject.toml names."""
    found = VERSION_LINE.search(pyproject)
    if not found:
        raise SystemExit(f'{PYPROJECT} has no line `version = "x.y.z"`.')
    return (int(found[1]), int(found[2]), int(found[3]))


def section(changelog: str, heading: str) -> str:
    """What the changelog says below a heading, up to the next of its kind."""
    _, found, rest = changelog.partition(f"{heading}")
    if not found:
        raise SystemExit(f"{CHANGELOG} has no section `{heading}`.")
    return re.split(r"^## ", rest.partition("\n")[2], maxsplit=1, flags=re.MULTILINE)[0].strip()


def following(version: Version, commits: list[str], changes: str) -> Version:
    """The next version after `version`, by what the commits and the changelog say."""
    major, minor, patch = version
    if any(BREAKING.search(commit) for commit in commits) and major:
        return (major + 1, 0, 0)
    if (
        any(BREAKING.search(commit) or FEATURE.search(commit) for commit in commits)
        or "### Added" in changes
        or "### Changed" in changes
    ):
        return (major, minor + 1, 0)
    return (major, minor, patch + 1)


def text(version: Version) -> str:
    return ".".join(map(str, version))


def commits_since_the_last_tag() -> tuple[str, list[str]]:
    """The last release's tag, empty before the first one, and the messages since."""
    tag = _git("describe", "--tags", "--abbrev=0", "--match", "v*", check=False).strip()
    log = _git("log", "--format=%B%x00", f"{tag}..HEAD" if tag else "HEAD")
    return tag, [message.strip() for message in log.split("\0") if message.strip()]


def prepare(wanted: str | None, today: datetime.date) -> str:
    """Writes the next version into both files and returns it."""
    pyproject, changelog = PYPROJECT.read_text("utf-8"), CHANGELOG.read_text("utf-8")
    changes = section(changelog, UNRELEASED)
    if not changes:
        raise SystemExit(f"Nothing stands under `{UNRELEASED}` in {CHANGELOG}: there is nothing to release.")
    if wanted and not re.fullmatch(r"\d+\.\d+\.\d+", wanted):
        raise SystemExit(f"{wanted} is no version of the form x.y.z.")
    last, commits = commits_since_the_last_tag()
    # The first release is the version that stands there from the beginning.
    version = wanted or text(following(current(pyproject), commits, changes) if last else current(pyproject))
    PYPROJECT.write_text(VERSION_LINE.sub(f'version = "{version}"', pyproject, count=1), "utf-8")
    heading = f"{UNRELEASED}\n\n## [{version}] - {today.isoformat()}"
    CHANGELOG.write_text(changelog.replace(UNRELEASED, heading, 1), "utf-8")
    return version


def check() -> str:
    """The tag of this commit.

    Raises:
        SystemExit: It is not the version of pyproject.toml, or the changelog does not tell of that version.
    """
    version = text(current(PYPROJECT.read_text("utf-8")))
    tags = _git("tag", "--points-at", "HEAD").split()
    if f"v{version}" not in tags:
        raise SystemExit(
            f"pyproject.toml says {version}, and this commit has no tag v{version} (tags: {tags or 'none'})."
        )
    if not section(CHANGELOG.read_text("utf-8"), f"## [{version}]"):
        raise SystemExit(f"{CHANGELOG} says nothing of {version}.")
    return f"v{version}"


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=("prepare", "check", "notes", "tag"))
    parser.add_argument("version", nargs="?", help="for prepare, instead of the computed one")
    chosen = parser.parse_args(arguments)
    version = text(current(PYPROJECT.read_text("utf-8")))
    match chosen.action:
        case "prepare":
            prepared = prepare(chosen.version, datetime.datetime.now(datetime.UTC).date())
            print(f"Prepared {prepared}. Commit both files, merge them, and tag that commit:")
            print(f"  git tag -s v{prepared} && git push origin v{prepared}")
        case "check":
            print(f"{check()} is in step with pyproject.toml and CHANGELOG.md")
        case "notes":
            print(section(CHANGELOG.read_text("utf-8"), f"## [{version}]"))
        case "tag":
            print(f"v{version}")


def _git(*arguments: str, check: bool = True) -> str:
    done = subprocess.run(["git", *arguments], cwd=PROJECT, capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise SystemExit(f"git {arguments[0]}: {done.stderr.strip()}")
    return done.stdout


if __name__ == "__main__":
    main(sys.argv[1:])
