// A worker that trains a classifier ("learner") or a GAN ("painter") on labelled images.

import { Random, sampleNoise } from "./data.js";
import { FrameClock, fetchBytes, repeatFor, runWorker } from "./loop.js";
import { Tensor, Trainer, areFinite } from "./trainer.js";

const N_SHOWN = 50; // test images that are shown with their predicted class
const ACCURACY_MS = 3000; // between measurements of the accuracy
const SAMPLE_SEED = 1; // of the noise of all samples, so that they can be followed

let entry, data, trainer, role, clock;
let seed = 0;
let trainedMs = 0; // before the training was last started
let started, measured; // times

/** Loads images and labels: {size, shape, train, test}, each split {n, images, labels}. */
async function loadData({ train, test, shape }) {
  const packed = await fetchBytes("digits/data.bin");
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
  const size = shape.reduce((a, b) => a * b, 1);
  let offset = 0;
  const take = (n) => bytes.subarray(offset, (offset += n));
  const split = (n) => ({ n, images: take(n * size), labels: take(n) });
  return { size, shape, train: split(train), test: split(test) };
}

/** Images of a split by their rows: Float32Array in [-1, 1]. */
function selectImages(split, rows) {
  const { size } = data;
  const images = new Float32Array(rows.length * size);
  rows.forEach((row, i) => {
    for (let j = 0; j < size; j++) {
      images[i * size + j] = split.images[row * size + j] / 127.5 - 1;
    }
  });
  return images;
}

const imageTensor = (split, rows) =>
  new Tensor("float32", selectImages(split, rows), [rows.length, ...data.shape]);

const randomRows = (random, n) => Array.from({ length: n }, () => random.below(data.train.n));

const CLASSIFIER = {
  async step() {
    const rows = randomRows(trainer.random, entry.batch);
    const labels = Int32Array.from(rows, (row) => data.train.labels[row]);
    const label = new Tensor("int32", labels, [rows.length]);
    const { loss } = await trainer.call("learn", { image: imageTensor(data.train, rows), label });
    trainer.steps++;
    return { learner: { loss: loss.data[0], grad_norm: 0 } };
  },
  isDone: () => trainer.steps >= entry.steps,
  /** Test images with their predicted classes; the accuracy every few seconds, and at the end. */
  async frame(metrics) {
    const predicted = await classify(Array.from({ length: entry.judged }, (_, i) => i));
    const frame = {
      predicted: predicted.slice(0, N_SHOWN),
      labels: data.test.labels.slice(0, N_SHOWN),
      images: data.test.images.slice(0, N_SHOWN * data.size),
      shape: data.shape,
      loss: metrics?.learner.loss,
    };
    if (performance.now() - measured > ACCURACY_MS || this.isDone() || !loop.running) {
      frame.accuracy = await measureAccuracy(predicted);
      measured = performance.now();
    }
    return frame;
  },
};

const GAN = {
  step: () => trainer.step({ rate: 1, ratio: entry.repeats.disc }),
  isDone: () => false,
  async frame(metrics) {
    const { prior, made: n, z_dim, to_net, shape } = entry;
    const z = sampleNoise(new Random(SAMPLE_SEED), prior, n * z_dim);
    const toByte = (x) => ((x - to_net.shift) / to_net.scale + 1) * 127.5;
    return { samples: Uint8ClampedArray.from(await trainer.sample(z), toByte), shape, metrics };
  },
};

/** The most likely classes of test images. */
async function classify(rows) {
  const { logits } = await trainer.call("judge", { image: imageTensor(data.test, rows) });
  const nClasses = logits.data.length / rows.length;
  return rows.map((_, i) => {
    const scores = logits.data.subarray(i * nClasses, (i + 1) * nClasses);
    return scores.indexOf(Math.max(...scores));
  });
}

/** Share of all test images whose class is right. first: predicted classes of the first of them. */
async function measureAccuracy(first) {
  const { n, labels } = data.test;
  let correct = 0;
  for (let start = 0; start < n; start += entry.judged) {
    // The function takes a fixed number of images: the last call begins again with the first ones,
    // which are not counted.
    const rows = Array.from({ length: entry.judged }, (_, i) => (start + i) % n);
    const predicted = start ? await classify(rows) : first;
    const counted = Math.min(entry.judged, n - start);
    for (let i = 0; i < counted; i++) correct += predicted[i] === labels[start + i];
  }
  return correct / n;
}

async function show(metrics, stepsPerSecond = null) {
  const seconds = (trainedMs + (loop.running ? performance.now() - started : 0)) / 1000;
  const frame = await role.frame(metrics);
  postMessage({ type: "frame", steps: trainer.steps, seconds, stepsPerSecond, ...frame });
}

function pause() {
  if (loop.running) trainedMs += performance.now() - started;
  loop.running = false;
}

const actions = {
  async load(message) {
    entry = message.entry;
    role = message.role === "learner" ? CLASSIFIER : GAN;
    data = await loadData(message.data);
    const sampleReal = (random, n) => selectImages(data.train, randomRows(random, n));
    trainer = await Trainer.load(`digits/${message.role}`, entry, sampleReal);
    trainer.reset(seed);
    measured = 0;
    postMessage({ type: "loaded" });
    await show(null);
  },
  run() {
    clock = new FrameClock(trainer.steps);
    started = measured = performance.now();
    loop.running = !role.isDone();
    if (!loop.running) postMessage({ type: "done" });
  },
  async stop() {
    pause();
    await show(null);
  },
  async restart() {
    trainer.reset(++seed);
    trainedMs = 0;
    started = performance.now();
    if (clock) clock.steps = 0;
    await show(null);
  },
};

async function train() {
  const metrics = await repeatFor(role.step);
  const finite = areFinite(metrics);
  if (role.isDone() || !finite) pause();
  if (clock.isDue() || !loop.running) {
    const speed = clock.stepsPerSecond(trainer.steps);
    await clock.show(trainer.steps, () => show(metrics, speed));
  }
  if (!loop.running) postMessage({ type: finite ? "done" : "diverged" });
}

const loop = runWorker(actions, train);
