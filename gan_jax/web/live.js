// The page: controls, pictures and curves around the engine that trains in a worker.

import { Random, points } from "./data.js";
import { described } from "./manifest.js";
import { EXTENT, bars, curves, plane } from "./plots.js";

const $ = (id) => document.getElementById(id);
const NAMES = { disc: "discriminator", gen: "generator", recon: "reconstruction" };
const TITLES = { gaussians8: "8 modes on a ring", gaussians25: "25 modes in a grid", plus: "13 modes, a plus",
  sine: "11 modes, a sine wave", swissroll: "a spiral" };
const ABOUT = {
  gan: "The original game (Goodfellow et al. 2014): real or generated, yes or no.",
  wgan_gp: "A critic scores points without limit; a penalty keeps its slope near 1 (Gulrajani et al. 2017).",
  dragan: "The original game, with a penalty that keeps the slope near real points at 1 (Kodali et al. 2017).",
  mgan: "Generators with first layers of their own, and a classifier that must tell whose a point is (Hoang et al. 2018).",
  distgan: "An encoder ties real points to noise: distances between reconstructions and samples are kept (Tran et al. 2018).",
};
const DRAWN = { title: "your own drawing", centers: [[-0.6, -0.4], [0.6, -0.4], [0, 0.6]], modes: true, sd: 0.02,
  radius: 0.0566, share: 0.01 };
const EVEN = { gan: [[2 * Math.LN2, "2 ln 2 = 1.386"], [Math.LN2, "ln 2 = 0.693"]] }; // losses where D says 1/2 to everything
const APART = 0.08; // at least, between modes of a drawing
const KEPT = 600; // points of a curve, which is thinned to half when there are more

let manifest, worker, frame = null, real = null, running = false, seed = 0, cross = null, history;

const model = () => manifest.models[$("gan").value];
const distribution = () => ($("data").value === "drawn" ? DRAWN : manifest.distributions[$("data").value]);
const send = (type, more = {}) => worker.postMessage({ type, ...more });
const say = (text) => ($("status").textContent = text);
const shown = () => ({ surface: $("show-surface").checked, slope: $("show-slope").checked,
  manifold: $("show-manifold").checked, real: $("show-real").checked });

function settings() {
  return { distribution: distribution(), rate: 10 ** Number($("rate").value), ratio: Number($("ratio").value),
    cool: $("cool").checked, coolSteps: Math.max(Number($("cool-steps").value) || 1, 1), ...shown() };
}

function change() {
  const base = model().lr.gen, { rate, ratio } = settings();
  $("rate-shown").textContent = (base * rate).toPrecision(2);
  $("ratio-shown").textContent = `${ratio} to 1`;
  send("settings", { settings: settings() });
}

function forget() {
  history = { steps: [], covered: [], registered: [], felt: [], loss: {}, grad_norm: {} };
  for (const term of ["loss", "grad_norm"]) for (const player of model().players) history[term][player] = [];
}

function remember({ steps, metrics, coverage, felt }) {
  if (!Object.keys(metrics).length) return;
  history.steps.push(steps);
  const modes = distribution().modes ? distribution().centers.length : NaN;
  history.covered.push(coverage ? coverage.covered / modes : NaN);
  history.registered.push(coverage ? coverage.registered : NaN);
  history.felt.push(felt ?? NaN);
  for (const term of ["loss", "grad_norm"]) {
    for (const player of model().players) history[term][player].push(metrics[player]?.[term] ?? NaN);
  }
  if (history.steps.length > KEPT) {
    const thin = (values) => values.filter((_, i) => i % 2);
    history.steps = thin(history.steps);
    for (const key of ["covered", "registered", "felt"]) history[key] = thin(history[key]);
    for (const term of ["loss", "grad_norm"]) for (const p of model().players) history[term][p] = thin(history[term][p]);
  }
}

function draw() {
  plane($("stage"), { frame, real, distribution: distribution(), kinds: model().kinds, critic: model().critic,
    side: manifest.side, show: shown(), cross: $("data").value === "drawn" ? cross : null });
  const lines = (term) => model().players.map((p) => ({ values: history[term][p], accent: p === "gen" }));
  curves($("losses"), history.steps, lines("loss"), { levels: EVEN[$("gan").value] });
  curves($("gradients"), history.steps, lines("grad_norm"), { log: true });
  curves($("modes"), history.steps, [{ values: history.covered }, { values: history.registered }], { range: [0, 1] });
  curves($("slopes"), history.steps, [{ values: history.felt }], { log: true, levels: [[1, "1"]] });
  const n = distribution().centers.length;
  if (distribution().modes) bars($("shares"), frame?.coverage?.shares ?? new Array(n).fill(0), 1 / n);
}

let drawing = 0;
const redraw = () => (drawing ||= requestAnimationFrame(() => {
  drawing = 0;
  draw();
}));

function report() {
  const { coverage, steps, stepsPerSecond } = frame;
  const n = distribution().centers.length;
  $("covered").textContent = coverage ? `${coverage.covered} of ${n}` : "–";
  $("registered").textContent = coverage ? `${(100 * coverage.registered).toFixed(0)} %` : "–";
  $("steps").textContent = steps.toLocaleString("en");
  if (stepsPerSecond) $("speed").textContent = stepsPerSecond.toFixed(stepsPerSecond < 10 ? 1 : 0);
  $("stage").setAttribute("aria-label", `${model().title} on ${$("data").selectedOptions[0].textContent} after ${steps} steps` +
    (coverage ? `: ${coverage.covered} of ${n} modes covered, ${(100 * coverage.registered).toFixed(0)} % of points near a mode` : ""));
}

function received({ data }) {
  if (data.type === "frame" && data.gan === $("gan").value) {
    frame = data;
    remember(data);
    report();
    redraw();
  } else if (data.type === "loaded" && data.gan === $("gan").value) {
    enable(true);
    say(running ? "Training." : "Ready.");
    if (running) send("run");
  } else if (data.type === "diverged") {
    setRunning(false);
    say(`After ${data.steps} steps a loss is no longer a number. Lower the learning rate and start again.`);
  } else if (data.type === "error") {
    setRunning(false);
    say(`This cannot go on: ${data.text}`);
  }
}

function enable(on) {
  for (const button of document.querySelectorAll("#run, #restart, #players button")) button.disabled = !on;
}

function setRunning(on) {
  running = on;
  $("run").textContent = on ? "Pause" : "Train";
  for (const button of document.querySelectorAll("#players button")) button.disabled = on;
}

function start() {
  setRunning(!running);
  send(running ? "run" : "stop");
  if (!$("run").disabled) say(running ? "Training." : "Paused.");
}

function restart() {
  seed++;
  forget();
  send("restart", { seed });
}

function chooseGan() {
  const { players, repeats, title } = model();
  enable(false);
  say(`Loading ${title} …`);
  send("stop");
  $("even").hidden = !($("gan").value in EVEN);
  $("about").textContent = ABOUT[$("gan").value.replace(/\d+$/, "")] ?? "";
  $("ratio").value = repeats.disc;
  $("loss-keys").textContent = players.map((p, i) => `${NAMES[p]} ${["solid", "dashed", "dotted"][i]}`).join(", ");
  $("players").replaceChildren(...players.map((player) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = NAMES[player];
    button.disabled = true;
    button.onclick = () => send("turn", { player });
    return button;
  }));
  frame = null;
  forget();
  change();
  send("load", { gan: $("gan").value, seed });
}

function chooseData() {
  const drawn = $("data").value === "drawn";
  $("drawing").hidden = !drawn;
  $("stage").classList.toggle("drawing", drawn);
  $("stage").tabIndex = drawn ? 0 : -1;
  cross = drawn ? [0, 0] : null;
  for (const id of ["modes", "shares"]) $(id).parentElement.hidden = !distribution().modes;
  dealt();
}

/** The distribution is another: its points are drawn anew, and what was counted means nothing any more. */
function dealt() {
  real = points(new Random(7), distribution(), 1000);
  forget();
  change();
  send("look");
  redraw();
}

function addMode(x, y) {
  if (DRAWN.centers.length >= 100 || Math.max(Math.abs(x), Math.abs(y)) > 1) return;
  if (DRAWN.centers.some(([a, b]) => Math.hypot(a - x, b - y) < APART)) return;
  DRAWN.centers.push([x, y]);
  DRAWN.share = Math.min(0.01, 0.25 / DRAWN.centers.length);
  dealt();
}

function at(event) {
  const box = $("stage").getBoundingClientRect();
  return [((2 * (event.clientX - box.left)) / box.width - 1) * EXTENT, (1 - (2 * (event.clientY - box.top)) / box.height) * EXTENT];
}

function listenToDrawing() {
  const stage = $("stage"), drawn = () => $("data").value === "drawn";
  stage.onpointerdown = (event) => {
    if (!drawn()) return;
    stage.setPointerCapture(event.pointerId);
    addMode(...at(event));
  };
  stage.onpointermove = (event) => drawn() && event.buttons && addMode(...at(event));
  stage.onkeydown = (event) => {
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
    if (!drawn() || !(event.key in moves || [" ", "Backspace"].includes(event.key))) return;
    event.preventDefault();
    if (event.key === " ") addMode(...cross);
    else if (event.key === "Backspace" && DRAWN.centers.length > 1) {
      DRAWN.centers.pop();
      dealt();
    } else if (event.key in moves) cross = cross.map((v, i) => Math.min(Math.max(v + 0.05 * moves[event.key][i], -1), 1));
    redraw();
  };
  $("clear").onclick = () => {
    DRAWN.centers = [[0, 0]];
    dealt();
  };
}

/** What an address, a page or a suggestion asks for: "gan=mgan25&data=gaussians25&rate=10&ratio=5&show=slope,manifold&run". */
function follow(words) {
  const asked = new URLSearchParams(words);
  if (asked.has("gan") && !(asked.get("gan") in manifest.models)) {
    say(`The export has no ${asked.get("gan")}; add it to its --systems.`);
    return false;
  }
  if (asked.has("show")) {
    for (const part of ["surface", "slope", "manifold", "real"]) $(`show-${part}`).checked = asked.get("show").split(",").includes(part);
  }
  $("rate").value = Math.log10(Number(asked.get("rate")) || 1);
  if (asked.get("data") in manifest.distributions) $("data").value = asked.get("data");
  if (asked.has("gan")) $("gan").value = asked.get("gan");
  chooseData();
  chooseGan();
  if (asked.has("ratio")) $("ratio").value = asked.get("ratio");
  change();
  if (asked.has("run") && !running) start();
  return true;
}

function options(select, entries) {
  select.replaceChildren(...entries.map(([value, text]) => new Option(text, value)));
}

async function begin() {
  manifest = await described();
  options($("gan"), Object.entries(manifest.models).map(([name, { title }]) => [name, title]));
  options($("data"), [...Object.keys(manifest.distributions).map((name) => [name, TITLES[name] ?? name]), ["drawn", DRAWN.title]]);
  worker = new Worker("live-engine.js", { type: "module" });
  worker.onmessage = received;
  worker.onerror = () => say("The engine cannot be loaded. This page needs a browser with WebAssembly and module workers.");
  send("manifest", { manifest });
  for (const id of ["rate", "ratio", "cool", "cool-steps"]) $(id).oninput = change;
  for (const id of ["show-surface", "show-slope", "show-manifold", "show-real"]) {
    $(id).onchange = () => {
      change();
      send("look");
      redraw();
    };
  }
  $("gan").onchange = chooseGan;
  $("data").onchange = chooseData;
  $("run").onclick = start;
  $("restart").onclick = restart;
  for (const link of document.querySelectorAll("[data-try]")) {
    link.onclick = () => {
      follow(link.dataset.try);
      $("stage").scrollIntoView({ block: "nearest" });
    };
  }
  listenToDrawing();
  new ResizeObserver(redraw).observe($("stage"));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  const wanted = location.hash.slice(1) || document.querySelector("[data-toy]")?.dataset.toy;
  if (!wanted || !follow(wanted)) follow("data=gaussians25");
}

begin().catch((error) => say(`Nothing can be trained here: ${error.message}`));
