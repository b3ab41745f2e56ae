// Sample grids over time, and the shares of the classes at the step that is shown.
import { byId, createElement, createSvg, encodePath, formatInteger } from "./common.js";

const PLAY_MS = 250; // per grid

let address = ""; // of the run
let samples = []; // steps of the grids
let playTimer = null;
let classes = []; // names
let loggedShares = []; // class shares while it trains: [{step, real, model}]
let evaluatedShares = null; // class shares of eval.json
let sharesWarning = ""; // why they cannot be trusted
let isActive = false;

/** Begins with a run. */
export function prepareSamples(name) {
  address = encodePath(name);
  byId("time").addEventListener("input", showGrid);
  byId("play").addEventListener("click", togglePlay);
}

/** Replaces what is known of the classes. */
export function setShares(known) {
  if (known.classes) ({ classes } = known);
  if ("evaluated" in known) evaluatedShares = known.evaluated;
  if (known.logged) loggedShares = known.logged;
  if ("warning" in known) sharesWarning = known.warning;
  if ("isActive" in known) ({ isActive } = known);
  showShares();
}

export function addShares(shares) {
  loggedShares.push(shares);
}

export function updateGrids(steps) {
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

/** The shares at the step of the slider; at its end the newest, or those of eval.json. */
function currentShares() {
  const slider = byId("time");
  if (slider.value !== slider.max && loggedShares.length) {
    const step = samples[Number(slider.value)];
    return loggedShares.filter((shares) => shares.step <= step).at(-1) || loggedShares[0];
  }
  return (!isActive && evaluatedShares) || loggedShares.at(-1) || evaluatedShares;
}

function sharesText(shares) {
  if (!shares) {
    return "Not counted yet: a run with --eval_every counts as it trains, and Evaluate afterwards.";
  }
  const when = shares.step
    ? `At step ${formatInteger(shares.step)}.`
    : "As the evaluation counted them.";
  return `${when} ${sharesWarning}`;
}

export function showShares() {
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
