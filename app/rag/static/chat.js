// The chat page: asks /rag/stream and shows the answer as it comes. Whatever arrives is shown as text, never as markup.

import { element } from "./elements.js";
import { feedbackOn } from "./feedback.js";

const log = document.getElementById("log");
const form = document.getElementById("ask");
const question = document.getElementById("question");
const author = document.getElementById("author");
const send = document.getElementById("send");
const stop = document.getElementById("stop");
const status = document.getElementById("status");
const UNREACHABLE = "The twin does not answer. See that it runs, then ask again.";

let turns = 0;
let running = null;

/** Yields [name, data] of each server-sent event of a response. */
async function* eventsOf(response) {
  let rest = "";
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const blocks = (rest + value).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      const fields = Object.fromEntries(block.split("\n").map((line) => {
        const colon = line.indexOf(":");
        return [line.slice(0, colon), line.slice(colon + 1).trimStart()];
      }));
      if (fields.data) yield [fields.event, JSON.parse(fields.data)];
    }
  }
}

/** Only web addresses become links; a path, or an address that would run something, is shown as text. */
function place(source) {
  const where = source.heading_path.filter((heading) => heading !== source.title).join(" › ");
  const isWeb = /^https?:\/\//i.test(source.url);
  const link = isWeb
    ? element("a", { href: source.url, target: "_blank", rel: "noopener noreferrer" }, source.url)
    : source.url;
  return [...(where ? [element("p", { className: "place quiet" }, where)] : []), element("p", { className: "place" }, link)];
}

function sourceItem(source, turn) {
  const likeness = source.relevance === null ? "" : `relevance ${source.relevance.toFixed(2)}`;
  const summary = element("summary", {},
    element("span", { className: "number" }, String(source.number)),
    element("span", { className: "title" }, source.title),
    element("span", { className: "likeness" }, likeness));
  const quote = element("blockquote", { cite: source.url }, source.text);
  return element("li", {}, element("details", { id: `turn-${turn}-source-${source.number}` }, summary, ...place(source), quote));
}

function citation(number, turn) {
  const target = `turn-${turn}-source-${number}`;
  const link = element("a", { className: "cite", href: `#${target}` }, String(number));
  link.setAttribute("aria-label", `source ${number}`);
  link.addEventListener("click", () => { document.getElementById(target).open = true; });
  return link;
}

/** The finished answer again, sentence by sentence, with its citations. */
function cited(sentences, turn) {
  return sentences.flatMap(({ text, sources, supported }) => {
    const body = text.trimEnd();
    const said = supported
      ? [body]
      : [element("span", { className: "unsupported", title: "No passage says this" }, body)];
    return [...said, ...sources.map((number) => citation(number, turn)), text.slice(body.length)];
  });
}

function figures({ timings, usage, model_version: model, finish_reason: reason }) {
  const parts = [`${(timings.total / 1000).toFixed(1)} s`];
  if (usage.completion_tokens) parts.push(`${usage.prompt_tokens} + ${usage.completion_tokens} tokens`);
  if (model) parts.push(model);
  if (reason === "length") parts.push("cut at its limit of tokens or seconds");
  return parts.join(" · ");
}

const DONE_BY_GUARDS = { block: "withheld", redact: "left out", flag: "marked" };

/** Which guards acted, in words; nothing where none did. */
function guarded({ guards }) {
  const said = guards.map(({ guard, direction, action }) => `${guard.replaceAll("_", " ")} in the ${direction}: ${DONE_BY_GUARDS[action]}`);
  return said.length ? [element("p", { className: "guarded" }, said.join(" · "))] : [];
}

function failure(message) {
  return element("p", { className: "failure", role: "alert" }, message);
}

function scrollDown() {
  log.scrollTop = log.scrollHeight;
}

/** Shows one event in its turn. */
function show(name, data, view) {
  if (name === "sources") {
    view.author.textContent = data.author ?? "";
    view.section.dataset.verdict = data.verdict ?? "";
    view.sources.replaceChildren(...data.sources.map((source) => sourceItem(source, view.turn)));
  } else if (name === "token") {
    view.answer.append(data.text);
  } else if (name === "retract") {
    view.answer.replaceChildren(data.text);
    view.answer.classList.add("withheld");
  } else if (name === "done") {
    view.ended = true;
    view.answer.classList.toggle("withheld", data.answer.status === "refused");
    view.answer.replaceChildren(...cited(data.answer.sentences, view.turn));
    view.section.append(...guarded(data.answer), element("p", { className: "figures" }, figures(data.answer)), feedbackOn(data.answer, view.turn));
  } else if (name === "error") {
    view.ended = true;
    view.section.append(failure(data.message));
  }
}

async function ask(text, view) {
  running = new AbortController();
  const body = { query: text };
  if (author?.value) body.author = author.value;
  const response = await fetch("/rag/stream", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
    signal: running.signal,
  });
  if (!response.ok) {
    const problem = await response.json().catch(() => null);
    view.section.append(failure(problem?.error?.message ?? UNREACHABLE));
    return;
  }
  for await (const [name, data] of eventsOf(response)) {
    show(name, data, view);
    scrollDown();
  }
  if (!view.ended) view.section.append(failure(UNREACHABLE));
}

function newTurn(text) {
  document.getElementById("welcome")?.remove();
  turns += 1;
  const view = {
    turn: turns,
    ended: false,
    author: element("p", { className: "author" }),
    answer: element("p", { className: "answer writing" }),
    sources: element("ol", { className: "sources" }),
  };
  view.sources.setAttribute("aria-label", "Sources");
  view.section = element("section", { className: "turn" },
    element("p", { className: "asked" }, text), view.author, view.answer, view.sources);
  log.append(view.section);
  return view;
}

function setBusy(busy) {
  send.hidden = busy;
  stop.hidden = !busy;
  log.setAttribute("aria-busy", String(busy));
  status.textContent = busy ? "Answering" : "Answered";
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const text = question.value.trim();
  if (!text || running) return;
  const view = newTurn(text);
  question.value = "";
  setBusy(true);
  scrollDown();
  try {
    await ask(text, view);
  } catch (error) {
    view.section.append(failure(error.name === "AbortError" ? "Stopped." : UNREACHABLE));
  } finally {
    view.answer.classList.remove("writing");
    running = null;
    setBusy(false);
    scrollDown();
    question.focus();
  }
});

stop.addEventListener("click", () => running?.abort());

question.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    form.requestSubmit();
  }
});
