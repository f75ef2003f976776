// What a reader says of an answer: a thumb, why, and how it should read. Sent to /feedback, whole each time.

import { element } from "./elements.js";

const FAILED = "That was not kept. Try again in a moment.";

/** A button that is pressed or not. */
function thumb(label, sign) {
  const button = element("button", { type: "button", className: "thumb", title: label }, sign);
  button.setAttribute("aria-label", label);
  button.setAttribute("aria-pressed", "false");
  return button;
}

async function send(body) {
  const response = await fetch("/feedback", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  if (response.ok) return;
  const problem = await response.json().catch(() => null);
  throw new Error(problem?.error?.message ?? FAILED);
}

/** The form that opens below the thumbs: a reason, and the answer to be edited. */
function details(answer, turn) {
  const why = element("input", { id: `turn-${turn}-why`, maxLength: 1000, placeholder: "What was good or wrong?" });
  const text = element("textarea", { id: `turn-${turn}-correction`, maxLength: 4000, rows: 4, value: answer });
  const save = element("button", { type: "submit" }, "Save");
  const form = element("form", { className: "feedback-form", hidden: true },
    element("label", { htmlFor: why.id }, "Why"), why,
    element("label", { htmlFor: text.id }, "As you would have written it (40 to 200 words in whole sentences teach the next model)"), text,
    save);
  return { form, why, text };
}

/** Thumbs and form for an answer. */
export function feedbackOn({ id, answer }, turn) {
  const up = thumb("Good answer", "👍");
  const down = thumb("Bad answer", "👎");
  const told = element("span", { className: "quiet", role: "status" });
  const { form, why, text } = details(answer, turn);
  let rating = null;

  async function keep() {
    const correction = text.value.trim() === answer.trim() ? "" : text.value;
    try {
      await send({ id, rating, correction, comment: why.value });
      told.textContent = "Thank you.";
    } catch (error) {
      told.textContent = error instanceof TypeError ? FAILED : error.message;
    }
  }

  for (const [button, value] of [[up, "up"], [down, "down"]]) {
    button.addEventListener("click", async () => {
      rating = value;
      up.setAttribute("aria-pressed", String(button === up));
      down.setAttribute("aria-pressed", String(button === down));
      form.hidden = false;
      await keep();
    });
  }
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    await keep();
  });
  return element("div", { className: "feedback" }, element("p", { className: "thumbs" }, up, down, told), form);
}
