// An example as the student reads it: what is in the loss, and what is not.

import { el, number, tree } from "./dom.js";

export function mask(found) {
  return found.state === "tokens" ? byToken(found) : byMessage(found);
}

function byToken(found) {
  const share = Math.round((100 * found.loss_tokens) / found.num_tokens);
  return el(
    "section",
    { className: "mask" },
    el("h3", {}, "As the student reads it"),
    legend(
      `${number(found.num_tokens - found.loss_tokens)} tokens not in the loss`,
      `${number(found.loss_tokens)} tokens in the loss (${share} %)`,
    ),
    el("div", { className: "tokens" }, ...found.stretches.map(({ in_loss: inLoss, pieces: tokens }) => pieces(tokens, inLoss ? "in" : "out"))),
    found.left_out ? el("p", { className: "quiet" }, `and ${number(found.left_out)} more tokens`) : null,
  );
}

function legend(outside, inside) {
  return el(
    "p",
    { className: "legend" },
    el("span", { className: "swatch out" }, outside),
    el("span", { className: "swatch in" }, inside),
  );
}

function pieces(found, kind) {
  const spans = found.map(([text, count, isSpecial]) =>
    el("span", { className: `token${isSpecial ? " special" : ""}`, title: count > 1 ? `${count} tokens` : undefined }, text),
  );
  return el("span", { className: kind, "data-loss": kind }, ...spans);
}

function byMessage(found) {
  const why =
    found.state === "loading"
      ? "The student's tokenizer is being loaded; meanwhile, by message."
      : `By message, without the student's tokens: ${found.why}.`;
  return el(
    "section",
    { className: "mask" },
    el("h3", {}, "As the student reads it"),
    legend("not in the loss", "in the loss"),
    el("p", { className: "quiet" }, why),
    found.masked ? el("p", { className: "quiet" }, `${number(found.masked)} characters of the reply are masked: not in the loss.`) : null,
    ...found.messages.map(({ role, in_loss: inLoss, body }) =>
      el(
        "div",
        { className: `message ${inLoss ? "in" : "out"}`, "data-loss": inLoss ? "in" : "out" },
        el("h4", {}, role),
        el("div", { className: "text" }, tree(body)),
      ),
    ),
  );
}
