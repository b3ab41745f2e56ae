// The page of one run: its state, samples, curves, class shares, scores, console and configuration.
import { Chart, Curve } from "./chart.js";
import {
  ACTIVE, RESUMABLE, attempt, byId, createElement, createRow, createSvg, encodePath,
  formatDuration, formatInteger, formatNumber, request, resumeText, showMessage,
} from "./common.js";

const name = byId("main").dataset.name;
const address = encodePath(name);
const MAIN_KINDS = ["loss", "prob", "penalty", "watch", "eval"]; // the other charts are folded away
const MAX_CONSOLE = 60000; // characters
const PLAY_MS = 250; // per grid
const N_STREAMS = 4; // pages that keep a connection open

let curves = {}; // {logged value: Curve}
let charts = new Map(); // {title: Chart}
let captions = {};
let meanings = {};
let classes = []; // names
let loggedShares = []; // class shares while it trains: [{step, real, model}]
let evaluatedShares = null; // class shares of eval.json
let samples = []; // steps of the grids
let playTimer = null;
let source = null; // EventSource
let wasActive = null;

// Charts of curves.

/** What a logged value is about: "eval", "watch", "prob", or the last part of its name. */
function kindOf(value) {
  const [group, last] = [value.split("/")[0], value.split("/").pop()];
  if (["eval", "watch"].includes(group)) return group;
  return last.endsWith("_prob") ? "prob" : last;
}

/** The charts to show: [{title, names, kind, caption, level}] in order. */
function planCharts() {
  const names = Object.keys(curves).filter((value) => !value.endsWith("/ran"));
  const probs = names.filter((value) => kindOf(value) === "prob").sort();
  const plans = names
    .filter((value) => kindOf(value) !== "prob")
    .map((title) => {
      const kind = kindOf(title);
      const caption = captions[title.split("/").pop()] || captions[kind] || "";
      return { title, names: [title], kind, caption };
    });
  if (probs.length) {
    const caption = captions.prob || "";
    plans.push({ title: "D(x), D(G(z))", names: probs, kind: "prob", caption, level: 0.5 });
  }
  const rank = ({ kind }) => (MAIN_KINDS.includes(kind) ? MAIN_KINDS.indexOf(kind) : Infinity);
  const byTitle = (a, b) => (a.title < b.title ? -1 : 1);
  return plans.sort((a, b) => (rank(a) === rank(b) ? byTitle(a, b) : rank(a) - rank(b)));
}

function showCharts() {
  const plans = planCharts();
  if (plans.map(({ title }) => title).join() !== [...charts.keys()].join()) {
    charts = new Map(
      plans.map((plan) => [
        plan.title,
        new Chart(plan.title, plan.names, curves, plan.caption, plan.level),
      ]),
    );
    const elements = (isMain) =>
      plans
        .filter(({ kind }) => MAIN_KINDS.includes(kind) === isMain)
        .map(({ title }) => charts.get(title).element);
    if (plans.length) byId("charts").replaceChildren(...elements(true));
    byId("rest").replaceChildren(...elements(false));
    byId("other").hidden = !byId("rest").children.length;
  }
  for (const chart of charts.values()) chart.draw();
}

// State and actions.

function showSummary(summary) {
  const { experiment, data, size, seed, state, reason, step, steps, speed, left, time } = summary;
  const about = [experiment, data && `on ${data}`, size > 1 && `${size} px`, `seed ${seed}`];
  const facts = [
    about.filter(Boolean).join(", "),
    steps && `step ${formatInteger(step)} of ${formatInteger(steps)}`,
    speed && `${formatNumber(speed)} steps/s`,
    left !== null && `${formatDuration(left)} left`,
    time && `${formatDuration(time)} so far`,
  ];
  byId("facts").textContent = facts.filter(Boolean).join(" · ");
  byId("state").replaceChildren(
    createElement("span", { className: `state ${state}`, textContent: state }),
    reason ? `  ${reason}` : "",
  );
  byId("progress").max = steps || 1;
  byId("progress").value = step;
  document.title = `${name}: ${state}${steps ? ` ${Math.floor((100 * step) / steps)} %` : ""}`;
  const warn = (warning) =>
    createElement("p", {
      className: "warned",
      textContent: `Warning: ${warning}. ${meaningOf(warning)}`,
    });
  byId("warnings").replaceChildren(...summary.warnings.map(warn));
  showActions(summary);
}

/** What a warning "VALUE low" or "VALUE high" means. */
function meaningOf(warning) {
  const end = warning.lastIndexOf(" ");
  const [value, side] = [warning.slice(0, end), warning.slice(end + 1)];
  const sides = meanings[value] || meanings[value.split("/").pop()] || {};
  const text = sides[side] || "";
  return text && `${text[0].toUpperCase()}${text.slice(1)}.`;
}

function showActions({ state, report, experiment, step }) {
  const place = byId("actions");
  const key = `${state} ${report} ${experiment}`;
  if (place.dataset.key === key) return;
  place.dataset.key = key;
  const button = (action, textContent) => {
    const perform = async () => showMessage((await request(`/api/${action}`, { name })).message);
    const onclick = (event) => attempt(perform, event.target);
    return createElement("button", { textContent, className: "main", onclick });
  };
  const link = (href, textContent) =>
    createElement("a", { className: "button", href, textContent });
  const samplePage = experiment === "colorize" ? "/colorize" : "/try";
  const hasStarted = step > 0;
  const actions = [
    ACTIVE.includes(state) && button("stop", "Stop"),
    RESUMABLE.includes(state) && button("resume", resumeText({ step })),
    experiment && link(`/new?${new URLSearchParams({ copy: name })}`, "Copy as new"),
    hasStarted && link(`${samplePage}?${new URLSearchParams({ run: name })}`, "Try it"),
    hasStarted && link(`/report/${address}`, "Report"),
  ];
  place.replaceChildren(...actions.filter(Boolean));
}

// Sample grids over time.

function updateGrids(steps) {
  const slider = byId("time");
  const isAtEnd = samples.length === 0 || Number(slider.value) === samples.length - 1;
  if (steps.join() === samples.join()) return;
  samples = steps;
  for (const id of ["time", "grid"]) byId(id).hidden = samples.length === 0;
  byId("play").hidden = samples.length < 2;
  slider.max = Math.max(samples.length - 1, 0);
  if (isAtEnd) slider.value = slider.max;
  showGrid();
}

function showGrid() {
  const index = Number(byId("time").value);
  const step = samples[index];
  showShares();
  if (step === undefined) return;
  byId("grid").src = `/grid/${step}/${address}`;
  byId("grid").alt = `sample grid at step ${step}`;
  byId("time").setAttribute("aria-valuetext", `step ${formatInteger(step)}`);
  byId("grid-text").textContent =
    `Step ${formatInteger(step)}, grid ${index + 1} of ${samples.length}. Look for variety as ` +
    "well as quality: near copies of one picture are mode collapse.";
}

function togglePlay() {
  const slider = byId("time");
  if (playTimer) {
    clearInterval(playTimer);
    playTimer = null;
  } else {
    if (slider.value === slider.max) slider.value = 0;
    playTimer = setInterval(() => {
      if (slider.value === slider.max) return togglePlay();
      slider.value = Number(slider.value) + 1;
      showGrid();
    }, PLAY_MS);
  }
  byId("play").textContent = playTimer ? "Pause" : "Play";
}

// Shares of the classes.

/** The shares at the step of the slider; at its end the newest, or those of eval.json. */
function currentShares() {
  const slider = byId("time");
  if (slider.value !== slider.max && loggedShares.length) {
    const step = samples[Number(slider.value)];
    return loggedShares.filter((shares) => shares.step <= step).at(-1) || loggedShares[0];
  }
  return (!wasActive && evaluatedShares) || loggedShares.at(-1) || evaluatedShares;
}

function sharesText(shares) {
  if (!shares) {
    return (
      "Not counted yet: a run with --eval_every counts as it trains, and gan-jax evaluate " +
      "afterwards."
    );
  }
  return shares.step
    ? `At step ${formatInteger(shares.step)}.`
    : "As gan-jax evaluate counted them.";
}

function showShares() {
  const shares = currentShares();
  byId("balance").hidden = classes.length < 2;
  byId("counted").textContent = sharesText(shares);
  byId("shares").hidden = !shares;
  if (!shares) return;
  const most = Math.max(...shares.real, ...shares.model, 1e-9);
  const line = (text, share, kind, unit) => {
    const size = { width: `${(100 * share) / most}%`, height: 10, rx: 3 };
    return [
      createElement("span", { textContent: text }),
      createSvg("svg", {}, createSvg("rect", { ...size, class: kind })),
      createElement("span", {
        className: "soft",
        textContent: `${(100 * share).toFixed(1)} % ${unit}`,
      }),
    ];
  };
  const lines = classes.flatMap((label, i) => [
    ...line(label, shares.real[i], "real", "real"),
    ...line("", shares.model[i], "model", "made"),
  ]);
  byId("bars").replaceChildren(createElement("div", { className: "bars" }, ...lines));
}

// Console, configuration, scores.

function showConsole(text) {
  const place = byId("console");
  const isAtEnd = place.scrollHeight - place.scrollTop - place.clientHeight < 30;
  place.textContent = text.slice(-MAX_CONSOLE);
  byId("console-section").hidden = !place.textContent;
  if (isAtEnd) place.scrollTop = place.scrollHeight;
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
  const dataset = config?.dataset || {};
  evaluatedShares = details.shares;
  classes = evaluatedShares?.classes || (dataset.size > 1 && dataset.classes) || [];
  updateGrids(details.samples);
  showShares();
  showConsole(text);
  byId("configured").hidden = !config;
  if (config) byId("config").replaceChildren(...settingRows(config));
  const scores = Object.entries(run.scores).filter(([key]) => !/^n_|repeats/.test(key));
  byId("scores").hidden = !scores.length;
  const rows = scores.map(([key, score]) =>
    createRow(key.replaceAll("_", " "), formatNumber(score)),
  );
  document.querySelector("#scores table").replaceChildren(...rows);
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
  curves = Object.fromEntries(Object.entries(history.curves).map(toCurve));
  loggedShares = history.shares;
  charts = new Map();
  showCharts();
  showShares();
  const once = (await mayKeepConnection()) ? "" : "&once";
  source = new EventSource(`/api/stream/${address}?position=${history.position}${once}`);
  source.addEventListener("run", (event) => {
    const { run, samples: steps } = JSON.parse(event.data);
    const isActive = ACTIVE.includes(run.state);
    showSummary(run);
    updateGrids(steps);
    if (isActive !== wasActive && wasActive !== null) loadDetails().catch(() => {});
    wasActive = isActive;
  });
  source.addEventListener("records", (event) => {
    for (const { step, shares, ...values } of JSON.parse(event.data)) {
      if (shares) loggedShares.push({ step, ...shares });
      for (const [key, value] of Object.entries(values)) {
        (curves[key] ||= new Curve()).add(step, value);
      }
    }
    showCharts();
    showShares();
  });
  source.addEventListener("console", (event) =>
    showConsole(byId("console").textContent + JSON.parse(event.data)),
  );
  source.addEventListener("reload", () => attempt(follow));
  source.addEventListener("gone", () => {
    source.close();
    showMessage("This run's folder is gone.", true);
  });
}

byId("time").addEventListener("input", showGrid);
byId("play").addEventListener("click", togglePlay);
attempt(async () => {
  await loadDetails();
  await follow();
  ({ captions, meanings } = await request("/api/captions"));
  charts = new Map();
  showCharts();
  await loadDetails();
});
addEventListener("pagehide", () => source?.close());
