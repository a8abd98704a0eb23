// Starts the page, and keeps it up to date: the server is asked once a second whether anything changed.

import { ask } from "./api.js";
import * as detail from "./detail.js";
import { $ } from "./dom.js";
import * as filters from "./filters.js";
import * as keys from "./keys.js";
import * as list from "./list.js";
import { onChange, read, set, setUsualStage, state } from "./state.js";

const EVERY = 1000; // milliseconds; a poll, because an open stream would hold up the end of the server
const HIDDEN_EVERY = 5000;
const FRESH = 4000;

let version = 0;
let changedAt = -Infinity;

function show() {
  if (document.activeElement !== $("text")) $("text").value = state.text;
  $("order").value = state.order || "file";
  filters.draw();
  return Promise.all([list.refresh(version), filters.refresh(), detail.refresh(version)]);
}

async function look() {
  let pulse;
  try {
    pulse = await ask("pulse");
  } catch {
    say("ended", "distill view has ended");
    return;
  }
  if (!state.stage) setUsualStage(usualStage(pulse.stages));
  if (pulse.version !== version) {
    if (version) changedAt = performance.now();
    version = pulse.version;
    await show();
  }
  list.notice("journals", pulse.notices.join("; "));
  if (pulse.is_building) say("reading", "reading");
  else if (performance.now() - changedAt < FRESH) say("live", "live");
  else say("", "up to date");
}

function say(className, text) {
  $("live").className = className;
  $("live").textContent = text;
}

async function keepLooking() {
  await look();
  setTimeout(keepLooking, document.hidden ? HIDDEN_EVERY : EVERY);
}

async function start() {
  read();
  keys.start();
  list.start();
  onChange(show);
  let typing = 0;
  $("text").addEventListener("input", (event) => {
    clearTimeout(typing);
    typing = setTimeout(() => set({ text: event.target.value }, { replaces: true }), 150);
  });
  $("order").addEventListener("change", (event) => set({ order: event.target.value }));
  $("filters-button").addEventListener("click", () => document.body.classList.toggle("has-filters"));
  keepLooking();
}

// A run that has only been measured has no traces of its own: then everything is shown.
function usualStage(stages) {
  const wanted = state.in.includes("/train") ? "train" : state.in.includes("/eval/") ? "eval" : "generate";
  return stages.length && !stages.includes(wanted) ? "all" : wanted;
}

start();
