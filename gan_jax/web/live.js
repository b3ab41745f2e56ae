// The live page: controls, pictures and curves around a worker that trains GANs on points.

import { EXTENT, Random, samplePoints } from "./data.js";
import { $, MissingExport, explainMissing, loadManifest } from "./page.js";
import { drawBars, drawCurves, drawPlane } from "./plots.js";

const PLAYERS = { disc: "discriminator", gen: "generator", recon: "reconstruction" };
const DISTRIBUTIONS = {
  gaussians8: "8 modes on a ring",
  gaussians25: "25 modes in a grid",
  plus: "13 modes, a plus",
  sine: "12 modes, a sine wave",
  swissroll: "a spiral",
  drawn: "your own drawing",
};
const ABOUT = {
  gan: "The original game (Goodfellow et al. 2014): real or generated, yes or no.",
  wgan_gp:
    "A critic scores points without limit; a penalty keeps its slope near 1 (Gulrajani et al. " +
    "2017).",
  dragan:
    "The original game, with a penalty that keeps the slope near real points at 1 (Kodali et al. " +
    "2017).",
  mgan:
    "Generators with first layers of their own, and a classifier that must tell whose a point is " +
    "(Hoang et al. 2018).",
  distgan:
    "An encoder ties real points to noise: distances between reconstructions and samples are " +
    "kept (Tran et al. 2018).",
};
// Losses where D says 1/2 to everything.
const EQUILIBRIUM = {
  gan: [
    [2 * Math.LN2, "2 ln 2 = 1.386"],
    [Math.LN2, "ln 2 = 0.693"],
  ],
};
const DRAWN = {
  centers: [
    [-0.6, -0.4],
    [0.6, -0.4],
    [0, 0.6],
  ],
  modes: true,
  sd: 0.02,
  radius: 0.0566,
  share: 0.01,
};
const MIN_DISTANCE = 0.08; // between modes of a drawing
const MAX_MODES = 100; // of a drawing
const CURSOR_STEP = 0.05;
const MAX_POINTS = 600; // of a curve; beyond it every other one is dropped
const N_REAL = 1000;
const REAL_SEED = 7;
const TERMS = ["loss", "grad_norm"]; // logged for each player
const LAYERS = ["surface", "slope", "manifold", "real"]; // of the picture

let manifest, worker, history;
let frame = null; // what the worker sent last
let real = null; // real points
let isRunning = false;
let seed = 0;
let cursor = null; // of the keyboard, in a drawing

const model = () => manifest.models[$("gan").value];
const isDrawing = () => $("data").value === "drawn";
const distribution = () => (isDrawing() ? DRAWN : manifest.distributions[$("data").value]);
const send = (type, more = {}) => worker.postMessage({ type, ...more });
const say = (text) => ($("status").textContent = text);
const visibleLayers = () =>
  Object.fromEntries(LAYERS.map((layer) => [layer, $(`show-${layer}`).checked]));

// Settings.

function readSettings() {
  return {
    distribution: distribution(),
    rate: 10 ** Number($("rate").value),
    ratio: Number($("ratio").value),
    cool: $("cool").checked,
    coolSteps: Math.max(Number($("cool-steps").value) || 1, 1),
    ...visibleLayers(),
  };
}

function applySettings() {
  const settings = readSettings();
  $("rate-shown").textContent = (model().lr.gen * settings.rate).toPrecision(2);
  $("ratio-shown").textContent = `${settings.ratio} to 1`;
  send("settings", { settings });
}

function chooseGan() {
  const gan = $("gan").value;
  const { players, repeats, title } = model();
  enable(false);
  say(`Loading ${title} …`);
  send("stop");
  $("even").hidden = !(gan in EQUILIBRIUM);
  $("about").textContent = ABOUT[gan.replace(/\d+$/, "")] ?? "";
  $("ratio").value = repeats.disc;
  const styles = ["solid", "dashed", "dotted"];
  $("loss-keys").textContent = players.map((p, i) => `${PLAYERS[p]} ${styles[i]}`).join(", ");
  $("players").replaceChildren(...players.map(createPlayerButton));
  frame = null;
  clearHistory();
  applySettings();
  send("load", { gan, seed });
}

function createPlayerButton(player) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = PLAYERS[player];
  button.disabled = true;
  button.onclick = () => send("updatePlayer", { player });
  return button;
}

function chooseData() {
  $("drawing").hidden = !isDrawing();
  $("stage").classList.toggle("drawing", isDrawing());
  $("stage").tabIndex = isDrawing() ? 0 : -1;
  cursor = isDrawing() ? [0, 0] : null;
  for (const id of ["modes", "shares"]) $(id).parentElement.hidden = !distribution().modes;
  resetData();
}

/** Draws real points anew; the curves of another distribution say nothing about this one. */
function resetData() {
  real = samplePoints(new Random(REAL_SEED), distribution(), N_REAL);
  clearHistory();
  applySettings();
  send("refresh");
  redraw();
}

/** Applies a suggestion such as "gan=mgan25&data=gaussians25&rate=10&ratio=5&show=slope&run". */
function applySuggestion(text) {
  const wanted = new URLSearchParams(text);
  if (wanted.has("gan") && !(wanted.get("gan") in manifest.models)) {
    say(`The export has no ${wanted.get("gan")}; add it to its --systems.`);
    return false;
  }
  if (wanted.has("show")) {
    const layers = wanted.get("show").split(",");
    for (const layer of LAYERS) $(`show-${layer}`).checked = layers.includes(layer);
  }
  $("rate").value = Math.log10(Number(wanted.get("rate")) || 1);
  if (wanted.get("data") in manifest.distributions) $("data").value = wanted.get("data");
  if (wanted.has("gan")) $("gan").value = wanted.get("gan");
  chooseData();
  chooseGan();
  if (wanted.has("ratio")) $("ratio").value = wanted.get("ratio");
  applySettings();
  if (wanted.has("run") && !isRunning) toggleTraining();
  return true;
}

// Training.

function enable(on) {
  const buttons = "#run, #restart, #players button";
  for (const button of document.querySelectorAll(buttons)) button.disabled = !on;
}

function showRunning(on) {
  isRunning = on;
  $("run").textContent = on ? "Pause" : "Train";
  for (const button of document.querySelectorAll("#players button")) button.disabled = on;
}

function toggleTraining() {
  showRunning(!isRunning);
  send(isRunning ? "run" : "stop");
  if (!$("run").disabled) say(isRunning ? "Training." : "Paused.");
}

function restart() {
  seed++;
  clearHistory();
  send("restart", { seed });
}

function receive({ data: message }) {
  const { type, gan } = message;
  const isCurrent = gan === $("gan").value;
  if (type === "frame" && isCurrent) {
    frame = message;
    record(message);
    showNumbers();
    redraw();
  } else if (type === "loaded" && isCurrent) {
    enable(true);
    say(isRunning ? "Training." : "Ready.");
    if (isRunning) send("run");
  } else if (type === "diverged") {
    showRunning(false);
    say(
      `After ${message.steps} steps a loss is no longer a number. Lower the learning rate and ` +
        "start again.",
    );
  } else if (type === "error") {
    showRunning(false);
    say(`This cannot go on: ${message.text}`);
  }
}

// Curves and numbers.

function clearHistory() {
  const perPlayer = () => Object.fromEntries(model().players.map((player) => [player, []]));
  history = { steps: [], covered: [], registered: [], slope: [] };
  for (const term of TERMS) history[term] = perPlayer();
}

function record({ steps, metrics, coverage, medianSlope }) {
  if (!Object.keys(metrics).length) return;
  const { players } = model();
  history.steps.push(steps);
  history.covered.push(coverage ? coverage.covered / distribution().centers.length : NaN);
  history.registered.push(coverage ? coverage.registered : NaN);
  history.slope.push(medianSlope ?? NaN);
  for (const term of TERMS) {
    for (const player of players) history[term][player].push(metrics[player]?.[term] ?? NaN);
  }
  if (history.steps.length <= MAX_POINTS) return;
  const thin = (values) => values.filter((_, i) => i % 2);
  for (const key of ["steps", "covered", "registered", "slope"]) history[key] = thin(history[key]);
  for (const term of TERMS) {
    for (const player of players) history[term][player] = thin(history[term][player]);
  }
}

function draw() {
  const { players, kinds, critic } = model();
  const show = visibleLayers();
  const plane = { frame, real, distribution: distribution(), kinds, critic, show, cursor };
  drawPlane($("stage"), { ...plane, side: manifest.side });
  const ofPlayers = (term) =>
    players.map((player) => ({ values: history[term][player], accent: player === "gen" }));
  const { steps, covered, registered, slope } = history;
  drawCurves($("losses"), steps, ofPlayers("loss"), { levels: EQUILIBRIUM[$("gan").value] });
  drawCurves($("gradients"), steps, ofPlayers("grad_norm"), { log: true });
  drawCurves($("modes"), steps, [{ values: covered }, { values: registered }], { range: [0, 1] });
  drawCurves($("slopes"), steps, [{ values: slope }], { log: true, levels: [[1, "1"]] });
  if (!distribution().modes) return;
  const n = distribution().centers.length;
  drawBars($("shares"), frame?.coverage?.shares ?? new Array(n).fill(0), 1 / n);
}

let animation = 0;
function redraw() {
  animation ||= requestAnimationFrame(() => {
    animation = 0;
    draw();
  });
}

function showNumbers() {
  const { coverage, steps, stepsPerSecond } = frame;
  const n = distribution().centers.length;
  const percent = coverage ? `${(100 * coverage.registered).toFixed(0)} %` : "–";
  $("covered").textContent = coverage ? `${coverage.covered} of ${n}` : "–";
  $("registered").textContent = percent;
  $("steps").textContent = steps.toLocaleString("en");
  if (stepsPerSecond) {
    $("speed").textContent = stepsPerSecond.toFixed(stepsPerSecond < 10 ? 1 : 0);
  }
  const data = $("data").selectedOptions[0].textContent;
  const covered = coverage
    ? `: ${coverage.covered} of ${n} modes covered, ${percent} of points near a mode`
    : "";
  const label = `${model().title} on ${data} after ${steps} steps${covered}`;
  $("stage").setAttribute("aria-label", label);
}

// Drawing of modes.

function addMode(x, y) {
  if (DRAWN.centers.length >= MAX_MODES || Math.max(Math.abs(x), Math.abs(y)) > 1) return;
  if (DRAWN.centers.some(([a, b]) => Math.hypot(a - x, b - y) < MIN_DISTANCE)) return;
  DRAWN.centers.push([x, y]);
  DRAWN.share = Math.min(0.01, 0.25 / DRAWN.centers.length);
  resetData();
}

/** The point of the plane at a pointer event. */
function pointAt(event) {
  const box = $("stage").getBoundingClientRect();
  const [u, v] = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  return [(2 * u - 1) * EXTENT, (1 - 2 * v) * EXTENT];
}

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

function drawByKey(event) {
  const { key } = event;
  if (!isDrawing() || !(key in ARROWS || [" ", "Backspace"].includes(key))) return;
  event.preventDefault();
  if (key === " ") addMode(...cursor);
  else if (key === "Backspace" && DRAWN.centers.length > 1) {
    DRAWN.centers.pop();
    resetData();
  } else if (key in ARROWS) {
    const moved = cursor.map((v, i) => v + CURSOR_STEP * ARROWS[key][i]);
    cursor = moved.map((v) => Math.min(Math.max(v, -1), 1));
  }
  redraw();
}

function listenToDrawing() {
  const stage = $("stage");
  stage.onpointerdown = (event) => {
    if (!isDrawing()) return;
    stage.setPointerCapture(event.pointerId);
    addMode(...pointAt(event));
  };
  stage.onpointermove = (event) => {
    if (isDrawing() && event.buttons) addMode(...pointAt(event));
  };
  stage.onkeydown = drawByKey;
  $("clear").onclick = () => {
    DRAWN.centers = [[0, 0]];
    resetData();
  };
}

function fillSelect(select, entries) {
  select.replaceChildren(...entries.map(([value, text]) => new Option(text, value)));
}

async function start() {
  manifest = await loadManifest();
  const models = Object.entries(manifest.models).map(([name, { title }]) => [name, title]);
  fillSelect($("gan"), models);
  const names = [...Object.keys(manifest.distributions), "drawn"];
  const titles = names.map((name) => [name, DISTRIBUTIONS[name] ?? name]);
  fillSelect($("data"), titles);
  worker = new Worker("live-engine.js", { type: "module" });
  worker.onmessage = receive;
  worker.onerror = () =>
    say(
      "The engine cannot be loaded. This page needs a browser with WebAssembly and module workers.",
    );
  send("manifest", { manifest });
  for (const id of ["rate", "ratio", "cool", "cool-steps"]) $(id).oninput = applySettings;
  for (const layer of LAYERS) {
    $(`show-${layer}`).onchange = () => {
      applySettings();
      send("refresh");
      redraw();
    };
  }
  $("gan").onchange = chooseGan;
  $("data").onchange = chooseData;
  $("run").onclick = toggleTraining;
  $("restart").onclick = restart;
  for (const link of document.querySelectorAll("[data-try]")) {
    link.onclick = () => {
      applySuggestion(link.dataset.try);
      $("stage").scrollIntoView({ block: "nearest" });
    };
  }
  listenToDrawing();
  new ResizeObserver(redraw).observe($("stage"));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  const toy = document.querySelector("[data-toy]")?.dataset.toy;
  const suggestion = location.hash.slice(1) || toy;
  if (!suggestion || !applySuggestion(suggestion)) applySuggestion("data=gaussians25");
}

start().catch((error) => {
  if (error instanceof MissingExport) explainMissing($("status"), error);
  else say(`Nothing can be trained here: ${error.message}`);
});
