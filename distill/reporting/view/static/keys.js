// The keys, and the page that lists them.

import { close, compare, copyLink, scroll, sibling } from "./detail.js";
import { $, el } from "./dom.js";
import { current, ends, move, open } from "./list.js";
import { set, state } from "./state.js";

const KEYS = [
  ["j or \u2193", "next trace"],
  ["k or \u2191", "previous trace"],
  ["Enter or o", "open it"],
  ["Esc", "close what is open"],
  ["g, G", "first, last"],
  ["[ and ]", "previous and next sibling: another trace of the same problem"],
  ["c", "compare: right against wrong, side by side"],
  ["Shift-click on a sibling", "while comparing, put it on the other side"],
  ["r", "text as written, or with formulas and code set"],
  ["y", "copy the link to what is shown"],
  ["Space", "scroll what is open"],
  ["/", "search the problems"],
  ["t", "light or dark"],
  ["?", "this list"],
];

const ACTIONS = {
  j: () => move(1),
  ArrowDown: () => move(1),
  k: () => move(-1),
  ArrowUp: () => move(-1),
  g: ends.first,
  G: ends.last,
  Enter: () => open(Math.max(0, current())),
  o: () => open(Math.max(0, current())),
  Escape: close,
  "[": () => sibling(-1),
  "]": () => sibling(1),
  c: compare,
  r: () => set({ raw: state.raw ? "" : "1" }, { replaces: true }),
  y: copyLink,
  " ": scroll,
  "/": () => $("text").select(),
  t: toggleTheme,
  "?": help,
};

function help() {
  const dialog = $("keys");
  if (dialog.open) return dialog.close();
  dialog.replaceChildren(
    el("h2", {}, "Keys"),
    el("dl", {}, ...KEYS.map(([name, what]) => [el("dt", {}, el("kbd", {}, name)), el("dd", {}, what)])),
    el("button", { type: "button", className: "plain", onclick: () => dialog.close() }, "Close"),
  );
  dialog.showModal();
}

function remembered() {
  try {
    return localStorage.getItem("distill-theme");
  } catch {
    return null; // a browser that keeps nothing
  }
}

export function toggleTheme() {
  const isDark = document.documentElement.dataset.theme
    ? document.documentElement.dataset.theme === "dark"
    : matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.dataset.theme = isDark ? "light" : "dark";
  try {
    localStorage.setItem("distill-theme", document.documentElement.dataset.theme);
  } catch {
    // the choice lasts as long as the page
  }
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const target = event.target;
  if (target.matches("input, select, textarea")) {
    if (event.key === "Escape" || (event.key === "Enter" && target.id === "text")) {
      target.blur();
      $("rows").focus();
    }
    return;
  }
  if ($("keys").open && event.key !== "?") return;
  if (target.matches("button, summary") && (event.key === "Enter" || event.key === " ")) return;
  const action = ACTIONS[event.key];
  if (!action) return;
  event.preventDefault();
  action();
}

export function start() {
  const theme = remembered();
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  addEventListener("keydown", onKey);
  $("help").addEventListener("click", help);
  $("theme").addEventListener("click", toggleTheme);
}
