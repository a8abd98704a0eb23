// The filters beside the list, each choice with the traces that it would leave; and the stages above it.

import { latest } from "./api.js";
import { $, el, number } from "./dom.js";
import { notice } from "./list.js";
import { facets, filters, set, state } from "./state.js";

const TITLES = {
  verdict: "Verdict",
  decision: "Filter",
  reason: "Dropped for",
  ended: "Ended by",
  model: "Model",
  suite: "Suite",
  run: "Run",
};
const STAGES = [["generate", "Traces"], ["train", "Examples"], ["eval", "Eval"], ["all", "All"]];
const ALONE = new Set(["suite", "run", "model", "ended"]); // of one choice only: nothing to choose

const ask = latest("facets");
let counts = {};

export async function refresh() {
  try {
    const answer = await ask(filters());
    if (!answer) return;
    counts = answer.facets;
    notice("filters", "");
    draw();
  } catch (error) {
    notice("filters", error.message);
  }
}

export function draw() {
  drawStages();
  const sections = facets.map(section).filter(Boolean);
  const focused = document.activeElement?.dataset?.choice;
  $("filters").replaceChildren(...sections, lengths(), clearing());
  if (focused) $("filters").querySelector(`[data-choice="${CSS.escape(focused)}"]`)?.focus();
}

function drawStages() {
  const known = Object.fromEntries((counts.stage ?? []).map(({ value, count }) => [value, count]));
  known.all = Object.values(known).reduce((sum, count) => sum + count, 0);
  const tabs = STAGES.map(([stage, title]) =>
    el(
      "button",
      {
        type: "button",
        className: "tab",
        "aria-pressed": String(state.stage === stage),
        disabled: !known[stage] && state.stage !== stage,
        onclick: () => set({ stage, in: "", id: "", in2: "", id2: "" }),
      },
      title,
      el("span", { className: "count" }, number(known[stage])),
    ),
  );
  $("stages").replaceChildren(...tabs);
}

function section(name) {
  const choices = [...(counts[name] ?? [])];
  for (const value of state[name]) if (!choices.some((c) => c.value === value)) choices.push({ value, count: 0 });
  const isIdle = !state[name].length && ALONE.has(name) && choices.length < 2;
  const says = choices.some(({ value }) => value !== "undecided");
  if (!choices.length || isIdle || !says) return null;
  return el(
    "section",
    {},
    el("h2", {}, TITLES[name]),
    el("ul", {}, ...choices.map(({ value, count }) => el("li", {}, choice(name, value, count)))),
  );
}

function choice(name, value, count) {
  const isChosen = state[name].includes(value);
  const others = state[name].filter((chosen) => chosen !== value);
  return el(
    "button",
    {
      type: "button",
      className: `choice ${name === "verdict" ? value : ""}`,
      title: value,
      "aria-pressed": String(isChosen),
      "data-choice": `${name}=${value}`,
      onclick: () => set({ [name]: isChosen ? others : [...others, value] }),
    },
    el("span", { className: "label" }, value),
    el("span", { className: "count" }, number(count)),
  );
}

function lengths() {
  const limit = (name, label) =>
    el(
      "label",
      {},
      label,
      el("input", {
        type: "number",
        id: name,
        min: "0",
        step: "1",
        value: state[name],
        placeholder: "any",
        onchange: (event) => set({ [name]: event.target.value }),
      }),
    );
  return el(
    "section",
    {},
    el("h2", {}, "Length in tokens"),
    el("div", { className: "lengths" }, limit("least", "from"), limit("most", "to")),
  );
}

function clearing() {
  const isFiltered = facets.some((name) => state[name].length) || state.text || state.least || state.most;
  if (!isFiltered) return "";
  const none = Object.fromEntries(facets.map((name) => [name, []]));
  return el(
    "button",
    { type: "button", className: "clear", onclick: () => set({ ...none, text: "", least: "", most: "" }) },
    "Clear all filters",
  );
}
