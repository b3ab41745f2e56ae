// A worker that trains GANs on points, and tells the page what has become of the players.

import { Random, coverage, grid, noise, points } from "./data.js";
import { Clock, repeat, serve } from "./loop.js";
import { Tensor, Trainer, finite } from "./trainer.js";

const EXTENT = 1.1; // the picture spans [-EXTENT, EXTENT]

let manifest, trainer, settings, clock;
const loaded = {};

/** What the page draws. */
async function picture(n, side) {
  const kinds = Math.max(trainer.entry.kinds, 1);
  const given = Int32Array.from({ length: n }, (_, i) => i % kinds);
  const look = new Random(1 + trainer.steps); // not the training's: looking must not change what is seen
  const made = await trainer.sample(noise(look, trainer.entry.prior, n * trainer.entry.z_dim), given);
  const out = { points: made, given, coverage: settings.distribution.modes ? coverage(made, settings.distribution) : null };
  if (settings.surface || settings.slope) {
    const at = new Tensor("float32", grid(side, -EXTENT, EXTENT), [side * side, 2]);
    const { logit, slope } = await trainer.call("surface", { at });
    Object.assign(out, { logit: logit.data, slope: slope.data, felt: felt(made, slope.data, side) });
  }
  if (settings.manifold && trainer.entry.z_dim === 2) Object.assign(out, await sheets(n, kinds));
  return out;
}

/** The median size of the slope [side * side * 2] in the cells of the grid where points [n * 2] are. */
function felt(made, slope, side) {
  const cell = (v) => Math.min(Math.max(Math.round(((v + EXTENT) / (2 * EXTENT)) * (side - 1)), 0), side - 1);
  const sizes = Float32Array.from({ length: made.length / 2 }, (_, i) => {
    const at = 2 * (cell(made[2 * i + 1]) * side + cell(made[2 * i]));
    return Math.hypot(slope[at], slope[at + 1]);
  });
  return sizes.sort()[sizes.length >> 1];
}

/** Every generator's image of a square grid of noise: {sheets: Float32Array [n * 2], sheetSide}. */
async function sheets(n, kinds) {
  const { prior } = trainer.entry;
  const side = Math.floor(Math.sqrt(n / kinds));
  const [low, high] = prior.kind === "normal" ? [-2, 2] : [prior.low, prior.high];
  const sheet = grid(side, low, high);
  const z = new Float32Array(2 * n), given = new Int32Array(n);
  for (let k = 0; k < kinds; k++) {
    z.set(sheet, k * sheet.length);
    given.fill(k, k * side * side, (k + 1) * side * side);
  }
  return { sheets: await trainer.sample(z, given), sheetSide: side };
}

async function show(metrics, stepsPerSecond = null) {
  const seen = await picture(manifest.points, manifest.side);
  postMessage({ type: "frame", gan: trainer.name, steps: trainer.steps, metrics, stepsPerSecond, ...seen });
}

const loop = serve({
  manifest(message) {
    manifest = message.manifest;
  },
  settings(message) {
    settings = message.settings;
  },
  run() {
    clock = new Clock();
    clock.steps = trainer.steps;
    loop.running = true;
  },
  async stop() {
    if (loop.running) await show({}); // what it has come to since the last picture
    loop.running = false;
  },
  async load({ gan, seed }) {
    const real = (random, n) => points(random, settings.distribution, n);
    loaded[gan] ??= await Trainer.load(gan, manifest.models[gan], real);
    trainer = loaded[gan];
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
  async turn({ player }) {
    trainer.draws = {};
    const metrics = { [player]: await trainer.turn(player, 0, settings) };
    if (player === "gen") {
      await trainer.average();
      trainer.steps++;
    }
    await show(metrics);
  },
  async look() {
    if (trainer && !loop.running) await show({});
  },
}, async () => {
  const metrics = await repeat(() => trainer.step(settings));
  loop.running = finite(metrics);
  if (clock.due() || !loop.running) {
    const speed = clock.speed(trainer.steps);
    await clock.show(trainer.steps, () => show(metrics, speed));
  }
  if (!loop.running) postMessage({ type: "diverged", steps: trainer.steps });
});
