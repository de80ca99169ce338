// What every page uses: time, words, elements, the session.

const MINUTE = 60, HOUR = 3600, DAY = 86400;

/** Milliseconds of the server's clock now: its last word, moved on by a clock that does not step. */
let told = { at: Date.now(), heard: performance.now() };
export const now = () => told.at + (performance.now() - told.heard);
export const hear = (at) => { told = { at: Date.parse(at), heard: performance.now() }; };
/** Seconds since the server was last heard. */
export const silence = () => (performance.now() - told.heard) / 1000;

// ---- Times: in the reader's zone, or UTC at the press of a button -------------------------------

const here = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
let utc = remembered() === "utc";
const listeners = [];
const forms = new Map();

function remembered() {
  try { return localStorage.getItem("noli.zone"); } catch { return null; }
}

function form(zone, options) {
  const key = zone + JSON.stringify(options);
  if (!forms.has(key)) forms.set(key, new Intl.DateTimeFormat("en-GB", { timeZone: zone, ...options }));
  return forms.get(key);
}

const CLOCK = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };
const DATE = { day: "numeric", month: "short", year: "numeric" };
const zone = () => (utc ? "UTC" : here);
export const zoneName = () => zone().replace("_", " ");

/** 14:03:22 */
export const clock = (ms, where = zone()) => form(where, CLOCK).format(ms);
export const date = (ms) => form(zone(), DATE).format(ms);
/** 14:03:22, with the day where it is another one. */
export const moment = (ms) => (date(ms) === date(now()) ? clock(ms) : `${date(ms)}, ${clock(ms)}`);
/** The same moment in the other zone, for beside it. */
export const elsewhere = (ms) => (utc ? `${clock(ms, here)} ${here.replace("_", " ")}` : `${clock(ms, "UTC")} UTC`);
export const parse = (text) => (text === null || text === undefined ? null : Date.parse(text));

/** A duration as a person reads it: 2 s, 4 min 05 s, 2 h 07 min, 3 days. */
export function duration(seconds) {
  const s = Math.max(0, Math.floor(seconds));
  if (s < MINUTE) return `${s} s`;
  if (s < HOUR) return `${Math.floor(s / MINUTE)} min ${String(s % MINUTE).padStart(2, "0")} s`;
  if (s < DAY) return `${Math.floor(s / HOUR)} h ${String(Math.floor((s % HOUR) / MINUTE)).padStart(2, "0")} min`;
  return `${Math.floor(s / DAY)} d ${Math.floor((s % DAY) / HOUR)} h`;
}
export const ago = (ms) => duration((now() - ms) / 1000);
export const count = (n) => (n === null || n === undefined ? "–" : n.toLocaleString("en-GB"));

/** Call `draw` whenever the reader wants other times. */
export function onZone(draw) { listeners.push(draw); }

function zoneButton() {
  const button = byId("zone");
  const show = () => {
    button.setAttribute("aria-pressed", String(utc));
    say(button, "UTC");
    button.title = utc ? `Times are in UTC; press for ${here}` : `Times are in ${here}; press for UTC`;
  };
  button.addEventListener("click", () => {
    utc = !utc;
    try { localStorage.setItem("noli.zone", utc ? "utc" : "here"); } catch { /* not kept then */ }
    show();
    for (const draw of listeners) draw();
  });
  show();
}

// ---- Elements ------------------------------------------------------------------------------------

export const byId = (id) => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";

/** An element with attributes (`text` is its text) and children; `svg:` before a name makes it SVG. */
export function make(name, attributes = {}, ...children) {
  const found = name.startsWith("svg:")
    ? document.createElementNS(SVG, name.slice(4)) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "text") found.textContent = value;
    else if (value !== null && value !== undefined && value !== false) found.setAttribute(key, value === true ? "" : value);
  }
  found.append(...children.filter((child) => child !== null && child !== undefined));
  return found;
}

/** Write a text only where it differs: what does not change is not touched, nor read out again. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** A `<time>`: the reader's clock, the moment itself for programs and for whoever points at it. */
export function time(ms, shown = moment(ms)) {
  return make("time", { datetime: new Date(ms).toISOString(), title: elsewhere(ms), text: shown });
}

/** A cell; one of numbers says on a phone what it counts, where there is no column to stand under. */
export const cell = (text = "") => make("td", { role: "cell", text });
export const number = (label, value = "") => make("td", { role: "cell", class: "number", "data-label": label, text: value });
export const rowHead = (...children) => make("th", { role: "rowheader", scope: "row", class: "name" }, ...children);
export const row = (...cells) => make("tr", { role: "row" }, ...cells);
export const state = () => make("td", { role: "cell", class: "state" });

/** Tables become cards on a phone; their roles are said, so that they stay tables for who listens. */
function tables() {
  const roles = { table: "table", thead: "rowgroup", tbody: "rowgroup", "thead tr": "row", "thead th": "columnheader" };
  for (const [which, role] of Object.entries(roles)) {
    for (const element of document.querySelectorAll(which)) element.setAttribute("role", role);
  }
}

/** Replace the children of an element where `key` says that they are others. */
const drawn = new WeakMap();
export function fill(element, key, children) {
  if (drawn.get(element) === key) return;
  drawn.set(element, key);
  element.replaceChildren(...children());
}

export function shape(name) {
  const use = make("svg:use", { href: `#s-${name}` });
  return make("svg:svg", { class: "shape", "aria-hidden": "true", focusable: "false" }, use);
}

// ---- What things are called ----------------------------------------------------------------------

export const STATES = {
  aligned: "aligned", behind: "catching up", held: "held back", paused: "paused",
  silent: "silent", unknown: "not known",
};
const WHY = {
  not_reported: "its connector has not reported yet",
  partition_unknown: "not known on every partition",
  paused: "paused by somebody",
  wrong: "verdicts it does not hold",
  unreadable: "decisions that cannot be read",
  quarantine: "records in quarantine",
  parties: "facts of persons are not known to be handed on",
  dead: "its connector is silent",
  unknown: "the watcher has not spoken of it",
  watcher: "the watcher is silent",
  clock: "clocks disagree",
};

/** What holds an application back, in words. */
export function reason(hold) {
  const many = hold.count > 1 ? `${count(hold.count)} ` : "";
  const since = hold.since ? `, since ${moment(parse(hold.since))}` : "";
  const detail = hold.detail ? ` (${hold.detail})` : "";
  return `${many}${WHY[hold.why] ?? hold.why}${detail}${since}`;
}

const OUTCOME = { applied: "taken", partial: "taken in part", retried: "not taken", unknown: "not known" };

/** What came back of an attempt, in words. */
export function outcome(attempt) {
  const word = OUTCOME[attempt.outcome] ?? attempt.outcome;
  return attempt.reason ? `${word}: ${attempt.reason}` : word;
}

// ---- The curve -----------------------------------------------------------------------------------

const LIMIT = 10, TOP = 60;

/** Lags in seconds as a curve; a gap is a gap. Higher is later, by the logarithm: 1 s and 1 h both show. */
export function curve(lags, width, height) {
  const known = lags.filter((lag) => lag !== null);
  const top = Math.log1p(Math.max(TOP, ...known));
  const x = (n) => 1 + (n * (width - 6)) / Math.max(1, lags.length - 1);
  const y = (lag) => height - 3 - (Math.log1p(lag) / top) * (height - 6);
  let path = "", pen = false;
  lags.forEach((lag, n) => {
    if (lag === null) { pen = false; return; }
    path += `${pen ? "L" : "M"}${x(n).toFixed(1)} ${y(lag).toFixed(1)}`;
    if (!pen && (n + 1 === lags.length || lags[n + 1] === null)) path += "h.1";
    pen = true;
  });
  const last = lags.at(-1) ?? null;
  const words = known.length
    ? `Lag of the last 15 minutes: at most ${duration(Math.max(...known))}, ${last === null ? "not known now" : `${duration(last)} now`}`
    : "Lag of the last 15 minutes: not known";
  return make("svg:svg",
    { class: "spark", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": words, preserveAspectRatio: "none" },
    make("svg:line", { class: "limit", x1: 0, x2: width, y1: y(LIMIT).toFixed(1), y2: y(LIMIT).toFixed(1) }),
    make("svg:path", { d: path || "M0 0", class: last !== null && last >= LIMIT ? "line late" : "line" }));
}

// ---- The clock of flaps --------------------------------------------------------------------------

/** Show a moment on the flaps, and as text for whoever does not see them. */
export function flaps(element, ms) {
  const text = ms === null ? "--:--:--" : clock(ms);
  const [shown, unseen] = element.children;
  if (shown.children.length !== text.length) {
    shown.replaceChildren(...[...text].map((c) => make("span", { class: c === ":" ? "colon" : "flap", text: c })));
  }
  [...text].forEach((c, n) => {
    const flap = shown.children[n];
    if (flap.textContent === c) return;
    flap.textContent = c;
    flap.classList.remove("turned");
    requestAnimationFrame(() => flap.classList.add("turned"));
  });
  say(unseen, ms === null ? "not known" : moment(ms));
  if (ms !== null) unseen.dateTime = new Date(ms).toISOString();
}

// ---- The session ---------------------------------------------------------------------------------

/** What every page begins with. */
export function start() {
  zoneButton();
  tables();
  for (const link of document.querySelectorAll("nav a")) {
    if (link.dataset.for === document.body.dataset.page) link.setAttribute("aria-current", "page");
  }
}

/** Call `begin` once the board may be seen: at once, or after signing in. */
export async function enter(begin) {
  start();
  const form = byId("sign-in-form");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const key = byId("sign-in-key");
    const error = await signIn(key.value.trim());
    say(byId("sign-in-error"), error ?? "");
    key.setAttribute("aria-invalid", String(error !== null));
    if (error !== null) { key.focus(); return; }
    key.value = "";
    await look(begin);
  });
  byId("sign-out").addEventListener("click", async () => {
    await fetch("/v1/session", { method: "DELETE" });
    location.reload();
  });
  await look(begin);
}

async function look(begin) {
  const session = await whoami();
  byId("sign-in").hidden = session.admitted;
  byId("content").hidden = !session.admitted;
  byId("sign-out").hidden = session.by === null;
  if (session.admitted) begin();
  else say(byId("pulse"), "Not signed in.");
}

/** Whether the board may be seen; nothing is known while the server does not answer. */
export async function whoami() {
  for (;;) {
    try {
      const answer = await fetch("/v1/session");
      if (answer.ok) return await answer.json();
    } catch { /* asked again below */ }
    await new Promise((done) => setTimeout(done, 2000));
  }
}

async function signIn(key) {
  if (!window.isSecureContext) {
    return "This page was opened without TLS, where a key would be readable on the way: open it over https.";
  }
  try {
    const answer = await fetch("/v1/session", { method: "POST", headers: { Authorization: `Bearer ${key}` } });
    return answer.ok ? null : (await answer.json()).detail;
  } catch {
    return "The server does not answer; try again.";
  }
}
