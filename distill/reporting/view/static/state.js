// What the page shows is in its address, so that an address can be passed on, and so that Back goes back.

const LISTS = ["verdict", "decision", "reason", "ended", "model", "suite", "run"];
const TEXTS = ["stage", "text", "least", "most", "order", "in", "id", "in2", "id2", "raw"];
const FILTERS = ["stage", "text", "least", "most", "order", ...LISTS];

export const state = {};
const listeners = [];

export const facets = LISTS;

let usualStage = "";

// The stage of an address that names none.
export function setUsualStage(stage) {
  usualStage = stage;
  state.stage ||= stage;
}

export function read() {
  const given = new URLSearchParams(location.search);
  for (const name of LISTS) state[name] = given.getAll(name);
  for (const name of TEXTS) state[name] = given.get(name) ?? "";
  state.stage ||= usualStage;
}

function query(names) {
  const given = new URLSearchParams();
  for (const name of names) for (const value of [state[name]].flat()) if (value) given.append(name, value);
  return given;
}

// The filters as the server takes them. `all` is the page's own word for no stage.
export function filters() {
  const given = query(FILTERS);
  if (given.get("stage") === "all") given.delete("stage");
  return given;
}

export const onChange = (listener) => listeners.push(listener);

export function set(changes, { replaces = false } = {}) {
  Object.assign(state, changes);
  const search = query([...TEXTS, ...LISTS]).toString();
  const address = `${location.pathname}${search ? `?${search}` : ""}`;
  if (address !== location.pathname + location.search) {
    if (replaces) history.replaceState(null, "", address);
    else history.pushState(null, "", address);
  }
  for (const listener of listeners) listener();
}

export const isComparing = () => Boolean(state.id && state.id2);

addEventListener("popstate", () => {
  read();
  for (const listener of listeners) listener();
});
