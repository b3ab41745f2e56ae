// The page of one run: its state, samples, curves, class shares, scores, console and configuration.
import { Curve } from "./chart.js";
import {
  ACTIVE, BUSY, RESUMABLE, STOPPABLE, attempt, byId, bySlurm, createElement, createRow, encodePath,
  formatDuration, formatInteger, formatNumber, request, resumeText, showDone, showMessage,
  titleOf,
} from "./common.js";
import { getCurves, prepareCharts, setCurves, setWords, showChartsSoon } from "./curves.js";
import { prepareNotes, showNotes } from "./notes.js";
import { addShares, prepareSamples, setShares, showShares, updateGrids } from "./samples.js";
import { prepareScoringForm, showScores, showScoring } from "./scores.js";

const name = byId("main").dataset.name;
const address = encodePath(name);
const MAX_CONSOLE = 60000; // characters
const N_STREAMS = 4; // pages that keep a connection open
const TICK_MS = 1000;

let meanings = {};
let source = null; // EventSource
let wasActive = null;
let summary = null; // of the run, as it was told last
let told = 0; // when, in milliseconds
let isConfigured = false; // whether the configuration is shown; a run writes it as it begins
let scored = ""; // what eval.json held when the scores were shown

// State and actions.

function showSummary(known) {
  summary = known;
  told = Date.now();
  const { experiment, data, size, seed, state, reason, sweep, warnings, evaluation } = summary;
  showFacts();
  showCluster(summary);
  const about = [experiment, data && `on ${data}`, size && size !== 1 && `${size} px`, `seed ${seed}`];
  byId("about").textContent = about.filter(Boolean).join(", ");
  byId("state").replaceChildren(
    createElement("span", { className: `state ${state}`, textContent: state }),
    state === "queued" ? ": it starts when there is room." : reason && `  ${reason}`,
  );
  byId("of-sweep").hidden = !sweep;
  byId("of-sweep").href = `/sweep/${encodePath(sweep)}`;
  byId("of-sweep").textContent = `of the sweep ${sweep}`;
  const warn = (warning) =>
    createElement("p", {
      className: "warned",
      textContent: `Warning: ${warning}. ${meaningOf(warning)}`,
    });
  byId("warnings").replaceChildren(...warnings.map(warn));
  showNotes(name, summary);
  showScoring(name, evaluation);
  showActions(summary);
}

/** Shows on which nodes the run trains, waits or was lost, and what happened to it before. */
function showCluster({ cluster, processes, state }) {
  const verb = BUSY.includes(state) ? "Trains" : "Trained";
  const lost = processes?.lost && `Lost: ${processes.lost}`;
  const texts = [cluster && `${cluster.text}.`, processes && `${verb} as ${processes.text}.`, lost];
  byId("cluster").textContent = texts.filter(Boolean).join(" ");
  byId("cluster-events").hidden = !(cluster?.events.length > 1);
  const line = ({ time, text }) =>
    createRow(new Date(time * 1000).toLocaleString("en-GB"), text);
  byId("cluster-lines").replaceChildren(...(cluster?.events ?? []).map(line));
}

/** Shows progress and time left, which go on between two messages. */
function showFacts() {
  if (!summary) return;
  const { state, step, steps, speed, left, time, phase, since } = summary;
  const passed = (Date.now() - told) / 1000;
  const facts = [
    steps && `step ${formatInteger(step)} of ${formatInteger(steps)}`,
    speed && `${formatNumber(speed)} steps/s`,
    left !== null && `${formatDuration(Math.max(left - passed, 0))} left`,
    time && `${formatDuration(time)} so far`,
  ];
  byId("facts").textContent = facts.filter(Boolean).join(" · ");
  const isBusy = BUSY.includes(state);
  byId("phase").hidden = !(isBusy && phase);
  const age = since ? Date.now() / 1000 - since : 0;
  byId("phase").textContent = `${phase}${age > 3 ? `  (for ${formatDuration(age)})` : ""}`;
  const progress = byId("progress");
  progress.max = steps || 1;
  // Without a value the bar moves: it works, and nobody knows how long.
  if (isBusy && phase && !speed) progress.removeAttribute("value");
  else progress.value = step;
  const share = steps ? ` ${Math.floor((100 * step) / steps)} %` : "";
  document.title = `${titleOf(summary)}: ${state}${share}`;
}

/** What a warning "VALUE low" or "VALUE high" means. */
function meaningOf(warning) {
  const end = warning.lastIndexOf(" ");
  const [value, side] = [warning.slice(0, end), warning.slice(end + 1)];
  const sides = meanings[value] || meanings[value.split("/").pop()] || {};
  const text = sides[side] || "";
  return text && `${text[0].toUpperCase()}${text.slice(1)}.`;
}

function openEvaluation() {
  byId("evaluate").open = true;
  byId("evaluate").scrollIntoView({ block: "center" });
}

function showActions(summary) {
  const { state, report, experiment, step, sweep } = summary;
  const place = byId("main-actions");
  const hasStarted = step > 0;
  const key = `${state} ${report} ${experiment} ${hasStarted} ${bySlurm(summary)}`;
  if (place.dataset.key === key) return;
  place.dataset.key = key;
  const button = (action, textContent) => {
    const perform = async () => showDone((await request(`/api/${action}`, { name })).message);
    const onclick = (event) => attempt(perform, event.target);
    return createElement("button", { textContent, className: "main", onclick });
  };
  const link = (href, textContent) =>
    createElement("a", { className: "button", href, textContent });
  const samplePage = experiment === "colorize" ? "/colorize" : "/try";
  const canStop = STOPPABLE.includes(state) && !(sweep && state === "queued") && !bySlurm(summary);
  const actions = [
    canStop && button("stop", "Stop"),
    RESUMABLE.includes(state) && !bySlurm(summary) && button("resume", resumeText({ step })),
    hasStarted && link(`${samplePage}?${new URLSearchParams({ run: name })}`, "Try it"),
    hasStarted && createElement("button", { textContent: "Evaluate", onclick: openEvaluation }),
    hasStarted && link(`/report/${address}`, "Report"),
    experiment && link(`/new?${new URLSearchParams({ copy: name })}`, "Copy as new"),
  ];
  place.replaceChildren(...actions.filter(Boolean));
  byId("delete").disabled = ACTIVE.includes(state);
  byId("evaluate").hidden = !hasStarted;
}

// Console, configuration.

function showConsole(text) {
  const place = byId("console");
  const isAtEnd = place.scrollHeight - place.scrollTop - place.clientHeight < 30;
  place.textContent = text.slice(-MAX_CONSOLE);
  byId("console-section").hidden = !place.textContent;
  if (isAtEnd) place.scrollTop = place.scrollHeight;
}

/** Says after how many steps there is something to see, where there is nothing yet. */
function showWaits({ sample_every: sampled, log_every: logged, steps }) {
  const after = (every) => `after ${formatInteger(Math.min(every || steps, steps))} steps`;
  if (sampled !== undefined && byId("grid").hidden) {
    byId("grid-text").textContent = `No grid yet: the first comes ${after(sampled)}.`;
  }
  const note = byId("charts").querySelector(":scope > p");
  if (logged && note) note.textContent = `Nothing logged yet: the first values come ${after(logged)}.`;
}

/** Table rows of nested settings, by dotted name. */
function settingRows(settings, prefix = "") {
  return Object.entries(settings).flatMap(([key, value]) => {
    if (Array.isArray(value)) return [createRow(prefix + key, value.join(", "))];
    if (value && typeof value === "object") return settingRows(value, `${prefix}${key}.`);
    return [createRow(prefix + key, String(value))];
  });
}

async function loadDetails() {
  const details = await request(`/api/run/${address}`);
  const { run, config, console: text } = details;
  showSummary(run);
  showNotes(name, run, details.notes);
  const dataset = config?.dataset || {};
  const classes = details.shares?.classes || (dataset.size > 1 && dataset.classes) || [];
  updateGrids(details.samples);
  setShares({ evaluated: details.shares, classes });
  showConsole(text);
  byId("configured").hidden = !config;
  isConfigured = Boolean(config);
  showWaits(config?.run ?? {});
  if (config) byId("config").replaceChildren(...settingRows(config));
  await updateScores(run);
  return details;
}

/** Shows the scores anew where eval.json has changed. */
async function updateScores({ scores, scored_step: scoredStep, step, state }) {
  const key = JSON.stringify([scores, scoredStep, BUSY.includes(state) ? null : step]);
  if (key === scored) return;
  scored = key;
  if (Object.keys(scores).length) {
    byId("unscored").textContent = "Reading the scores ...";
    await showScores(name, step);
  }
}

// Live updates.

let connectionTaken = null; // Promise of takeConnection
function mayKeepConnection() {
  connectionTaken ||= takeConnection();
  return connectionTaken;
}

/**
 * Takes one of the connections that pages may keep; returns whether one was free. A browser has
 * six for all pages of a server; pages without one ask every two seconds.
 */
async function takeConnection() {
  for (let i = 0; navigator.locks && i < N_STREAMS; i += 1) {
    const isHeld = await new Promise((resolve) => {
      navigator.locks.request(`stream ${i}`, { ifAvailable: true }, (lock) => {
        resolve(lock !== null);
        return lock && new Promise(() => {}); // held until the page is closed
      });
    });
    if (isHeld) return true;
  }
  return false;
}

async function follow() {
  source?.close();
  const history = await request(`/api/curves/${address}`);
  const toCurve = ([key, { steps, values }]) => [key, new Curve(steps, values)];
  setCurves(Object.fromEntries(Object.entries(history.curves).map(toCurve)));
  setShares({ logged: history.shares });
  const once = (await mayKeepConnection()) ? "" : "&once";
  source = new EventSource(`/api/stream/${address}?position=${history.position}${once}`);
  source.addEventListener("run", (event) => {
    const { run, samples } = JSON.parse(event.data);
    const isActive = ACTIVE.includes(run.state);
    showSummary(run);
    updateGrids(samples);
    const hasChanged = isActive !== wasActive && wasActive !== null;
    if (hasChanged || (!isConfigured && run.steps)) loadDetails().catch(() => {});
    else updateScores(run).catch(() => {});
    wasActive = isActive;
    setShares({ isActive });
  });
  source.addEventListener("records", (event) => {
    const curves = getCurves();
    for (const { step, shares, ...values } of JSON.parse(event.data)) {
      if (shares) addShares({ step, ...shares });
      for (const [key, value] of Object.entries(values)) {
        (curves[key] ||= new Curve()).add(step, value);
      }
    }
    showChartsSoon();
    showShares();
  });
  source.addEventListener("console", (event) =>
    showConsole(byId("console").textContent + JSON.parse(event.data)),
  );
  source.addEventListener("reload", () => attempt(follow));
  source.addEventListener("gone", () => {
    source.close();
    if (byId("message").hidden) showMessage("This run's folder is gone.", true);
  });
}

prepareSamples(name);
prepareCharts();
prepareNotes(name);
prepareScoringForm(name);
setInterval(showFacts, TICK_MS);
attempt(async () => {
  const loading = loadDetails();
  await follow();
  const words = await request("/api/captions");
  ({ meanings } = words);
  const { config, meeting } = (await loading) ?? {};
  setWords(words, config?.hp?.ema ?? 0, meeting);
  if (summary) showSummary(summary);
});
addEventListener("pagehide", () => source?.close());
