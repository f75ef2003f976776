"""The model container as a process: one contract for both engines, and what only a real server can show."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from twin.errors import GenerationInterrupted, InputError, ModelUnavailable, Overloaded
from twin.processes import wait_until
from twin.serving.client import ChatClient, Completion, Delta
from twin.serving.process import ModelProcess, model_process, start_model
from twin.settings import EndpointSettings, read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

QUESTION = [{"role": "system", "content": "You answer in one sentence."}, {"role": "user", "content": "What is a dog?"}]
LONG = 400
COUNTING = [{"role": "user", "content": "Write the numbers from 1 to 1000, one per line."}]
"""SmolLM2 goes on with this for LONG tokens and more, many seconds long."""

LOOPING = [{"role": "user", "content": "Say that you love dogs, again and again."}]


@pytest.fixture(scope="module")
def settings() -> EndpointSettings:
    # One thread: two that wait for each other at every layer crawl when other tests use the cores.
    update = {"context_tokens": 1024, "slots": 2, "queue_limit": 4, "threads": 1}
    return read(EndpointSettings).model_copy(update=update)


@pytest.fixture(scope="module")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A llama of two layers with random weights, over a vocabulary of sixty words, in Hugging Face's format."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    words = ["<unk>", "<end>", *(f"word{number}" for number in range(60))]
    tokenizer = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", eos_token="<end>")
    fast.chat_template = "{% for message in messages %}{{ message.role }} {{ message.content }} {% endfor %}"
    config = LlamaConfig(
        vocab_size=len(words),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=512,
        bos_token_id=1,
        eos_token_id=1,
    )
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("tiny")
    LlamaForCausalLM(config).save_pretrained(folder)
    fast.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def llama(gguf: Path, settings: EndpointSettings) -> Iterator[ChatClient]:
    with model_process(gguf, settings=settings) as client:
        yield client


@pytest.fixture(scope="module")
def transformers(tiny_folder: Path, settings: EndpointSettings) -> Iterator[ChatClient]:
    with model_process(tiny_folder, settings=settings) as client:
        yield client


@pytest.fixture(params=["llama", "transformers"])
def client(request: pytest.FixtureRequest) -> ChatClient:
    """A client of each engine in turn."""
    return request.getfixturevalue(request.param)


def load_of(client: ChatClient) -> tuple[int, int]:
    """Answers in the making and requests that wait."""
    ping = httpx.get(f"{client.base_url}/ping", trust_env=False).json()
    return ping["active"], ping["waiting"]


def wait_for_load(client: ChatClient, wanted: Callable[[int, int], bool]) -> None:
    wait_until(lambda: wanted(*load_of(client)), what="the load", timeout=20)


async def read_stream(client: ChatClient, **options: Any) -> list[Delta]:
    deltas = [delta async for delta in client.stream(QUESTION, **options)]
    await client.aclose()
    return deltas


def greedy(client: ChatClient, messages: list[dict[str, str]], tokens: int, **options: Any) -> str:
    body = {"messages": messages, "max_tokens": tokens, **options}
    reply = httpx.post(f"{client.base_url}/invocations", json=body, trust_env=False, timeout=60)
    return reply.raise_for_status().json()["choices"][0]["message"]["content"]


def repeated_4grams(text: str) -> float:
    words = text.split()
    grams = [tuple(words[at : at + 4]) for at in range(len(words) - 3)]
    return 1 - len(set(grams)) / len(grams)


# What holds for every engine


def test_an_answer_tells_its_cost_and_its_model(client: ChatClient) -> None:
    answer = client.complete(QUESTION, max_tokens=6)
    assert answer.text
    assert 1 <= answer.completion_tokens <= 6
    assert answer.prompt_tokens > 5
    assert answer.finish_reason in {"stop", "length"}
    assert answer.model == httpx.get(f"{client.base_url}/v1/models", trust_env=False).json()["data"][0]["id"]


def test_a_streamed_answer_is_the_whole_answer_in_pieces(client: ChatClient) -> None:
    whole = client.complete(QUESTION, max_tokens=12)
    *pieces, last = asyncio.run(read_stream(client, max_tokens=12))
    assert len(pieces) > 3
    assert "".join(piece.text for piece in pieces) == whole.text
    assert last.usage is not None
    assert (last.usage.prompt_tokens, last.usage.completion_tokens) == (whole.prompt_tokens, whole.completion_tokens)
    assert (last.finish_reason, last.model) == (whole.finish_reason, whole.model)


def test_the_answer_ends_before_a_stop_text(client: ChatClient) -> None:
    whole = client.complete(QUESTION, max_tokens=12).text
    stop = whole.split()[3]
    cut = client.complete(QUESTION, max_tokens=12, stop=[stop])
    assert cut.text == whole[: whole.index(stop)]
    assert cut.finish_reason == "stop"


def test_the_same_seed_gives_the_same_answer(client: ChatClient) -> None:
    texts = [client.complete(QUESTION, max_tokens=12, temperature=1.0, seed=seed).text for seed in (7, 7, 8, 9, 10)]
    assert texts[0] == texts[1]
    assert len(set(texts)) > 1


def test_a_prompt_longer_than_the_context_is_refused_with_both_lengths(client: ChatClient) -> None:
    prompt = [{"role": "user", "content": "word1 " * 3000}]
    with pytest.raises(InputError, match=r"The prompt has \d{4,} tokens and the model reads 512"):
        client.complete(prompt, max_tokens=5)

    async def stream() -> None:
        try:
            async for _ in client.stream(prompt, max_tokens=5):
                pytest.fail("something was generated")
        finally:
            await client.aclose()

    with pytest.raises(InputError, match="the model reads 512"):
        asyncio.run(stream())


def test_an_answer_that_loops_without_the_penalty_does_not_with_it(client: ChatClient) -> None:
    plain, served = (greedy(client, LOOPING, 60, **penalty) for penalty in ({"repetition_penalty": 1}, {}))
    assert repeated_4grams(plain) > 0.2
    assert repeated_4grams(served) < 0.1


@pytest.mark.parametrize(
    "body",
    [{"messages": []}, {"messages": "hello"}, {"messages": [{"role": "user", "content": "x"}], "max_tokens": -1}, {}],
)
def test_a_wrong_request_is_a_400_that_names_the_field(client: ChatClient, body: dict[str, Any]) -> None:
    reply = httpx.post(f"{client.base_url}/invocations", json=body, trust_env=False)
    assert reply.status_code == 400
    assert reply.json()["error"]["type"] == "InputError"
    assert "messages" in reply.text or "max_tokens" in reply.text


def test_a_reader_who_leaves_frees_the_slot(client: ChatClient) -> None:
    async def read_one_and_leave() -> None:
        stream = client.stream(COUNTING, max_tokens=LONG)
        assert (await anext(stream)).text
        await stream.aclose()
        await client.aclose()

    asyncio.run(read_one_and_leave())
    wait_for_load(client, lambda active, waiting: (active, waiting) == (0, 0))


# What only llama.cpp shows: quoting, slots, the queue, the cache


def test_the_penalty_leaves_the_words_of_the_prompt_to_be_quoted(llama: ChatClient) -> None:
    notes = "zebra falcon otter walrus badger ferret lynx heron"
    asked = [{"role": "user", "content": f"Repeat this list, word by word: {notes}"}]
    strict, plain = (greedy(llama, asked, 30, repetition_penalty=penalty) for penalty in (2, 1))
    assert "zebra falcon otter walrus badger" in plain
    assert strict == plain


def test_an_answer_that_fills_the_context_ends_there(llama: ChatClient) -> None:
    asked = [{"role": "user", "content": "Go on: " + "one two three four five six seven eight nine " * 52}]
    answer = llama.complete(asked, max_tokens=400)
    assert answer.finish_reason == "length"
    assert 8 < answer.completion_tokens <= 512 - answer.prompt_tokens


@pytest.mark.quiet
def test_a_caller_who_stops_waiting_for_a_whole_answer_frees_the_slot(llama: ChatClient) -> None:
    async def ask_and_leave() -> None:
        asking = asyncio.create_task(llama.acomplete(COUNTING, max_tokens=LONG))
        await asyncio.to_thread(wait_for_load, llama, lambda active, _: active == 1)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        await llama.aclose()

    started = time.monotonic()
    asyncio.run(ask_and_leave())
    wait_for_load(llama, lambda active, waiting: (active, waiting) == (0, 0))
    left_after = time.monotonic() - started
    whole = time.monotonic()
    llama.complete(COUNTING, max_tokens=60)
    assert left_after < (time.monotonic() - whole) * LONG / 60


def test_of_thirty_requests_at_once_some_are_refused_and_all_others_answered(llama: ChatClient) -> None:
    async def ask_thirty() -> list[Completion | BaseException]:
        asked = [llama.acomplete(QUESTION, max_tokens=8) for _ in range(30)]
        outcomes = await asyncio.gather(*asked, return_exceptions=True)
        await llama.aclose()
        return outcomes

    outcomes = asyncio.run(ask_thirty())
    answered = [one for one in outcomes if isinstance(one, Completion)]
    refused = [one for one in outcomes if isinstance(one, Overloaded)]
    assert len(answered) + len(refused) == 30
    assert len(refused) > 0
    assert len(answered) >= 6  # two slots and a queue of four
    assert {one.finish_reason for one in answered} <= {"stop", "length"}
    assert load_of(llama) == (0, 0)


def test_a_known_prompt_prefix_is_not_read_again(llama: ChatClient) -> None:
    prompt = [{"role": "system", "content": "Facts: " + "the sky is blue and the grass is green. " * 20}]

    def ask(question: str) -> dict[str, Any]:
        body = {"messages": [*prompt, {"role": "user", "content": question}], "max_tokens": 1}
        return httpx.post(f"{llama.base_url}/invocations", json=body, trust_env=False, timeout=60).json()["usage"]

    first, second = ask("Which colour has the sky?"), ask("What is green?")
    assert first["prompt_tokens_details"]["cached_tokens"] < 60
    assert second["prompt_tokens_details"]["cached_tokens"] > 0.8 * second["prompt_tokens"]


def test_llama_cpp_s_own_port_answers_nobody(gguf: Path) -> None:
    """xllamacpp opens an HTTP server of its own, whose key nobody is told."""
    from app.inference.llama import LlamaEngine

    engine = LlamaEngine(gguf, read(EndpointSettings).model_copy(update={"context_tokens": 512, "slots": 1}))
    own = f"{engine._server.listening_address}/v1/chat/completions"
    assert httpx.post(own, json={"messages": QUESTION}, trust_env=False).status_code == 401


# What only a process shows


@pytest.fixture
def process(gguf: Path, settings: EndpointSettings) -> Iterator[ModelProcess]:
    with start_model(gguf, settings=settings, name="twin@9") as model:
        wait_until(model.is_loaded, what="the model", timeout=60, child=model.child)
        yield model


def test_the_process_answers_to_the_name_it_was_given(process: ModelProcess) -> None:
    assert httpx.get(f"{process.url}/health/ready", trust_env=False).json()["model"] == "twin@9"
    assert ChatClient(f"{process.url}/v1").complete(QUESTION, max_tokens=1).model == "twin@9"


@pytest.mark.quiet
def test_sigterm_ends_the_process_in_five_seconds_even_in_the_middle_of_an_answer(process: ModelProcess) -> None:
    times: list[float] = []

    async def read_until_it_breaks() -> None:
        client = ChatClient(process.url)
        try:
            async for _ in client.stream(COUNTING, max_tokens=LONG):
                if not times:
                    times.append(time.monotonic())
                    stopping = asyncio.get_running_loop().run_in_executor(None, process.child.stop)
            await stopping
        finally:
            await client.aclose()
            await stopping
            times.append(time.monotonic())

    with pytest.raises(GenerationInterrupted):
        asyncio.run(read_until_it_breaks())
    assert times[1] - times[0] < 5
    assert process.child.poll() == 0


def test_a_model_that_does_not_load_ends_the_process_and_says_why(tmp_path: Path, settings: EndpointSettings) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF" + b"\0" * 100)
    for path, says in ((broken, "cannot be served"), (tmp_path / "absent", "expected a .gguf file")):
        with pytest.raises(ModelUnavailable, match=says), model_process(path, settings=settings):
            pytest.fail("it was served")
