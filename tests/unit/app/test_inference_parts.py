"""The model container without its models: the schema, stop texts, and what a folder holds."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.inference.model import find_model
from app.inference.repetition import stretches
from app.inference.schema import Piece, Reply, Usage, parse_request
from app.inference.stops import StopFilter
from twin.errors import ArtifactError, InputError

MESSAGE = {"role": "user", "content": "Who are you?"}


def test_a_request_needs_only_messages() -> None:
    request = parse_request(json.dumps({"messages": [MESSAGE]}).encode())
    assert (request.max_tokens, request.temperature, request.stream, request.stop_texts) == (256, 0.0, False, [])


def test_fields_of_openai_that_have_no_effect_here_are_accepted() -> None:
    body = {"messages": [MESSAGE], "user": "me", "logprobs": None, "metadata": {"trace_id": "t"}, "stop": "\n"}
    request = parse_request(json.dumps(body).encode())
    assert (request.metadata, request.stop_texts) == ({"trace_id": "t"}, ["\n"])


@pytest.mark.parametrize(
    ("wrong", "place"),
    [
        ({"messages": []}, "messages"),
        ({"messages": "hello"}, "messages"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "role"),
        ({"messages": [{"role": "user"}]}, "content"),
        ({"messages": [{"role": "user", "content": 3}]}, "content"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": "many"}, "max_tokens"),
        ({"temperature": -1}, "temperature"),
        ({"temperature": 99}, "temperature"),
        ({"top_p": 0}, "top_p"),
        ({"repetition_penalty": 0.5}, "repetition_penalty"),
        ({"repetition_penalty": 3}, "repetition_penalty"),
        ({"stop": [1]}, "stop"),
        ({"n": 4}, "n"),
        ({"stream": "yes"}, "stream"),
    ],
)
def test_a_wrong_field_is_named(wrong: dict[str, object], place: str) -> None:
    with pytest.raises(InputError, match=rf"\$\.{place}|{place}"):
        parse_request(json.dumps({"messages": [MESSAGE]} | wrong).encode())


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff\xfe"])
def test_a_body_that_is_no_request_is_refused(body: bytes) -> None:
    with pytest.raises(InputError, match="chat-completions schema"):
        parse_request(body)


def test_chunks_of_one_reply_share_its_id_and_tell_the_model() -> None:
    reply = Reply("twin@1")
    first = reply.chunk(Piece(text="I"))
    last = reply.chunk(Piece(finish_reason="stop", usage=Usage(5, 2, 4)))
    assert first["id"] == last["id"] == reply.id
    assert first["model"] == "twin@1"
    assert "usage" not in first
    assert last["choices"][0] == {"index": 0, "delta": {}, "finish_reason": "stop"}
    assert last["usage"]["total_tokens"] == 7
    assert last["usage"]["prompt_tokens_details"] == {"cached_tokens": 4}


@given(
    st.lists(st.text("ab\n#", max_size=4), max_size=12), st.lists(st.text("ab\n#", min_size=1, max_size=3), max_size=3)
)
def test_an_answer_ends_before_the_first_stop_text_however_it_arrives(pieces: list[str], stops: list[str]) -> None:
    text = "".join(pieces)
    cuts = [text.find(stop) for stop in stops if stop in text]
    stop_filter = StopFilter(stops)
    shown = "".join(stop_filter.feed(piece) for piece in pieces) + stop_filter.finish()
    if cuts and len(pieces) == 1:
        assert shown == text[: min(cuts)]
    assert text.startswith(shown)
    assert stop_filter.stopped == bool(cuts)
    assert not any(stop in shown for stop in stops)
    assert cuts or shown == text


def test_text_that_cannot_begin_a_stop_text_is_shown_at_once() -> None:
    stop_filter = StopFilter(["\n\n"])
    assert [stop_filter.feed(piece) for piece in ("a", "b\n", "c")] == ["a", "b", "\nc"]


def write(path: Path, content: object = "x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_a_gguf_file_is_a_model(tmp_path: Path) -> None:
    path = write(tmp_path / "tiny.gguf")
    files = find_model(path)
    assert (files.format, files.path, files.name) == ("gguf", path, "tiny")


def test_a_manifest_names_the_file_and_the_version(tmp_path: Path) -> None:
    path = write(tmp_path / "model-q8_0.gguf")
    write(tmp_path / "other.gguf")
    manifest = {"format": "gguf", "file": path.name, "name": "twin", "version": "1.2.0", "sha256": "…"}
    write(tmp_path / "manifest.json", manifest)
    files = find_model(tmp_path)
    assert (files.path, files.name) == (path, "twin@1.2.0")


def test_a_folder_is_read_without_a_manifest(tmp_path: Path) -> None:
    write(tmp_path / "hf" / "config.json", {})
    write(tmp_path / "gguf" / "one.gguf")
    assert find_model(tmp_path / "hf").format == "transformers"
    assert find_model(tmp_path / "gguf").path.name == "one.gguf"


@pytest.mark.parametrize(
    ("manifest", "says"),
    [
        ({"format": "gguf", "file": "gone.gguf"}, "gone.gguf"),
        ({"format": "onnx"}, "not a model's manifest"),
        ("{", "not a model's manifest"),
    ],
)
def test_a_manifest_that_does_not_fit_is_an_error(tmp_path: Path, manifest: object, says: str) -> None:
    write(tmp_path / "manifest.json", manifest)
    with pytest.raises(ArtifactError, match=says):
        find_model(tmp_path)


def test_a_folder_without_a_model_is_an_error_that_says_what_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"\.gguf file.*config\.json"):
        find_model(tmp_path)


def test_importing_the_container_and_its_engines_loads_nothing_heavy() -> None:
    program = (
        "import sys, app.inference.__main__, app.inference.llama, app.inference.torch_engine, twin.serving.host\n"
        "print(sorted({'torch', 'transformers', 'xllamacpp', 'numpy', 'dagster'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@given(st.integers(1, 700), st.integers(0, 130))
def test_a_penalty_counts_generated_tokens_only_up_to_its_window(max_tokens: int, window: int) -> None:
    done = 0
    cut = list(stretches(max_tokens, window))
    for stretch in cut:
        assert stretch.tokens > 0
        assert stretch.counted == min(done, window)
        done += stretch.tokens
    assert done == max_tokens
    assert len(cut) <= (1 if window == 0 else 7)
