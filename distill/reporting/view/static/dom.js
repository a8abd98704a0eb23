// Makes what the page shows, node by node. Nothing is ever parsed as HTML, so text cannot become anything else.

const MATHML = "http://www.w3.org/1998/Math/MathML";
const HTML_TAGS = new Set(["span", "code", "pre"]);
const MATH_TAGS = new Set(
  ("math mrow mi mn mo mtext mspace msqrt mroot mfrac msub msup msubsup munder mover munderover mtable mtr mtd mstyle " +
    "mpadded mphantom mmultiscripts mprescripts none merror").split(" "),
);
const MATH_ATTRIBUTES = new Set(
  ("display displaystyle scriptlevel mathvariant stretchy fence form separator lspace rspace width height depth voffset " +
    "minsize maxsize linethickness columnalign rowspacing columnspacing accent accentunder movablelimits largeop " +
    "symmetric mathsize title").split(" "),
);
const CLASS = /^(code|boxed|tok-[a-z]+)$/;

export const $ = (id) => document.getElementById(id);

// An element of the page itself: properties by name, `on` handlers as functions, `data` and `aria` as attributes.
export function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null) continue;
    if (name.includes("-") || name === "role") element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

// What the server made of a model's text. Tags and attributes that are not known here become the text they hold.
export function tree(nodes) {
  const fragment = document.createDocumentFragment();
  for (const node of nodes) fragment.append(typeof node === "string" ? node : branch(node));
  return fragment;
}

function branch([tag, attributes, ...children]) {
  const isMath = MATH_TAGS.has(tag);
  const element = isMath
    ? document.createElementNS(MATHML, tag)
    : document.createElement(HTML_TAGS.has(tag) ? tag : "span");
  for (const [name, value] of Object.entries(attributes)) {
    const isAllowed = name === "class" ? CLASS.test(value) : isMath && MATH_ATTRIBUTES.has(name);
    if (isAllowed) element.setAttribute(name, value);
  }
  element.append(tree(children));
  return element;
}

export const number = (value) => (value ?? 0).toLocaleString("en");

export const MARKS = { correct: "\u2713", incorrect: "\u2717", unverifiable: "?", unjudged: "\u00b7" };

export function verdictMark(verdict) {
  return el("span", { className: `mark ${verdict}`, title: verdict, "aria-label": verdict, role: "img" }, MARKS[verdict]);
}
