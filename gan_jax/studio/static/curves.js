// The charts of a run: which values are shown where, and the controls that all charts share.
import { byId } from "./common.js";
import { Chart, ChartView } from "./chart.js";

const MAIN_KINDS = ["loss", "prob", "penalty", "watch", "eval"]; // the other charts are folded away
// Outputs of D that runs log, by the end of their names.
const OUTPUTS = { real_prob: "D(x)", fake_prob: "D(G(z))", recon_prob: "D(G(E(x)))" };

const REDRAW_MS = 300;

export const view = new ChartView(() => {
  drawCharts();
  showControls();
});
let curves = {}; // {logged value: Curve}
let charts = new Map(); // {title: Chart}
let words = { captions: {}, meanings: {}, warmup: { records: 10, memories: 3 } };
let ema = 0; // decay of the averaged generator
let meeting = null; // {level, text}: where D's mean outputs meet, if that is known

/** Replaces the curves. known: {logged value: Curve}. */
export function setCurves(known) {
  curves = known;
  charts = new Map();
  showCharts();
}

/**
 * known: what /api/captions says. average: decay of the averaged generator of the run. level: where
 * D's mean outputs meet, see get_run; null where that is not known.
 */
export function setWords(known, average, level = null) {
  words = known;
  ema = average;
  meeting = level;
  charts = new Map();
  showCharts();
}

export function getCurves() {
  return curves;
}

/** What a logged value is about: "eval", "watch", "prob", or the last part of its name. */
function kindOf(value) {
  const [group, last] = [value.split("/")[0], value.split("/").pop()];
  if (["eval", "watch"].includes(group)) return group;
  return last.endsWith("_prob") ? "prob" : last;
}

/** The caption of a value: its own, or else that of its kind, as in the report. */
function captionOf(value) {
  const { captions } = words;
  return captions[value] ?? captions[kindOf(value)] ?? `${value}, mean over each log interval.`;
}

/** The charts to show, in order; see Chart. */
function planCharts() {
  const names = Object.keys(curves).filter((value) => !value.endsWith("/ran"));
  const probs = names.filter((value) => kindOf(value) === "prob").sort();
  const plans = names
    .filter((value) => kindOf(value) !== "prob")
    .map((title) => ({
      title,
      names: [title],
      kind: kindOf(title),
      text: captionOf(title),
      meaning: words.meanings[title] ?? words.meanings[title.split("/").pop()],
    }));
  if (probs.length) {
    const text = (words.captions.prob ?? "") + (meeting?.text ?? "");
    const title = probs.map((value) => OUTPUTS[value.split("/").pop()] ?? value).join(", ");
    plans.push({ title, names: probs, kind: "prob", text, level: meeting?.level });
  }
  const rank = ({ kind }) => (MAIN_KINDS.includes(kind) ? MAIN_KINDS.indexOf(kind) : Infinity);
  const byTitle = (a, b) => (a.title < b.title ? -1 : 1);
  return plans.sort((a, b) => (rank(a) === rank(b) ? byTitle(a, b) : rank(a) - rank(b)));
}

export function showCharts() {
  const plans = planCharts();
  if (plans.map(({ title }) => title).join() !== [...charts.keys()].join()) {
    const { records, memories } = words.warmup;
    const warmup = { records, steps: ema ? memories / (1 - ema) : 0 };
    charts = new Map(plans.map((plan) => [plan.title, new Chart(plan, curves, view, warmup)]));
    const elements = (isMain) =>
      plans
        .filter(({ kind }) => MAIN_KINDS.includes(kind) === isMain)
        .map(({ title }) => charts.get(title).element);
    if (plans.length) byId("charts").replaceChildren(...elements(true));
    byId("rest").replaceChildren(...elements(false));
    byId("other").hidden = !byId("rest").children.length;
    byId("chart-tools").hidden = !plans.length;
  }
  drawCharts();
}

function drawCharts() {
  for (const chart of charts.values()) chart.draw();
}

let waiting = null;

/** Shows new values, at most every REDRAW_MS. */
export function showChartsSoon() {
  waiting ??= setTimeout(() => {
    waiting = null;
    showCharts();
  }, REDRAW_MS);
}

function showControls() {
  byId("first").value = view.first ?? "";
  byId("last").value = view.last ?? "";
  byId("unzoom").disabled = view.first === null && view.last === null;
}

/** Prepares the controls above the charts. */
export function prepareCharts() {
  byId("log-scale").addEventListener("change", (event) => view.set({ isLog: event.target.checked }));
  byId("clip").addEventListener("change", (event) => view.set({ clip: event.target.checked }));
  for (const id of ["first", "last"]) {
    byId(id).addEventListener("change", (event) => {
      const step = event.target.value === "" ? null : Number(event.target.value);
      view.set({ [id]: step });
    });
  }
  byId("unzoom").addEventListener("click", () => view.set({ first: null, last: null }));
  byId("other").addEventListener("toggle", drawCharts);
  showControls();
}
