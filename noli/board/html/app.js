// One application: asked for once a second or so, while the page is looked at.

import {
  STATES, ago, byId, cell, clock, count, curve, date, duration, elsewhere, enter, fill, flaps, hear, make,
  moment, now, number, onZone, outcome, parse, reason, row, say, shape, silence, time, zoneName,
} from "/assets/shared.js";

const LOST_S = 8, EVERY_MS = 1000;
const name = decodeURIComponent(location.pathname.split("/").at(-1));
let app = null, problem = null, lastSeen = null;

async function ask() {
  try {
    const answer = await fetch(`/v1/alignment/${encodeURIComponent(name)}`, { signal: AbortSignal.timeout(5000) });
    if (answer.status === 401) { location.reload(); return; }
    const body = await answer.json();
    problem = answer.ok ? null : body.detail;
    if (answer.ok) { app = body; hear(app.at); lastSeen = now(); }
  } catch { /* said by `draw` once it lasts */ }
}

async function follow() {
  for (;;) {
    if (!document.hidden || app === null) await ask();
    draw();
    await new Promise((done) => setTimeout(done, EVERY_MS));
  }
}

const lost = () => app !== null && !document.hidden && silence() > LOST_S;

function draw() {
  drawLost();
  say(byId("name"), name);
  if (app === null) { say(byId("state"), problem ?? ""); return; }
  const asOf = parse(app.aligned_as_of);
  document.body.dataset.verdict = lost() ? "lost" : app.aligned ? "good" : "bad";
  const state = STATES[app.state] ?? app.state;
  const words = lost() ? `When last seen: ${state}, as of` : app.aligned ? "aligned as of" : asOf === null ? `${state}; nobody can say as of when it is aligned` : `${state}; it holds what was said before`;
  fill(byId("state"), `${app.state} ${words}`, () => [shape(app.state), words]);
  flaps(byId("clock"), asOf);
  say(byId("age"), asOf === null ? "" : `${ago(asOf)} ago`);
  say(byId("other-zone"), asOf === null ? "" : `${date(asOf)}, ${zoneName()} · ${elsewhere(asOf)}`);
  const title = `${lost() ? "Connection lost" : `${name}: ${state}`} · Noli`;
  if (document.title !== title) document.title = title;
  say(byId("say"), lost() ? "The connection is lost: what is shown is history." : `${name} is ${state}.`);
  const holders = byId("holders");
  const lines = app.held_by.map(reason);
  holders.hidden = lines.length === 0;
  fill(holders, lines.join("\n"), () => lines.map((text) => make("li", { text })));
  fill(byId("curve"), app.lags.join(), () => [curve(app.lags, 600, 90)]);
  drawFacts();
  drawTables();
}

function drawLost() {
  const alarm = byId("lost"), gone = lost();
  alarm.hidden = !gone;
  say(byId("pulse"), gone ? "Not connected." : lastSeen === null ? "Not connected yet." : `Live. Last news ${clock(lastSeen)}.`);
  fill(alarm, String(gone), () => (gone ? [`Connection lost. Last seen ${moment(lastSeen)}: what is shown below is history, not news.`] : []));
}

function pairs(id, found) {
  const shown = found.filter(([, value]) => value !== null && value !== "");
  fill(byId(id), JSON.stringify(shown), () => shown.map(([term, value]) => make("div", {}, make("dt", { text: term }), make("dd", { text: value }))));
}

function drawFacts() {
  const oldest = parse(app.oldest_pending), reported = parse(app.reported_at), last = app.canary && parse(app.canary.last_ok);
  pairs("facts", [
    ["Contacts pending", count(app.pending)],
    ["The oldest was accepted", oldest === null ? null : `${ago(oldest)} ago`],
    ["Failures in a row", count(app.failures)],
    ["Last failure", app.last_error],
    ["Decisions it cannot read", count(app.unreadable)],
    ["Verdicts it does not hold", count(app.wrong)],
    ["Connector last heard", reported === null ? "never" : moment(reported)],
    ["Canary", app.canary === null ? "none sent yet" : last === null ? "none arrived yet" : `arrived ${ago(last)} ago, took ${count(app.canary.last_ms)} ms`],
  ]);
  pairs("serves", [
    ["Sink", app.sink], ["Controllers", app.controllers.join(", ")], ["Channels", app.channels.join(", ")],
    ["Purposes", app.purposes.join(", ")], ["Third party", app.third_party ? "yes" : "no"],
    ["State set by", app.by], ["Since", moment(parse(app.since))], ["Because", app.reason],
    ["Last job", app.job === null ? null : `${app.job.verb}, asked by ${app.job.by} at ${moment(parse(app.job.asked))}: ${count(app.job.passed)} of ${count(app.job.total)} records`],
  ]);
}

function rows(id, found, cells) {
  byId(id).hidden = found.length === 0;
  byId(`no-${id}`).hidden = found.length > 0;
  fill(byId(id).tBodies[0], zoneName() + JSON.stringify(found), () => found.map((one) => row(...cells(one))));
}

const at = (ms) => make("td", { role: "cell" }, ms === null ? "not known" : time(ms));

function drawTables() {
  rows("attempts", app.attempts.toReversed(), (one) => [
    at(parse(one.at)), number("sent", count(one.contacts)), cell(outcome(one)), number("answered in", `${count(one.ms)} ms`),
  ]);
  rows("wrong", app.wrong_changes.slice(0, 50), (one) => [
    at(parse(one.accepted)), cell(one.outcome), cell(one.reason ?? ""), number("partition", count(one.partition)),
  ]);
  rows("partitions", app.partitions, (one) => [
    number("partition", count(one.partition)), number("frontier", count(one.frontier)), at(parse(one.as_of)),
  ]);
  const next = parse(app.next_try);
  say(byId("next-try"), next === null ? "" : next > now() ? `It is tried again in ${duration((next - now()) / 1000)}.` : "It is tried again now.");
}

onZone(() => { draw(); });
enter(follow);
