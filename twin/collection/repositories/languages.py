"""Which files of a repository people wrote, and in which language."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import PurePosixPath

__all__ = ["code_language", "why_not_written"]

BY_ENDING = {
    ".py": "python", ".pyi": "python", ".js": "javascript", ".mjs": "javascript", ".jsx": "jsx",
    ".ts": "typescript", ".tsx": "tsx", ".go": "go", ".rs": "rust", ".java": "java", ".kt": "kotlin",
    ".scala": "scala", ".c": "c", ".h": "c", ".cc": "cpp", ".cpp": "cpp", ".hpp": "cpp", ".cs": "csharp",
    ".rb": "ruby", ".php": "php", ".swift": "swift", ".sh": "bash", ".bash": "bash", ".zsh": "bash",
    ".sql": "sql", ".r": "r", ".jl": "julia", ".lua": "lua", ".ex": "elixir", ".exs": "elixir", ".hs": "haskell",
    ".clj": "clojure", ".css": "css", ".scss": "scss", ".yaml": "yaml", ".yml": "yaml", ".toml": "toml",
    ".ini": "ini", ".cfg": "ini", ".tf": "hcl", ".proto": "protobuf", ".graphql": "graphql", ".vue": "vue",
    ".svelte": "svelte", ".dart": "dart", ".mk": "makefile", ".nix": "nix", ".zig": "zig", ".cu": "cuda",
}  # fmt: skip
BY_NAME = {"Makefile": "makefile", "Dockerfile": "dockerfile", "Justfile": "makefile", "CMakeLists.txt": "cmake"}

LOCK_FILES = frozenset(
    {"package-lock.json", "pnpm-lock.yaml", "yarn.lock", "poetry.lock", "uv.lock", "pdm.lock", "Pipfile.lock",
     "Cargo.lock",
     "composer.lock", "Gemfile.lock", "go.sum", "requirements.lock", "flake.lock", "packages.lock.json", "bun.lock"}
)  # fmt: skip
VENDORED = frozenset({"node_modules", "vendor", "third_party", "site-packages", "bower_components", "dist"})
MINIFIED = re.compile(r"\.min\.(?:js|css)$|[.-]bundle\.js$", re.IGNORECASE)
GENERATED = re.compile(
    r"@generated|code generated .{0,80}do not edit|do not edit.{0,80}generated|auto(?:matically |-)?generated",
    re.IGNORECASE,
)
GENERATED_WITHIN_CHARS = 1_000
MINIFIED_LINE_CHARS = 5_000


def code_language(path: PurePosixPath) -> str | None:
    """The language for a code fence, by the file's name; None for a file that is not code."""
    return BY_NAME.get(path.name) or BY_ENDING.get(path.suffix.lower())


def why_not_written(path: PurePosixPath, content: str) -> str | None:
    """Why a tracked text file is not a person's writing; None when it is."""
    if path.name in LOCK_FILES:
        return "it is a lock file"
    if not VENDORED.isdisjoint(path.parts[:-1]):
        return "it is in a folder of other people's or built code"
    if code_language(path) is None:
        return None
    if MINIFIED.search(path.name) or any(len(line) > MINIFIED_LINE_CHARS for line in content.splitlines()):
        return "it is minified"
    if GENERATED.search(content[:GENERATED_WITHIN_CHARS]):
        return "it is generated"
    return None
