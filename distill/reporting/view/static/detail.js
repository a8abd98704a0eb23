// The open trace or example; and two traces of one problem side by side.

import { ask } from "./api.js";
import { $, el, number, tree, verdictMark } from "./dom.js";
import { isComparing, set, state } from "./state.js";
import { mask } from "./tokens.js";

let shown = "";
let opened = [];
let turn = 0;
let asked = "";

const key = (trace) => `${trace.in}\n${trace.id}`;

export async function refresh(version) {
  document.body.classList.toggle("has-detail", Boolean(state.id));
  document.body.classList.toggle("comparing", isComparing());
  const question = JSON.stringify([version, state.in, state.id, state.in2, state.id2, state.raw]);
  if (question === asked) return;
  asked = question;
  const mine = (turn += 1);
  if (!state.id) return empty();
  const wanted = [[state.in, state.id], ...(isComparing() ? [[state.in2, state.id2]] : [])];
  const address = JSON.stringify([wanted, state.raw]);
  let found;
  try {
    found = await Promise.all(wanted.map(([place, id]) => ask("trace", new URLSearchParams({ in: place, id, raw: state.raw }))));
  } catch (error) {
    if (mine === turn) missing(error.message);
    return;
  }
  if (mine !== turn) return;
  const content = JSON.stringify([address, found]);
  if (content !== shown) draw(found, address !== JSON.parse(shown || "[null]")[0]);
  shown = content;
  opened = found;
  if (found.some((one) => one.mask?.state === "loading")) setTimeout(() => mine === turn && again(version), 700);
}

function again(version) {
  asked = "";
  refresh(version);
}

function empty() {
  shown = "";
  opened = [];
  document.title = "distill view";
  const keys = [["j", "k"], ["Enter"], ["/"], ["?"]];
  const words = ["next and previous", "open", "search", "all keys"];
  $("detail").replaceChildren(
    el(
      "div",
      { className: "welcome" },
      el("h2", {}, "Open a trace to read it"),
      el("dl", {}, ...keys.map((names, index) => [el("dt", {}, ...names.map((name) => el("kbd", {}, name))), el("dd", {}, words[index])])),
    ),
  );
}

function missing(text) {
  shown = "";
  $("detail").replaceChildren(el("div", { className: "welcome" }, el("h2", {}, "Not here"), el("p", {}, text)));
}

function draw(found, isOther) {
  const columns = [...$("detail").querySelectorAll(".column")].map((column) => column.scrollTop);
  const top = $("detail").scrollTop;
  const [first] = found;
  document.title = `${first.kind === "example" ? "example " : ""}${first.id} - distill view`;
  const parts = [
    heading(found),
    found.length > 1 ? null : summary(first),
    el("div", { className: "context" }, problem(first.problem), strip(found)),
    found.length > 1
      ? el("div", { className: "columns" }, ...found.map((one) => el("div", { className: "column", tabIndex: 0 }, summary(one), ...body(one))))
      : el("div", { className: "body" }, ...body(first)),
  ];
  $("detail").replaceChildren(...parts.filter(Boolean));
  if (isOther) {
    $("detail").scrollTop = 0;
    return;
  }
  $("detail").scrollTop = top;
  $("detail").querySelectorAll(".column").forEach((column, index) => (column.scrollTop = columns[index] ?? 0));
}

function heading(found) {
  const [first] = found;
  const button = (text, name, action, isPressed) =>
    el("button", { type: "button", className: "plain", title: `${text} (${name})`, "aria-pressed": isPressed, onclick: action }, text, el("kbd", {}, name));
  return el(
    "header",
    { className: "heading" },
    button("Back", "Esc", close),
    el("h2", {}, found.length > 1 ? "Right against wrong" : first.kind === "example" ? `Example ${first.id}` : first.id),
    el(
      "span",
      { className: "actions" },
      first.kind === "trace" ? button("Compare", "c", compare, String(isComparing())) : null,
      button("As written", "r", () => set({ raw: state.raw ? "" : "1" }, { replaces: true }), String(Boolean(state.raw))),
      button("Copy link", "y", copyLink),
    ),
  );
}

function summary(one) {
  const fate = one.decision === "dropped" ? `dropped by ${one.reason}` : one.decision === "kept" ? "kept" : "";
  const parts = [one.suite ? `${one.run} / ${one.suite}` : one.run, one.kind === "example" ? `example ${one.id}` : `${one.model} #${one.sample}`];
  if (one.tokens) parts.push(`${number(one.tokens)} tokens`);
  return el(
    "div",
    { className: "summary" },
    el("span", { className: `badge ${one.verdict}` }, one.verdict),
    one.ended && one.ended !== "stop" ? el("span", { className: "badge ended" }, one.ended === "length" ? "truncated" : one.ended) : null,
    fate ? el("span", { className: `badge ${one.decision}` }, fate) : null,
    el("span", { className: "quiet" }, parts.join(" · ")),
  );
}

function problem(one) {
  return el(
    "section",
    { className: "problem" },
    el("h3", {}, "Problem"),
    el("div", { className: "text" }, tree(one.prompt.length ? one.prompt : [one.id])),
    one.facts.length ? facts(one.facts) : null,
  );
}

const facts = (pairs) =>
  el("dl", { className: "facts" }, ...pairs.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))));

function body(one) {
  if (one.kind === "example") return [mask(one.mask), links("Made of", one.made_of, (to) => `trace ${to.id}`)];
  return [
    one.thinking.length
      ? el("details", { className: "thinking", open: true }, el("summary", {}, "Thought"), el("div", { className: "text" }, tree(one.thinking)))
      : null,
    el("section", { className: "answer" }, el("h3", {}, "Answer"), el("div", { className: "text" }, tree(one.answer.length ? one.answer : ["(no answer)"]))),
    el("section", {}, el("h3", {}, "What is known of it"), facts(one.facts)),
    links("Taught as", one.taught, (to) => `example ${to.id}`),
  ].filter(Boolean);
}

function links(title, targets, name) {
  if (!targets.length) return null;
  const buttons = targets.map((to) =>
    el("button", { type: "button", className: "plain", onclick: () => set({ in: to.in, id: to.id, in2: "", id2: "" }) }, name(to)),
  );
  return el("section", {}, el("h3", {}, title), el("p", { className: "links" }, ...buttons));
}

// All traces of the problem, those of one model and place together; beside each other, the two that are open.
function strip(found) {
  const [first] = found;
  if (first.siblings.length < 2) return null;
  const groups = new Map();
  const isOneRun = new Set(first.siblings.map(({ run }) => run)).size === 1;
  for (const one of first.siblings) {
    const name = [isOneRun ? "" : one.run, one.suite, one.model].filter(Boolean).join(" · ");
    groups.set(name, [...(groups.get(name) ?? []), one]);
  }
  const open = found.map(key);
  return el(
    "section",
    { className: "siblings" },
    el("h3", {}, `Siblings (${first.siblings.length})`),
    ...[...groups].map(([name, members]) =>
      el("div", { className: "group" }, groups.size > 1 ? el("span", { className: "quiet" }, name) : null, ...members.map((one) => chip(one, open))),
    ),
  );
}

function chip(one, open) {
  const place = open.indexOf(key(one));
  return el(
    "button",
    {
      type: "button",
      className: `chip ${one.verdict}`,
      title: `${one.verdict}, ${one.ended}, ${number(one.tokens)} tokens, sample ${one.sample}`,
      "aria-pressed": String(place >= 0),
      onclick: (event) => choose(one, event.shiftKey),
    },
    verdictMark(one.verdict),
    number(one.tokens),
  );
}

// Side by side, a wrong trace goes to the right and any other to the left; with shift, the other way round.
function choose(one, isSwapped) {
  if (!isComparing()) return set({ in: one.in, id: one.id });
  const isRight = (one.verdict === "incorrect") !== isSwapped;
  set(isRight ? { in2: one.in, id2: one.id } : { in: one.in, id: one.id });
}

export function close() {
  if (isComparing()) set({ in2: "", id2: "" });
  else set({ in: "", id: "", in2: "", id2: "" });
}

export function compare() {
  const [one] = opened;
  if (isComparing()) return set({ in2: "", id2: "" });
  if (!one || one.kind !== "trace") return;
  const others = one.siblings.filter((other) => key(other) !== key(one));
  const isWrong = one.verdict === "incorrect";
  const other = others.find(({ verdict }) => verdict === (isWrong ? "correct" : "incorrect")) ?? others[0];
  if (!other) return;
  const [left, right] = isWrong ? [other, one] : [one, other];
  set({ in: left.in, id: left.id, in2: right.in, id2: right.id });
}

export function sibling(step) {
  const [one] = opened;
  if (!one || isComparing()) return;
  const place = one.siblings.findIndex((other) => key(other) === key(one));
  const next = one.siblings[(place + step + one.siblings.length) % one.siblings.length];
  if (next) set({ in: next.in, id: next.id }, { replaces: true });
}

export async function copyLink() {
  try {
    await navigator.clipboard.writeText(location.href);
    flash("Link copied; it works on this machine while distill view runs");
  } catch {
    flash("The browser does not let the page copy; the link is in the address bar");
  }
}

export function scroll() {
  const boxes = isComparing() ? [...$("detail").querySelectorAll(".column")] : [$("detail")];
  for (const box of boxes) box.scrollBy({ top: 0.8 * box.clientHeight, behavior: "smooth" });
}

export function flash(text) {
  const note = el("p", { className: "flash", role: "status" }, text);
  document.body.append(note);
  setTimeout(() => note.remove(), 2500);
}
