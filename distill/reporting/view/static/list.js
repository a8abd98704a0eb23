// The list: as long as all traces, with only those in sight in the document. Pages are fetched as they come into sight.

import { ask } from "./api.js";
import { $, el, number, verdictMark } from "./dom.js";
import { filters, set, state } from "./state.js";

const PAGE = 100;
const ROW = 60;
const MARGIN = 6;
const MOST = 250_000; // rows: browsers stop at some height

let pages = new Map();
let pending = new Set();
let asked = "";
let total = 0;
let version = -1;
let cursor = -1;
let generation = 0;

const box = () => $("rows");

export const rowAt = (index) => pages.get(Math.floor(index / PAGE))?.[index % PAGE];
export const current = () => cursor;

export async function refresh(newest) {
  const question = filters().toString();
  const isOther = question !== asked;
  if (isOther) {
    asked = question;
    pages = new Map();
    cursor = -1;
    box().scrollTop = 0;
  } else if (newest === version) {
    find();
    return draw();
  }
  version = newest;
  generation += 1;
  pending = new Set();
  await Promise.all(inSight().map((page) => load(page)));
  find();
  draw();
  if (isOther && cursor >= 0) reveal(); // the open trace, in a list that is new
}

function inSight() {
  const first = Math.floor(box().scrollTop / ROW / PAGE);
  const last = Math.floor((box().scrollTop + box().clientHeight) / ROW / PAGE);
  const wanted = new Set([first, last]);
  if (cursor >= 0) wanted.add(Math.floor(cursor / PAGE));
  return [...wanted];
}

async function load(page) {
  if (pending.has(page)) return;
  pending.add(page);
  const mine = generation;
  const parameters = filters();
  parameters.set("offset", page * PAGE);
  try {
    const answer = await ask("rows", parameters);
    if (mine !== generation) return;
    pages.set(page, answer.rows);
    total = answer.total;
    notice("list", "");
  } catch (error) {
    if (mine === generation) notice("list", error.message);
  } finally {
    if (mine === generation) pending.delete(page);
  }
}

const notices = {};

// What is wrong, by who says so.
export function notice(who, text) {
  notices[who] = text;
  $("notice").textContent = Object.values(notices).filter(Boolean).join("; ");
  $("notice").hidden = !$("notice").textContent;
}

// Puts the cursor on the open trace, wherever new lines have moved it.
function find() {
  if (!state.id) return;
  const isOpen = (row) => row && row.in === state.in && row.id === state.id;
  if (isOpen(rowAt(cursor))) return;
  for (const [page, rows] of pages) {
    const place = rows.findIndex(isOpen);
    if (place >= 0) {
      cursor = page * PAGE + place;
      return;
    }
  }
}

export function draw() {
  const shown = Math.min(total, MOST);
  $("spacer").style.height = `${shown * ROW}px`;
  const beyond = total > MOST ? `; the list shows the first ${number(MOST)}` : "";
  $("total").textContent = total === 1 ? "1 trace" : `${number(total)} ${noun()}${beyond}`;
  const first = Math.max(0, Math.floor(box().scrollTop / ROW) - MARGIN);
  const last = Math.min(shown, Math.ceil((box().scrollTop + box().clientHeight) / ROW) + MARGIN);
  const drawn = [];
  for (let index = first; index < last; index += 1) {
    const row = rowAt(index);
    if (!row && !pages.has(Math.floor(index / PAGE))) load(Math.floor(index / PAGE)).then(later);
    const element = row ? drawRow(row, index) : el("div", { className: "row empty" });
    element.style.transform = `translateY(${index * ROW}px)`;
    drawn.push(element);
  }
  if (!total) drawn.push(el("p", { className: "nothing" }, asked.replace(/stage=\w+/, "") ? "Nothing fits these filters." : "Nothing here yet."));
  $("spacer").replaceChildren(...drawn);
  if (cursor >= 0) box().setAttribute("aria-activedescendant", `row-${cursor}`);
}

const noun = () => ({ train: "examples", all: "traces and examples" })[state.stage] ?? "traces";

let frame = 0;
function later() {
  cancelAnimationFrame(frame);
  frame = requestAnimationFrame(draw);
}

function drawRow(row, index) {
  const isOpen = row.in === state.in && row.id === state.id;
  const who = row.stage === "train" ? `example ${row.id}` : `${row.model} #${row.sample}`;
  const place = row.suite ? `${row.suite} · ` : "";
  const fate = row.decision === "dropped" ? row.reason || "dropped" : row.decision === "kept" ? "kept" : "";
  return el(
    "div",
    {
      className: `row${index === cursor ? " cursor" : ""}${isOpen ? " open" : ""}`,
      id: `row-${index}`,
      role: "option",
      "aria-selected": String(isOpen),
      onclick: () => open(index),
    },
    verdictMark(row.verdict),
    el("div", { className: "prompt" }, row.prompt || row.problem),
    el(
      "div",
      { className: "about" },
      row.tokens ? el("span", {}, `${number(row.tokens)} tokens`) : null,
      row.ended && row.ended !== "stop" ? el("span", { className: "tag ended" }, row.ended) : null,
      fate ? el("span", { className: `tag ${row.decision}` }, fate) : null,
      el("span", { className: "who" }, place + who),
    ),
  );
}

export function open(index, options = {}) {
  const row = rowAt(index);
  if (!row) return;
  cursor = index;
  set({ in: row.in, id: row.id, in2: "", id2: "" }, options);
}

// One row on or back; what is open follows.
export async function move(step) {
  const index = Math.max(0, Math.min(total - 1, MOST - 1, cursor + step));
  if (index === cursor || !total) return;
  cursor = index;
  const page = Math.floor(index / PAGE);
  reveal();
  if (!pages.has(page)) await load(page);
  if (cursor !== index) return;
  if (state.id) open(index, { replaces: true });
  draw();
}

function reveal() {
  const top = cursor * ROW;
  if (top < box().scrollTop) box().scrollTop = top;
  if (top + ROW > box().scrollTop + box().clientHeight) box().scrollTop = top + ROW - box().clientHeight;
}

export const ends = { first: () => move(-Infinity), last: () => move(Infinity) };

export function start() {
  box().addEventListener("scroll", later, { passive: true });
  addEventListener("resize", later);
}
