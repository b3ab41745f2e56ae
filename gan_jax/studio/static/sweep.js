// The page of a sweep: its runs, what became of each, and how they compare.
import {
  ACTIVE, RESUMABLE, STOPPABLE, attempt, byId, createElement, createRow, encodePath,
  formatInteger, formatNumber, request, showDone, showMessage,
} from "./common.js";
import { prepareNotes, showNotes } from "./notes.js";

const POLL_MS = 2000;
const SLOW_POLL_MS = 10000; // of a sweep that has ended
const CODES = { 0: "done, its folder is gone", 2: "refused", 3: "diverged or collapsed" };
const name = byId("main").dataset.name;
const address = encodePath(name);
let words = { scores: {} };
let key = ""; // all that the page shows

const stateOf = (state) => createElement("span", { className: `state ${state}`, textContent: state });

function showActions({ state }) {
  const button = (action, textContent) => {
    const perform = async () => {
      const { message } = await request(`/api/${action}`, { name });
      await load();
      showDone(message);
    };
    const onclick = (event) => attempt(perform, event.target);
    return createElement("button", { textContent, className: "main", onclick });
  };
  const actions = [
    STOPPABLE.includes(state) && button("stop", "Stop"),
    RESUMABLE.includes(state) && button("resume", "Resume"),
  ];
  byId("main-actions").replaceChildren(...actions.filter(Boolean));
  byId("delete").disabled = ACTIVE.includes(state);
}

/** The first score, in the report's order, that a run has. */
const scoreOf = (runs) =>
  Object.keys(words.scores).find((one) => runs.some(({ scores }) => one in scores)) ?? "frechet";

function createRunRow(run, score) {
  const { name: full, grid, state, reason, phase, step, steps, scores, references } = run;
  const path = encodePath(full);
  const picture = { src: `/grid/${grid}/${path}`, alt: "", loading: "lazy", width: 64, height: 64 };
  const why = (textContent) => textContent && createElement("div", { className: "why", textContent });
  const short = full.slice(name.length + 1);
  const floor = references.real?.[score];
  const held = floor === undefined ? "" : `floor ${formatNumber(floor)}`;
  const bar = createElement("progress", { max: steps || 1, value: step, "aria-label": "steps done" });
  const cells = [
    [],
    [grid === null ? null : createElement("img", picture)],
    [createElement("a", { className: "name", href: `/run/${path}`, textContent: short })],
    [stateOf(state), why(reason || phase)],
    [`${formatInteger(step)} of ${formatInteger(steps)}`, bar],
    scores[score] === undefined ? [] : [formatNumber(scores[score]), why(held)],
  ];
  const toCell = (children) => createElement("td", {}, ...children.filter(Boolean));
  return createElement("tr", {}, ...cells.map(toCell));
}

function showSweep({ sweep, runs, absent, text, console: lines, notes }) {
  const { state, reason, counts, documents, experiment } = sweep;
  byId("state").replaceChildren(stateOf(state), reason ? `  ${reason}` : "");
  const parts = ["refused", "failed", "scored"].filter((one) => counts[one]);
  const facts = [
    experiment && `of ${experiment}`,
    counts.runs ? `${counts.done} of ${counts.runs} runs done` : "its runs are being checked",
    ...parts.map((one) => `${counts[one]} ${one}`),
  ];
  byId("facts").textContent = facts.filter(Boolean).join(" · ");
  byId("progress").max = counts.runs || 1;
  byId("progress").value = counts.done + counts.refused + counts.failed;
  document.title = `${name}: ${state}`;
  const score = scoreOf(runs);
  const { title = "Score", better } = words.scores[score] ?? {};
  byId("score-head").textContent = title + ({ low: " ↓", high: " ↑" }[better] ?? "");
  byId("runs").hidden = !runs.length;
  document
    .querySelector("#runs tbody")
    .replaceChildren(...runs.map((run) => createRunRow(run, score)));
  byId("absent-section").hidden = !absent.length;
  const word = (code) => CODES[code] ?? (code === null ? "not begun" : `ended with code ${code}`);
  byId("absent").replaceChildren(
    ...absent.map((one) => {
      const row = createRow(one.name, word(one.code), one.reason);
      row.children[1].className = "brief";
      return row;
    }),
  );
  byId("result").hidden = !text;
  byId("text").replaceChildren(...createSummary(text));
  showDocuments(documents);
  byId("console").textContent = lines;
  byId("console-section").hidden = !lines;
  showNotes(name, sweep, notes);
  showActions(sweep);
}

/** The elements of a summary.md: its table, and its sentences. */
function createSummary(text) {
  const lines = text.split("\n").filter(Boolean);
  const isRow = (line) => line.startsWith("|");
  const cellsOf = (line) => line.split("|").slice(1, -1).map((cell) => cell.trim());
  const rows = lines.filter((line) => isRow(line) && !/^[|\s-]+$/.test(line)).map(cellsOf);
  const toRow = (cells, i) => {
    const toCell = (textContent) => createElement(i ? "td" : "th", { textContent });
    return createElement("tr", {}, ...cells.map(toCell));
  };
  const sentences = lines
    .filter((line) => !isRow(line))
    .map((line) => createElement("li", { textContent: line.replace(/^- /, "") }));
  const table = createElement("table", {}, ...rows.map(toRow));
  return [createElement("div", { className: "wide-table" }, table), createElement("ul", {}, ...sentences)];
}

function showDocuments(documents) {
  const link = documents.includes("table")
    ? [createElement("a", { className: "button", href: `/document/table/${address}`, textContent: "CSV" })]
    : [];
  byId("documents").replaceChildren(...link);
  const isCompared = documents.includes("comparison");
  if (isCompared && byId("page").hidden) byId("page").src = `/document/comparison/${address}`;
  byId("page").hidden = !isCompared;
}

async function load() {
  const answer = await request(`/api/sweep/${address}`);
  const now = JSON.stringify(answer) + Object.keys(words.scores).length;
  if (now !== key) showSweep(answer);
  key = now;
  return answer.sweep.state;
}

prepareNotes(name);
async function poll() {
  let state = "";
  try {
    state = document.hidden ? "" : await load();
  } catch (error) {
    if (byId("message").hidden) showMessage(error.message, true);
  }
  setTimeout(poll, ACTIVE.includes(state) ? POLL_MS : SLOW_POLL_MS);
}
attempt(async () => {
  words = await request("/api/captions");
  await load();
});
poll();
