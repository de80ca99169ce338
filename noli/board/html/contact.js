// The timeline of one contact. The key and the contact stay in this page: neither is stored, nor in an address.

import { byId, clock, date, make, moment, onZone, parse, say, shape, start, time, zoneName } from "/assets/shared.js";

let found = null;

async function ask(event) {
  event.preventDefault();
  const show = byId("show");
  say(byId("error"), "");
  show.disabled = true;
  say(show, "Reading the log …");
  say(byId("say"), "Reading the log.");
  try {
    await answer();
  } catch {
    refuse("The server does not answer; try again.");
  } finally {
    show.disabled = false;
    say(show, "Show");
  }
}

async function answer() {
  const got = await fetch("/v1/contacts/timeline", {
    method: "POST",
    headers: { "Content-Type": "application/json", Authorization: `Bearer ${byId("key").value.trim()}` },
    body: JSON.stringify({
      controller: byId("controller").value, contact: { kind: byId("kind").value, value: byId("value").value },
    }),
  });
  const body = await got.json();
  if (!got.ok) { refuse(body.detail); return; }
  found = body;
  draw();
  say(byId("say"), `${found.entries.length} entries.`);
  byId("now-title").focus();
}

function refuse(why) {
  found = null;
  byId("found").hidden = true;
  say(byId("say"), "");
  say(byId("error"), why);
}

// ---- Drawing -------------------------------------------------------------------------------------

function draw() {
  if (found === null) return;
  byId("found").hidden = false;
  say(byId("now-at"), `As of ${moment(parse(found.at))}, ${zoneName()}.`);
  byId("now").replaceChildren(...found.now.map(verdict));
  byId("line").replaceChildren(...days());
  say(byId("doubts"), doubts().join(" "));
  say(byId("searched"), searched());
}

const listed = (words) => words.join(", ").replaceAll("_", " ");

function verdict(one) {
  const why = one.allowed ? (one.basis ?? "").replaceAll("_", " ") : one.reasons.map((reason) => reason.words).join(" ");
  const until = one.until === null ? "" : ` Until ${moment(parse(one.until))}.`;
  return make("li", { "data-state": one.allowed ? "aligned" : "held" },
    make("p", { class: "state" }, shape(one.allowed ? "aligned" : "held"), one.allowed ? "allowed" : "denied"),
    make("p", {}, make("strong", { text: listed(one.purposes) }), ` by ${listed(one.channels)}${one.brand === "*" ? "" : `, brand ${one.brand}`}`),
    make("p", { class: "note", text: `${why}${until}` }));
}

/** Entries under the day they belong to, in the reader's zone. */
function days() {
  const parts = [];
  let day = null, list = null;
  for (const entry of found.entries) {
    const at = parse(entry.at);
    if (date(at) !== day) {
      day = date(at);
      list = make("ol", { class: "rail" });
      parts.push(make("h3", { text: day }), list);
    }
    list.append(station(entry, at));
  }
  return parts.length ? parts : [make("p", { class: "nothing", text: "Nothing is recorded of this contact: unknown, hence denied." })];
}

const DRAWN = { fact: fact, verdict: turn, receipt: receipt };

function station(entry, at) {
  const [state, mark, title, ...lines] = DRAWN[entry.kind](entry);
  return make("li", { class: entry.kind, "data-state": state },
    time(at, clock(at)), make("span", { class: "stop" }, shape(mark)),
    make("div", {}, make("p", { class: "what" }, ...title), ...lines.filter(Boolean).map((text) => make("p", { class: "note", text }))));
}

function fact(entry) {
  const acted = entry.time === entry.accepted ? "" : `; acted ${moment(parse(entry.time))}`;
  const told = [`told by ${entry.source}`, entry.source_id && `obtained ${entry.source_id}`, entry.evidence_ref && `evidence ${entry.evidence_ref}`];
  return [entry.denies ? "denies" : "plain", entry.denies ? "held" : "unknown",
    [make("strong", { text: entry.words }), entry.details ? `: ${entry.details}` : ""],
    `accepted ${moment(parse(entry.accepted))}${acted}`, told.filter(Boolean).join("; "), `receipt ${entry.receipt}`];
}

const TURNS = {
  "false true": "From here allowed", "true false": "From here denied",
  "true true": "Still allowed, but otherwise", "false false": "Still denied, but otherwise",
};

function turn(entry) {
  const until = entry.until === null ? "" : ` Until ${moment(parse(entry.until))}.`;
  const why = entry.allowed ? `on ${(entry.basis ?? "").replaceAll("_", " ")}.` : entry.reasons.map((reason) => reason.words).join(" ");
  const itself = entry.by_itself ? "By itself: its time had come. " : "";
  return [entry.allowed ? "allowed" : "denied", entry.allowed ? "aligned" : "held",
    [make("strong", { text: TURNS[`${entry.was_allowed} ${entry.allowed}`] }), ` for ${entry.words}${entry.brand === "*" ? "" : `, brand ${entry.brand}`}`],
    `${itself}${why}${until}`];
}

const OUTCOMES = {
  received: "received it", applied: "confirmed", verified: "was read back: it holds this", superseded: "was told something newer instead",
  rejected: "refused it", drifted: "was read back, and held something else", unknown: "answered something that nobody can read",
};

function receipt(entry) {
  const good = ["applied", "verified", "superseded"].includes(entry.outcome);
  return [good ? "confirmed" : "denied", good ? "aligned" : "silent",
    [make("strong", { text: entry.app }), ` ${OUTCOMES[entry.outcome] ?? entry.outcome}${entry.reason ? ` (${entry.reason})` : ""}`],
    `the verdict that follows what was accepted ${moment(parse(entry.accepted))}`, `receipt ${entry.receipt}`];
}

function doubts() {
  const said = [];
  if (found.unreadable.length) said.push(`Records of this contact that nobody can read, so that all is denied: ${found.unreadable.join(", ")}.`);
  if (found.unreadable_control.length) said.push(`Records for all contacts that nobody can read; a revoked source may be missing: ${found.unreadable_control.join(", ")}.`);
  if (!found.complete) said.push("There were more changes than are shown: the newest are missing.");
  return said;
}

function searched() {
  const { complete, searched: spans } = found.receipts;
  if (complete) return "All receipts since the first of these were searched.";
  const said = spans.map((span) => `${moment(parse(span.from))} to ${moment(parse(span.until))}`).join("; ");
  return `Not all receipts could be searched in time. Searched: ${said || "none"}. An application may have confirmed outside of that.`;
}

onZone(draw);
byId("ask").addEventListener("submit", ask);
start();
say(byId("pulse"), "This page asks only when told to.");
