// The page of the digits: a worker for the classifier, another for the GAN, and what they tell.

import { described } from "./manifest.js";
import { curves } from "./plots.js";

const $ = (id) => document.getElementById(id);

/** A worker with a button that trains and pauses, one that starts again, and a line that says how it stands. */
class Side {
  constructor(role, button, again, status, seen) {
    Object.assign(this, { button: $(button), again: $(again), status: $(status), seen, running: false });
    this.worker = new Worker("digits-engine.js", { type: "module" });
    this.worker.onmessage = ({ data }) => this.received(data);
    this.worker.onerror = () => this.say("The engine cannot be loaded. This page needs WebAssembly and module workers.");
    this.button.onclick = () => this.set(!this.running);
    this.again.onclick = () => {
      this.forget?.();
      this.send("restart");
      this.say(this.running ? "Training." : "Ready.");
    };
    this.role = role;
  }

  send(type, more = {}) {
    this.worker.postMessage({ type, ...more });
  }

  say(text) {
    this.status.textContent = text;
  }

  set(running, text = running ? "Training." : "Paused.") {
    if (running !== this.running) this.send(running ? "run" : "stop");
    this.rest(running, text);
  }

  rest(running, text) {
    this.running = running;
    this.button.textContent = running ? "Pause" : "Train";
    this.say(text);
  }

  received(data) {
    if (data.type === "frame") this.seen(data);
    else if (data.type === "loaded") {
      this.button.disabled = this.again.disabled = false;
      this.say("Ready.");
      if (new URLSearchParams(location.hash.slice(1)).has(this.role)) this.set(true);
    } else if (data.type === "done") this.rest(false, "Its training is over: the learning rate has fallen to nothing.");
    else if (data.type === "diverged") this.rest(false, "A loss is no longer a number; start again.");
    else if (data.type === "error") this.rest(false, `This cannot go on: ${data.text}`);
  }
}

const history = { steps: [], accuracy: [] };
let classes;

/** Draws a gray picture of a list on a canvas at (x, y). */
function tile(context, images, shape, i, x, y) {
  const [height, width] = shape, image = new ImageData(width, height);
  for (let j = 0; j < width * height; j++) {
    const v = images[i * width * height + j];
    image.data.set([v, v, v, 255], 4 * j);
  }
  context.putImageData(image, x, y);
}

function learnerSeen({ steps, seconds, loss, accuracy, said, labels, images, shape }) {
  $("learn-steps").textContent = steps.toLocaleString("en");
  $("seconds").textContent = seconds.toFixed(0);
  if (loss !== undefined) $("loss").textContent = loss.toFixed(3);
  if (accuracy !== undefined) {
    $("accuracy").textContent = `${(100 * accuracy).toFixed(1)} %`;
    history.steps.push(steps);
    history.accuracy.push(accuracy);
    curve();
  }
  if (!$("seen").children.length) $("seen").append(...said.map(() => seenItem(shape)));
  [...$("seen").children].forEach((item, i) => {
    tile(item.firstChild.getContext("2d"), images, shape, i, 0, 0);
    const right = said[i] === labels[i];
    item.className = right ? "right" : "wrong";
    item.lastChild.textContent = `${right ? "✓" : "✗"} ${classes[said[i]]}`;
  });
}

function seenItem([height, width]) {
  const item = document.createElement("li"), canvas = document.createElement("canvas");
  Object.assign(canvas, { width, height });
  item.append(canvas, document.createElement("span"));
  return item;
}

function curve() {
  curves($("curve"), history.steps, [{ values: history.accuracy }], { range: [0, 1] });
}

function painterSeen({ steps, stepsPerSecond, made, shape, metrics }) {
  $("paint-steps").textContent = steps.toLocaleString("en");
  if (stepsPerSecond) $("paint-speed").textContent = stepsPerSecond.toFixed(1);
  if (metrics) {
    $("disc-loss").textContent = metrics.disc.loss.toFixed(2);
    $("gen-loss").textContent = metrics.gen.loss.toFixed(2);
  }
  const [height, width] = shape, n = made.length / (height * width), columns = Math.round(Math.sqrt(n));
  const canvas = $("made");
  Object.assign(canvas, { width: columns * (width + 1) - 1, height: Math.ceil(n / columns) * (height + 1) - 1 });
  const context = canvas.getContext("2d");
  for (let i = 0; i < n; i++) tile(context, made, shape, i, (i % columns) * (width + 1), Math.floor(i / columns) * (height + 1));
}

async function begin() {
  const { digits } = await described();
  if (!digits) throw new Error("the export has no pictures; add --digits=idx:data/mnist, or other pictures with labels, to its command.");
  classes = digits.data.classes;
  const learner = new Side("learner", "learn", "relearn", "learner-status", learnerSeen);
  learner.forget = () => Object.assign(history, { steps: [], accuracy: [] });
  const painter = new Side("painter", "paint", "repaint", "painter-status", painterSeen);
  for (const side of [learner, painter]) side.send("begin", { role: side.role, entry: digits[side.role], data: digits.data });
  new ResizeObserver(curve).observe($("curve"));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", curve);
}

begin().catch((error) => {
  for (const id of ["learner-status", "painter-status"]) $(id).textContent = `Nothing can be trained here: ${error.message}`;
});
