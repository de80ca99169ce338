// The board: follows /v1/stream, draws what changed, and says so when it no longer knows.

import {
  STATES, ago, byId, cell, clock, count, curve, date, duration, elsewhere, enter, fill, flaps, hear, make,
  moment, now, number, onZone, outcome, parse, reason, row, rowHead, say, shape, silence, state, time, whoami,
  zoneName,
} from "/assets/shared.js";

/** Seconds without a word from the server (it speaks every five) after which the board is history. */
const LOST_S = 12;
const AGAIN_MS = 2000;

let board = null, place = 0, source = null, opened = false;
let lastSeen = null;

// ---- Following -----------------------------------------------------------------------------------

function follow() {
  source?.close();
  source = new EventSource("/v1/stream");
  source.addEventListener("board", (event) => {
    board = JSON.parse(event.data);
    place = board.lags.step;
    heard(board.at);
  });
  source.addEventListener("change", (event) => {
    const change = JSON.parse(event.data);
    lay(change);
    heard(change.at);
  });
  source.addEventListener("beat", (event) => heard(JSON.parse(event.data).at));
  source.addEventListener("error", async () => {
    if (source.readyState !== EventSource.CLOSED) return;  // it comes back by itself
    const session = await whoami();
    if (!session.admitted) { location.reload(); return; }
    setTimeout(follow, AGAIN_MS);
  });
}

function heard(at) {
  hear(at);
  lastSeen = now();
  draw();
}

/** Lay a change over the board. */
function lay(change) {
  for (const part of ["overall", "quarantine"]) if (change[part]) board[part] = change[part];
  for (const part of ["apps", "canaries", "campaigns"]) {
    for (const [name, fields] of Object.entries(change[part] ?? {})) {
      if (fields === null) delete board[part][name];
      else board[part][name] = { ...board[part][name], ...fields };
    }
  }
  if (change.lags) move(change.lags);
}

/** One more point on every curve; steps that were missed are gaps. */
function move({ step, points }) {
  const { curves, points: kept } = board.lags;
  for (const [name, lag] of Object.entries(points)) {
    const lags = curves[name] ?? Array(kept).fill(null);
    for (let missed = place + 1; missed < step; missed += 1) lags.push(null);
    lags.push(lag);
    curves[name] = lags.slice(-kept);
  }
  place = step;
}

// ---- Drawing -------------------------------------------------------------------------------------

const lost = () => silence() > LOST_S;

function draw() {
  if (board === null) return;
  drawHead();
  drawApps();
  drawQuarantine();
  drawCanaries();
  drawCampaigns();
}

/** The one sentence, and whether it can be believed. */
function verdict() {
  const apps = Object.values(board.apps), { overall } = board;
  const off = apps.filter((app) => !app.aligned);
  if (lost()) return ["lost", "Not known now. When last seen, all were aligned as of"];
  if (overall.watcher.silent) return ["bad", "The watcher is silent. When last heard, all were aligned as of"];
  if (apps.length === 0) return ["none", "No application is registered. The log is read as of"];
  if (overall.aligned) return ["good", "All applications aligned as of"];
  if (overall.aligned_as_of === null) return ["bad", `${off.length} of ${apps.length} not aligned. Nobody can say as of when all are`];
  if (off.length === 0) return ["bad", "Not aligned: all hold only what was said before"];
  return ["bad", `${off.length} of ${apps.length} not aligned. All hold what was said before`];
}

const SAID = { good: "All applications are aligned.", lost: "The connection is lost: what is shown is history.", none: "No application is registered." };
const TITLES = { good: "Aligned", lost: "Connection lost", none: "No application" };

function drawHead() {
  const [kind, words] = verdict();
  const asOf = parse(board.overall.aligned_as_of);
  document.body.dataset.verdict = kind;
  say(byId("verdict"), words);
  flaps(byId("clock"), asOf);
  say(byId("age"), asOf === null ? "" : `${ago(asOf)} ago`);
  say(byId("other-zone"), asOf === null ? "" : `${date(asOf)}, ${zoneName()} · ${elsewhere(asOf)}`);
  const off = Object.values(board.apps).filter((app) => !app.aligned);
  const title = `${TITLES[kind] ?? `${off.length} not aligned`} · Noli`;
  if (document.title !== title) document.title = title;
  say(byId("say"), SAID[kind] ?? (off.length ? `Not aligned: ${off.map((app) => app.app).join(", ")}.` : words));
  const lags = board.lags.curves["*"] ?? [];
  fill(byId("whole-curve"), lags.join(), () => [curve(lags, 300, 60)]);
  drawHolders(kind);
  drawLost();
}

function drawHolders(kind) {
  const { overall } = board;
  const lines = [];
  if (kind === "bad") {
    if (overall.watcher.silent) {
      const at = parse(overall.watcher.at);
      lines.push(at === null ? "The watcher has not said a word yet." : `The watcher was last heard at ${moment(at)}.`);
    }
    // What holds single applications back stands in their rows.
    lines.push(...overall.held_by.filter((hold) => COMMON.has(hold.why)).map((hold) => `All: ${reason({ ...hold, count: 1, detail: null })}`));
  }
  const list = byId("holders");
  list.hidden = lines.length === 0;
  fill(list, lines.join("\n"), () => lines.map((text) => make("li", { text })));
}

function drawLost() {
  const alarm = byId("lost");
  const gone = lost();
  alarm.hidden = !gone;
  say(byId("pulse"), gone ? "Not connected." : `Live. Last news ${clock(lastSeen)}.`);
  if (!gone) { fill(alarm, "", () => []); return; }
  // Said once: a text that counts seconds would be read out every second.
  fill(alarm, "lost", () => [`Connection lost. Last seen ${moment(lastSeen)}: what is shown below is history, not news.`]);
}

const COMMON = new Set(["quarantine", "parties"]);
const PRIORITY = ["silent", "held", "unknown", "behind", "paused", "aligned"];

function drawApps() {
  const apps = Object.values(board.apps).sort((a, b) =>
    PRIORITY.indexOf(a.state) - PRIORITY.indexOf(b.state) || (a.app < b.app ? -1 : 1));
  byId("apps").hidden = apps.length === 0;
  byId("no-apps").hidden = apps.length > 0;
  keyed(byId("apps").tBodies[0], apps, (app) => app.app, newRow, drawRow);
}

function newRow(app) {
  const link = make("a", { href: `/apps/${encodeURIComponent(app.app)}`, text: app.app });
  const cells = [cell(), number("lag"), cell(), number("pending"), cell(), cell()];
  ["as-of", "lag", "curve", "pending", "why", "attempt"].forEach((name, n) => cells[n].classList.add(name));
  return row(rowHead(link, make("span", { class: "sink" })), state(), ...cells);
}

function drawRow(row, app) {
  const [name, state, asOf, lag, drawn, pending, why, attempt] = row.children;
  const at = parse(app.aligned_as_of);
  if (row.dataset.state !== app.state) row.dataset.state = app.state;
  say(name.lastChild, app.sink ?? "");
  const word = `${lost() ? "was " : ""}${STATES[app.state] ?? app.state}`;
  fill(state, word, () => [shape(app.state), make("span", { text: word })]);
  fill(asOf, `${at} ${zoneName()}`, () => [at === null ? "not known" : time(at)]);
  say(lag, at === null ? "–" : duration((now() - at) / 1000));
  const lags = board.lags.curves[app.app] ?? [];
  fill(drawn, lags.join(), () => [curve(lags, 132, 30)]);
  say(pending, count(app.pending));
  say(why, app.held_by.length || app.state !== "behind" ? app.held_by.map(reason).join("; ") : waiting(app));
  fill(attempt, `${tried(app)} ${zoneName()}`, () => tried(app).map((text) => make("span", { text })));
}

function waiting(app) {
  const oldest = parse(app.oldest_pending);
  return `${count(app.pending)} contacts wait${oldest === null ? "" : `, the oldest for ${ago(oldest)}`}`;
}

/** The last attempt in two lines: what came back; when, and how much was sent. */
function tried(app) {
  const last = app.last_attempt;
  if (last === null) return [];
  const next = parse(app.next_try);
  const again = next === null ? "" : next > now() ? `; again in ${duration((next - now()) / 1000)}` : "; again now";
  return [`${outcome(last)}, ${count(last.ms)} ms${again}`, `${moment(parse(last.at))}, ${count(last.contacts)} sent`];
}

function drawQuarantine() {
  const { count: held, oldest, topics } = board.quarantine;
  const since = parse(oldest);
  const base = byId("content").dataset.runbooks.replace(/\/$/, "");
  const name = "docs/runbooks/quarantine.md";
  fill(byId("quarantine"), `${held} ${oldest} ${zoneName()}`, () => [
    make("p", { class: "big", "data-bad": held > 0, text: count(held) }),
    make("p", { text: held === 0 ? "No record waits for a human." : `${held === 1 ? "record waits" : "records wait"} for a human. Until then ${held === 1 ? "its contact is" : "their contacts are"} suppressed, and no application counts as aligned past it.` }),
    ...(held === 0 ? [] : [make("p", {}, "Oldest: ", time(since), ` (${topics.join(", ")}).`)]),
    make("p", {}, "Runbook: ", base ? make("a", { href: `${base}/quarantine.md`, text: name }) : make("code", { text: name })),
  ]);
}

const PHASES = {
  objecting: ["behind", "objecting"], objected: ["aligned", "arrived"], consenting: ["behind", "consenting"],
  consented: ["aligned", "arrived"], lost: ["silent", "lost"],
};

const MISSING = {
  intake: "not accepted", receipt: "not confirmed", lookup: "not in the lookup", read_back: "not read back",
};
/** Seconds without a word of the probe after which what it said is history. */
const QUIET_S = 60;

function flown(canary) {
  const [kind, word] = PHASES[canary.phase] ?? ["unknown", canary.phase];
  if (lost() || (now() - parse(canary.at)) / 1000 > QUIET_S) return ["unknown", `was ${word}, no news since`];
  return [kind, canary.phase === "lost" && canary.missing ? `${word}: ${MISSING[canary.missing] ?? canary.missing}` : word];
}

function drawCanaries() {
  const all = Object.values(board.canaries);
  byId("canaries").hidden = all.length === 0;
  byId("no-canaries").hidden = all.length > 0;
  const create = () => row(rowHead(), state(), number("took"), cell(), number("late"), number("lost"));
  keyed(byId("canaries").tBodies[0], all, (canary) => canary.app, create, (row, canary) => {
    const [kind, word] = flown(canary);
    const [name, state, took, ok, late, gone] = row.children;
    row.dataset.state = kind;
    say(name, canary.app);
    fill(state, word, () => [shape(kind), make("span", { text: word })]);
    say(took, canary.last_ms === null ? "–" : `${count(canary.last_ms)} ms`);
    const at = parse(canary.last_ok);
    say(ok, at === null ? "never" : `${ago(at)} ago`);
    say(late, count(canary.late));
    say(gone, count(canary.lost));
  });
}

function drawCampaigns() {
  const all = Object.values(board.campaigns).sort((a, b) => b.over - a.over || (b.ratio ?? 0) - (a.ratio ?? 0));
  byId("campaigns").hidden = all.length === 0;
  byId("no-campaigns").hidden = all.length > 0;
  const labels = ["silent per 100", "answered", "silent", "cut late", "no comfort noise", "holds confirmed"];
  const create = () => row(rowHead(), state(), ...labels.map((label) => number(label)));
  keyed(byId("campaigns").tBodies[0], all, (one) => `${one.controller} ${one.campaign}`, create, (row, one) => {
    const [name, state, ratio, answered, silent, late, noise, holds] = row.children;
    const kind = one.over ? "held" : "aligned";
    row.dataset.state = kind;
    fill(name, one.campaign, () => [one.campaign, make("span", { class: "sink", text: one.controller })]);
    const since = parse(one.over_since);
    fill(state, `${kind} ${since} ${zoneName()}`, () => [shape(kind), make("span", { text: one.over ? `stopped${since === null ? "" : ` since ${moment(since)}`}` : "within the limit" })]);
    say(ratio, one.ratio === null ? "–" : one.ratio.toFixed(2));
    say(answered, count(one.answered));
    say(silent, count(one.silent));
    say(late, count(one.late_cuts));
    say(noise, count(one.no_comfort_noise));
    say(holds, `${count(one.holds_confirmed)} of ${count(one.holds_due)}`);
  });
}

/** One row per thing, in their order; whoever stands on one stays there when it is moved. */
function keyed(body, things, key, create, update) {
  const rows = new Map([...body.rows].map((row) => [row.dataset.name, row]));
  const focused = document.activeElement;
  things.forEach((thing, n) => {
    const name = key(thing);
    let row = rows.get(name);
    if (row === undefined) {
      row = create(thing);
      row.dataset.name = name;
    }
    rows.delete(name);
    if (body.rows[n] !== row) body.insertBefore(row, body.rows[n] ?? null);
    update(row, thing);
  });
  for (const row of rows.values()) row.remove();
  if (body.contains(focused) && document.activeElement !== focused) focused.focus({ preventScroll: true });
}

function begin() {
  if (!opened) setInterval(draw, 1000);
  opened = true;
  follow();
}

onZone(draw);
enter(begin);
