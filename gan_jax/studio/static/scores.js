// The scores of a run as its report shows them, and the form that evaluates it.
import {
  ACTIVE, attempt, byId, createElement, createSvg, encodePath, formatInteger, request, showDone,
} from "./common.js";
import { FlagForm } from "./form.js";
import { setShares } from "./samples.js";

const BASIC = ["checkpoint", "n_images", "repeats"]; // flags that the form shows first
const COLORS = { real: "c2", untrained: "c3", collapsed: "c4" }; // rows of eval.json

/** The scale of a score, from real images on the left to the worst control on the right. */
function createScale({ value, interval, references }) {
  const at = (position) => `${1 + 0.98 * position}%`;
  const bar = { x: at(0), width: "98%", y: 8, height: 4, rx: 2, class: "track" };
  const parts = [createSvg("rect", bar)];
  for (const [row, position] of Object.entries(references)) {
    const line = { x1: at(position), x2: at(position), y1: 2, y2: 18, class: COLORS[row] ?? "at" };
    parts.push(createSvg("line", line));
  }
  if (interval) {
    const width = `${Math.max(0.98 * (interval[1] - interval[0]), 0.4)}%`;
    parts.push(createSvg("rect", { x: at(interval[0]), width, y: 6, height: 8, class: "interval" }));
  }
  parts.push(createSvg("circle", { cx: at(value), cy: 10, r: 5, class: "value" }));
  const label = "scale from real images to the worst control";
  return createSvg("svg", { class: "scale", height: 20, role: "img", "aria-label": label }, ...parts);
}

function createScore(row) {
  const rowOf = (name) => ({ "real (floor)": "real" })[name] ?? name;
  const references = row.references.map(([name, value]) =>
    createElement("span", { className: COLORS[rowOf(name)] ?? "", textContent: `${name} ${value}` }),
  );
  return createElement(
    "div",
    { className: "score card" },
    createElement("h3", { textContent: row.title }),
    createElement(
      "p",
      {},
      createElement("b", { textContent: row.value }),
      row.interval && createElement("span", { className: "soft", textContent: ` 95 %: ${row.interval}` }),
    ),
    row.scale && createScale(row.scale),
    createElement("p", { className: "keys" }, ...references),
    createElement("p", { className: "soft", textContent: `${row.text} ${sentence(row.better)}` }),
  );
}

const sentence = (text) => `${text[0].toUpperCase()}${text.slice(1)}.`;

/** Shows the scores of a run; step: where the run is now. */
export async function showScores(name, step) {
  const { table } = await request(`/api/scores/${encodePath(name)}`);
  byId("scores").hidden = !table;
  byId("unscored").hidden = Boolean(table);
  if (!table) return;
  byId("verdict").textContent = table.verdict.text;
  byId("verdict").className = `verdict ${table.verdict.kind}`;
  const isOld = table.step !== null && table.step !== step;
  byId("scored").textContent =
    (table.step === null ? "" : `Of step ${formatInteger(table.step)}. `) +
    (isOld ? `The run is at step ${formatInteger(step)} now; evaluate it again. ` : "") +
    "On each scale the left end is real images, the right end the worst control.";
  byId("score-cards").replaceChildren(...table.rows.map(createScore));
  byId("copies").textContent = table.neighbours;
  byId("how").textContent = `${table.how} ${table.protocol}`;
  setShares({ warning: table.shares_warning });
}

/** Shows how an evaluation that the studio started stands. */
export function showScoring(name, evaluation) {
  const place = byId("scoring");
  const key = JSON.stringify(evaluation);
  if (place.dataset.key === key) return;
  place.dataset.key = key;
  const isShown = evaluation && evaluation.state !== "finished";
  place.hidden = !isShown;
  if (!isShown) return;
  const { state, reason } = evaluation;
  const stop = async () =>
    showDone((await request("/api/stop_scoring", { name })).message);
  const button = createElement("button", {
    textContent: "Stop evaluation",
    onclick: (event) => attempt(stop, event.target),
  });
  place.replaceChildren(
    createElement("span", { className: `state ${state}`, textContent: `evaluation ${state}` }),
    reason ? `${ACTIVE.includes(state) ? ":" : ""} ${reason} ` : " ",
    ACTIVE.includes(state) ? button : "",
  );
}

/** Prepares the form that evaluates a run, when it is opened. */
export function prepareScoringForm(name) {
  const details = byId("evaluate");
  const form = new FlagForm(byId("scoring-fields"), () => {});
  details.addEventListener("toggle", () => {
    if (!details.open || form.command) return;
    attempt(async () => {
      const command = await request("/api/scoring_form");
      form.show({ ...command, basic: BASIC });
      form.begin("");
    });
  });
  byId("scoring-form").addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(async () => {
      try {
        const body = { name, flags: form.changedValues() };
        showDone((await request("/api/evaluate", body)).message);
        details.open = false;
      } catch (error) {
        form.showError(error.message);
        throw error;
      }
    }, event.submitter);
  });
}
