// The page of digits: a worker for the classifier, another for the GAN.

import { $, MissingExport, explainMissing, loadManifest } from "./page.js";
import { drawCurves } from "./plots.js";

/** A worker with a button that trains and pauses, one that starts again, and a status line. */
class Panel {
  /** ids: of the elements. showFrame: draws what the worker sends. onRestart: called before it. */
  constructor(role, ids, showFrame, onRestart = () => {}) {
    Object.assign(this, { role, showFrame, running: false });
    this.button = $(ids.train);
    this.restart = $(ids.restart);
    this.status = $(ids.status);
    this.worker = new Worker("digits-engine.js", { type: "module" });
    this.worker.onmessage = ({ data }) => this.receive(data);
    this.worker.onerror = () =>
      this.say("The engine cannot be loaded. This page needs WebAssembly and module workers.");
    this.button.onclick = () => this.setRunning(!this.running);
    this.restart.onclick = () => {
      onRestart();
      this.send("restart");
      this.say(this.running ? "Training." : "Ready.");
    };
  }

  send(type, more = {}) {
    this.worker.postMessage({ type, ...more });
  }

  say(text) {
    this.status.textContent = text;
  }

  setRunning(running) {
    if (running !== this.running) this.send(running ? "run" : "stop");
    this.showRunning(running, running ? "Training." : "Paused.");
  }

  showRunning(running, text) {
    this.running = running;
    this.button.textContent = running ? "Pause" : "Train";
    this.say(text);
  }

  receive(message) {
    const { type } = message;
    if (type === "frame") this.showFrame(message);
    else if (type === "loaded") {
      this.button.disabled = this.restart.disabled = false;
      this.say("Ready.");
      const startsByAddress = new URLSearchParams(location.hash.slice(1)).has(this.role);
      if (startsByAddress) this.setRunning(true);
    } else if (type === "done") {
      this.showRunning(false, "Its training is over: the learning rate has fallen to nothing.");
    } else if (type === "diverged") {
      this.showRunning(false, "A loss is no longer a number; start again.");
    } else if (type === "error") {
      this.showRunning(false, `This cannot go on: ${message.text}`);
    }
  }
}

const accuracies = { steps: [], values: [] };
let classes;

/** Draws gray image i of a list on a canvas at (x, y). */
function drawImage(context, images, [height, width], i, x, y) {
  const pixels = new ImageData(width, height);
  for (let j = 0; j < width * height; j++) {
    const v = images[i * width * height + j];
    pixels.data.set([v, v, v, 255], 4 * j);
  }
  context.putImageData(pixels, x, y);
}

function showClassifier({ steps, seconds, loss, accuracy, predicted, labels, images, shape }) {
  $("learn-steps").textContent = steps.toLocaleString("en");
  $("seconds").textContent = seconds.toFixed(0);
  if (loss !== undefined) $("loss").textContent = loss.toFixed(3);
  if (accuracy !== undefined) {
    $("accuracy").textContent = `${(100 * accuracy).toFixed(1)} %`;
    accuracies.steps.push(steps);
    accuracies.values.push(accuracy);
    drawAccuracy();
  }
  const list = $("seen");
  if (!list.children.length) list.append(...predicted.map(() => createTile(shape)));
  [...list.children].forEach((tile, i) => {
    drawImage(tile.firstChild.getContext("2d"), images, shape, i, 0, 0);
    const isRight = predicted[i] === labels[i];
    tile.className = isRight ? "right" : "wrong";
    tile.lastChild.textContent = `${isRight ? "✓" : "✗"} ${classes[predicted[i]]}`;
  });
}

function createTile([height, width]) {
  const tile = document.createElement("li");
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width, height });
  tile.append(canvas, document.createElement("span"));
  return tile;
}

function drawAccuracy() {
  drawCurves($("curve"), accuracies.steps, [{ values: accuracies.values }], { range: [0, 1] });
}

function showGan({ steps, stepsPerSecond, samples, shape, metrics }) {
  $("paint-steps").textContent = steps.toLocaleString("en");
  if (stepsPerSecond) $("paint-speed").textContent = stepsPerSecond.toFixed(1);
  if (metrics) {
    $("disc-loss").textContent = metrics.disc.loss.toFixed(2);
    $("gen-loss").textContent = metrics.gen.loss.toFixed(2);
  }
  const [height, width] = shape;
  const n = samples.length / (height * width);
  const columns = Math.round(Math.sqrt(n));
  const canvas = $("made");
  canvas.width = columns * (width + 1) - 1;
  canvas.height = Math.ceil(n / columns) * (height + 1) - 1;
  const context = canvas.getContext("2d");
  for (let i = 0; i < n; i++) {
    const [x, y] = [(i % columns) * (width + 1), Math.floor(i / columns) * (height + 1)];
    drawImage(context, samples, shape, i, x, y);
  }
}

async function start() {
  const { digits } = await loadManifest();
  if (!digits) {
    throw new MissingExport(
      "the export has no pictures; add --digits=idx:data/mnist, or other pictures with labels, " +
        "to its command.",
    );
  }
  classes = digits.data.classes;
  const learnerIds = { train: "learn", restart: "relearn", status: "learner-status" };
  const painterIds = { train: "paint", restart: "repaint", status: "painter-status" };
  const clearAccuracies = () => Object.assign(accuracies, { steps: [], values: [] });
  const panels = [
    new Panel("learner", learnerIds, showClassifier, clearAccuracies),
    new Panel("painter", painterIds, showGan),
  ];
  for (const panel of panels) {
    panel.send("load", { role: panel.role, entry: digits[panel.role], data: digits.data });
  }
  new ResizeObserver(drawAccuracy).observe($("curve"));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAccuracy);
}

start().catch((error) => {
  if (error instanceof MissingExport) {
    explainMissing($("learner-status"), error);
    $("painter-status").hidden = true;
    return;
  }
  const text = `Nothing can be trained here: ${error.message}`;
  for (const id of ["learner-status", "painter-status"]) $(id).textContent = text;
});
