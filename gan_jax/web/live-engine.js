// A worker that trains GANs on points and sends frames to the page.

import { EXTENT, Random, modeCoverage, sampleNoise, samplePoints, squareGrid } from "./data.js";
import { FrameClock, repeatFor, runWorker } from "./loop.js";
import { Tensor, Trainer, areFinite } from "./trainer.js";

const NORMAL_RANGE = [-2, 2]; // of normal noise, in which the generator's manifold is shown

let manifest, trainer, settings, clock;
const trainers = {};

/** What the page draws: samples of n points, and D's surface on a grid. */
async function computeFrame(n, side) {
  const { kinds, prior, z_dim } = trainer.entry;
  const nGenerators = Math.max(kinds, 1);
  const given = Int32Array.from({ length: n }, (_, i) => i % nGenerators);
  const random = new Random(1 + trainer.steps); // frames take no numbers from training
  const points = await trainer.sample(sampleNoise(random, prior, n * z_dim), given);
  const { distribution, surface, slope, manifold } = settings;
  const coverage = distribution.modes ? modeCoverage(points, distribution) : null;
  const frame = { points, given, coverage };
  if (surface || slope) Object.assign(frame, await computeSurface(points, side));
  if (manifold && z_dim === 2) Object.assign(frame, await computeManifolds(n, nGenerators));
  return frame;
}

/** D's logit and its gradient on a grid, and the median gradient norm at points [n * 2]. */
async function computeSurface(points, side) {
  const at = new Tensor("float32", squareGrid(side, -EXTENT, EXTENT), [side * side, 2]);
  const { logit, slope } = await trainer.call("surface", { at });
  const medianSlope = medianNorm(points, slope.data, side);
  return { logit: logit.data, slope: slope.data, medianSlope };
}

/** The median norm of a field [side * side * 2] in the cells of the grid where points are. */
function medianNorm(points, field, side) {
  const index = (v) => Math.round(((v + EXTENT) / (2 * EXTENT)) * (side - 1));
  const cell = (v) => Math.min(Math.max(index(v), 0), side - 1);
  const norms = Float32Array.from({ length: points.length / 2 }, (_, i) => {
    const at = 2 * (cell(points[2 * i + 1]) * side + cell(points[2 * i]));
    return Math.hypot(field[at], field[at + 1]);
  });
  return norms.sort()[norms.length >> 1];
}

/** Every generator's image of a grid of noise: {manifolds: Float32Array [n * 2], manifoldSide}. */
async function computeManifolds(n, nGenerators) {
  const { prior } = trainer.entry;
  const side = Math.floor(Math.sqrt(n / nGenerators));
  const [low, high] = prior.kind === "normal" ? NORMAL_RANGE : [prior.low, prior.high];
  const grid = squareGrid(side, low, high);
  const z = new Float32Array(2 * n);
  const given = new Int32Array(n);
  for (let k = 0; k < nGenerators; k++) {
    z.set(grid, k * grid.length);
    given.fill(k, k * side * side, (k + 1) * side * side);
  }
  return { manifolds: await trainer.sample(z, given), manifoldSide: side };
}

async function show(metrics, stepsPerSecond = null) {
  const frame = await computeFrame(manifest.points, manifest.side);
  const { name: gan, steps } = trainer;
  postMessage({ type: "frame", gan, steps, metrics, stepsPerSecond, ...frame });
}

const actions = {
  manifest(message) {
    manifest = message.manifest;
  },
  settings(message) {
    settings = message.settings;
  },
  run() {
    clock = new FrameClock(trainer.steps);
    loop.running = true;
  },
  async stop() {
    if (loop.running) await show({}); // the steps since the last frame
    loop.running = false;
  },
  async load({ gan, seed }) {
    const sampleReal = (random, n) => samplePoints(random, settings.distribution, n);
    trainers[gan] ??= await Trainer.load(gan, manifest.models[gan], sampleReal);
    trainer = trainers[gan];
    trainer.reset(seed);
    postMessage({ type: "loaded", gan });
    await show({});
  },
  async restart({ seed }) {
    trainer.reset(seed);
    if (clock) clock.steps = 0;
    await show({});
  },
  /** One update of one player; averages follow the generator. */
  async updatePlayer({ player }) {
    trainer.minibatches = {};
    const metrics = { [player]: await trainer.updatePlayer(player, 0, settings) };
    if (player === "gen") {
      await trainer.updateAverages();
      trainer.steps++;
    }
    await show(metrics);
  },
  async refresh() {
    if (trainer && !loop.running) await show({});
  },
};

async function train() {
  const metrics = await repeatFor(() => trainer.step(settings));
  loop.running = areFinite(metrics);
  if (clock.isDue() || !loop.running) {
    const speed = clock.stepsPerSecond(trainer.steps);
    await clock.show(trainer.steps, () => show(metrics, speed));
  }
  if (!loop.running) postMessage({ type: "diverged", steps: trainer.steps });
}

const loop = runWorker(actions, train);
