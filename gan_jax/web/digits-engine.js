// A worker that trains one of two nets on labelled pictures: the classifier ("learner") or the GAN ("painter").

import { Random, noise } from "./data.js";
import { Clock, fetched, repeat, serve } from "./loop.js";
import { Tensor, Trainer, finite } from "./trainer.js";

const SHOWN = 50; // test pictures that are shown with what the classifier says
const MEASURE_MS = 3000; // between measurements of the accuracy

let entry, data, net, seed = 0, clock, trained = 0, began, measured;

/** Pictures and labels out of the page's file: {train, test}, each {images: Uint8Array [n * size], labels: Uint8Array [n], n}. */
async function unpacked({ train, test, shape }) {
  const packed = await fetched("digits/data.bin");
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
  const size = shape.reduce((a, b) => a * b, 1);
  let at = 0;
  const take = (n) => bytes.subarray(at, (at += n));
  const part = (n) => ({ n, images: take(n * size), labels: take(n) });
  return { size, shape, train: part(train), test: part(test) };
}

/** Pictures of a part by their numbers: Float32Array in [-1, 1]. */
function pictures(part, rows) {
  const out = new Float32Array(rows.length * data.size);
  rows.forEach((row, i) => {
    for (let j = 0; j < data.size; j++) out[i * data.size + j] = part.images[row * data.size + j] / 127.5 - 1;
  });
  return out;
}

const drawn = (random, n) => Array.from({ length: n }, () => random.below(data.train.n));

const LEARNER = {
  step: async () => {
    const rows = drawn(net.random, entry.batch);
    const image = new Tensor("float32", pictures(data.train, rows), [rows.length, ...data.shape]);
    const label = new Tensor("int32", Int32Array.from(rows, (row) => data.train.labels[row]), [rows.length]);
    const { loss } = await net.call("learn", { image, label });
    net.steps++;
    return { learner: { loss: loss.data[0], grad_norm: 0 } };
  },
  done: () => net.steps >= entry.steps,
  /** Test pictures and what is said of them; the accuracy on all of them every few seconds, and at the end. */
  async show(metrics) {
    const rows = Array.from({ length: entry.judged }, (_, i) => i);
    const said = await judged(rows);
    const message = { said: said.slice(0, SHOWN), labels: data.test.labels.slice(0, SHOWN),
      images: data.test.images.slice(0, SHOWN * data.size), shape: data.shape };
    if (performance.now() - measured > MEASURE_MS || this.done() || !loop.running) {
      message.accuracy = await accuracy(said);
      measured = performance.now();
    }
    return { ...message, loss: metrics?.learner.loss };
  },
};

/** What the classifier says of test pictures: their most likely classes. */
async function judged(rows) {
  const image = new Tensor("float32", pictures(data.test, rows), [rows.length, ...data.shape]);
  const { data: logits } = (await net.call("judge", { image })).logits;
  const k = logits.length / rows.length;
  return rows.map((_, i) => {
    const of = logits.subarray(i * k, (i + 1) * k);
    return of.indexOf(Math.max(...of));
  });
}

/** Share of all test pictures that are right. first: what is said of the first of them. */
async function accuracy(first) {
  let right = 0;
  for (let from = 0; from < data.test.n; from += entry.judged) {
    // Programs take so many pictures at once: the last go round to the first again, and are not counted.
    const rows = Array.from({ length: entry.judged }, (_, i) => (from + i) % data.test.n);
    const said = from ? await judged(rows) : first;
    for (let i = 0; i < Math.min(entry.judged, data.test.n - from); i++) right += said[i] === data.test.labels[from + i];
  }
  return right / data.test.n;
}

const PAINTER = {
  step: () => net.step({ rate: 1, ratio: entry.repeats.disc }),
  done: () => false,
  async show(metrics) {
    const z = noise(new Random(1), entry.prior, entry.made * entry.z_dim);
    const { scale, shift } = entry.to_net;
    const made = Uint8ClampedArray.from(await net.sample(z), (x) => ((x - shift) / scale + 1) * 127.5);
    return { made, shape: entry.shape, metrics };
  },
};

let role;

async function show(metrics, stepsPerSecond = null) {
  const seconds = (trained + (loop.running ? performance.now() - began : 0)) / 1000;
  postMessage({ type: "frame", steps: net.steps, seconds, stepsPerSecond, ...(await role.show(metrics)) });
}

function pause() {
  if (loop.running) trained += performance.now() - began;
  loop.running = false;
}

const loop = serve({
  async begin(message) {
    entry = message.entry;
    role = message.role === "learner" ? LEARNER : PAINTER;
    data = await unpacked(message.data);
    net = await Trainer.load(`digits/${message.role}`, entry, (random, n) => pictures(data.train, drawn(random, n)));
    net.reset(seed);
    measured = 0;
    postMessage({ type: "loaded" });
    await show(null);
  },
  run() {
    clock = new Clock();
    clock.steps = net.steps;
    [began, measured] = [performance.now(), performance.now()];
    loop.running = !role.done();
    if (!loop.running) postMessage({ type: "done" });
  },
  async stop() {
    pause();
    await show(null);
  },
  async restart() {
    net.reset(++seed);
    trained = 0;
    began = performance.now();
    if (clock) clock.steps = 0;
    await show(null);
  },
}, async () => {
  const metrics = await repeat(role.step);
  const good = finite(metrics);
  if (role.done() || !good) pause();
  if (clock.due() || !loop.running) {
    const speed = clock.speed(net.steps);
    await clock.show(net.steps, () => show(metrics, speed));
  }
  if (!loop.running) postMessage({ type: good ? "done" : "diverged" });
});
