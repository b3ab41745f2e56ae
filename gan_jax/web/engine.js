// A worker that trains: it runs the exported updates in turn, and tells the page what has become of the players.

import * as ort from "./ort/ort.wasm.min.mjs";
import { Random, coverage, grid, noise, points } from "./data.js";

ort.env.wasm.wasmPaths = new URL("./ort/", import.meta.url).href;
ort.env.wasm.numThreads = 1; // more would need headers that few static hosts send

const EXTENT = 1.1; // the picture spans [-EXTENT, EXTENT]
const FRAME_MS = 200; // at least, between pictures; and pictures take a fifth of the time at most

/** One GAN: its programs, and the state that they pass on. */
class Trainer {
  constructor(name, entry, sessions, begins) {
    Object.assign(this, { name, entry, sessions, begins });
  }

  static async load(name, entry) {
    const options = { executionProviders: ["wasm"], graphOptimizationLevel: "all" };
    const open = async (file) => ort.InferenceSession.create(await fetched(`${name}/${file}.onnx`), options);
    const sessions = {};
    for (const file of Object.keys(entry.files)) sessions[file] = await open(file);
    const begins = [];
    for (let seed = 0; seed < entry.seeds; seed++) begins.push(await fetched(`${name}/begin-${seed}.bin`));
    return new Trainer(name, entry, sessions, begins);
  }

  /** Back to fresh weights: those of one of the exported seeds. */
  reset(seed) {
    const numbers = new Float32Array(this.begins[seed % this.begins.length].slice().buffer);
    this.random = new Random(seed);
    this.state = {};
    let at = 0;
    for (const { name, shape, type } of this.entry.state) {
      const size = shape.reduce((a, b) => a * b, 1);
      let data = type === "int32" ? new Int32Array(size) : new Float32Array(size);
      if (/^state\/(params|stats)\//.test(name)) {
        data = numbers.slice(at, at + size);
        at += size;
      } else if (name.startsWith("state/ema/")) {
        const [, , net, kind, ...rest] = name.split("/");
        data = this.state[`state/${kind}/${net}/${rest.join("/")}`].data.slice();
      }
      this.state[name] = new ort.Tensor(type, data, shape);
    }
    this.draws = {};
    this.steps = 0;
  }

  /** Runs one program on the state and further tensors; keeps the new state and returns what else there is. */
  async call(file, further) {
    const { inputs } = this.entry.files[file];
    const given = {};
    for (const name of Object.keys(inputs)) given[name] = further[name] ?? this.state[name];
    const results = await this.sessions[file].run(given);
    const out = {};
    for (const [name, tensor] of Object.entries(results)) {
      const kept = name.replace(/^new\//, "");
      if (kept.startsWith("state/")) this.state[kept] = tensor;
      else out[name] = tensor;
    }
    return out;
  }

  /** Minibatch r of a draw: real points, and noise by its id, the same for all players of the draw. */
  drawn(draw, r, settings) {
    const key = `${draw}/${r}`;
    if (!this.draws[key]) {
      const { scale, shift } = this.entry.to_net;
      const real = points(this.random, settings.distribution, this.entry.batch).map((x) => x * scale + shift);
      this.draws[key] = { image: new ort.Tensor("float32", real, [this.entry.batch, 1, 1, 2]), noise: {} };
    }
    return this.draws[key];
  }

  /** One update of one player, with minibatch r of its draw. Returns its metrics as numbers. */
  async turn(player, r, settings) {
    const { draw, noise: specs } = this.entry.files[player];
    const minibatch = this.drawn(draw, r, settings);
    const cooled = settings.cool ? Math.max(1 - this.steps / settings.coolSteps, 0.02) : 1;
    const scalar = (x) => new ort.Tensor("float32", Float32Array.of(x), []);
    const given = { image: minibatch.image, rate: scalar(settings.rate * cooled), progress: scalar(0) };
    specs.forEach((spec, i) => {
      const size = spec.shape.reduce((a, b) => a * b, 1);
      minibatch.noise[spec.id] ??= new ort.Tensor("float32", noise(this.random, spec, size), spec.shape);
      given[`noise/${i}`] = minibatch.noise[spec.id];
    });
    const out = await this.call(player, given);
    return Object.fromEntries(Object.entries(out).map(([name, tensor]) => [name.replace("metrics/", ""), tensor.data[0]]));
  }

  /** Every player's turn. Returns {player: metrics of its last update}. */
  async step(settings) {
    this.draws = {};
    const out = {};
    for (const player of this.entry.players) {
      const repeats = player === "disc" ? settings.ratio : this.entry.repeats[player];
      for (let r = 0; r < repeats; r++) out[player] = await this.turn(player, r, settings);
    }
    await this.average();
    this.steps++;
    return out;
  }

  async average() {
    if (this.sessions.average) await this.call("average", {});
  }

  /** Generated points from noise, and which generator made each. */
  async sample(z, given) {
    const n = z.length / this.entry.z_dim;
    const further = { z: new ort.Tensor("float32", z, [n, this.entry.z_dim]) };
    if (this.entry.kinds) further.given = new ort.Tensor("int32", given, [n]);
    return (await this.call("sample", further)).points.data;
  }

  /** What the page draws. */
  async picture(n, side, settings) {
    const kinds = Math.max(this.entry.kinds, 1);
    const given = Int32Array.from({ length: n }, (_, i) => i % kinds);
    const look = new Random(1 + this.steps); // not the training's: looking must not change what is seen
    const made = await this.sample(noise(look, this.entry.prior, n * this.entry.z_dim), given);
    const out = { points: made, given, coverage: settings.distribution.modes ? coverage(made, settings.distribution) : null };
    if (settings.surface || settings.slope) {
      const at = new ort.Tensor("float32", grid(side, -EXTENT, EXTENT), [side * side, 2]);
      const { logit, slope } = await this.call("surface", { at });
      Object.assign(out, { logit: logit.data, slope: slope.data });
    }
    if (settings.manifold && this.entry.z_dim === 2) Object.assign(out, await this.sheets(n, kinds));
    return out;
  }

  /** Every generator's image of a square grid of noise: {sheets: Float32Array [n * 2], sheetSide}. */
  async sheets(n, kinds) {
    const { prior } = this.entry;
    const side = Math.floor(Math.sqrt(n / kinds));
    const [low, high] = prior.kind === "normal" ? [-2, 2] : [prior.low, prior.high];
    const sheet = grid(side, low, high);
    const z = new Float32Array(2 * n), given = new Int32Array(n);
    for (let k = 0; k < kinds; k++) {
      z.set(sheet, k * sheet.length);
      given.fill(k, k * side * side, (k + 1) * side * side);
    }
    return { sheets: await this.sample(z, given), sheetSide: side };
  }
}

async function fetched(path) {
  const response = await fetch(new URL(path, import.meta.url));
  if (!response.ok) throw new Error(`${path} is not there (${response.status}).`);
  return new Uint8Array(await response.arrayBuffer());
}

let manifest, trainer, settings, running = false;
const loaded = {}, pending = [];

const channel = new MessageChannel();
/** Lets messages in. */
const rest = () => new Promise((resolve) => {
  channel.port1.onmessage = resolve;
  channel.port2.postMessage(0);
});
let wake;
onmessage = ({ data }) => {
  pending.push(data);
  wake?.();
};

const ACTIONS = {
  manifest(message) {
    manifest = message.manifest;
  },
  settings(message) {
    settings = message.settings;
  },
  run() {
    running = true;
  },
  async stop() {
    if (running && trainer) await show({}); // what it has come to since the last picture
    running = false;
  },
  async load({ gan, seed }) {
    loaded[gan] ??= await Trainer.load(gan, manifest.models[gan]);
    trainer = loaded[gan];
    trainer.reset(seed);
    postMessage({ type: "loaded", gan });
    await show({});
  },
  async restart({ seed }) {
    trainer.reset(seed);
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
    if (trainer && !running) await show({});
  },
};

async function show(metrics, stepsPerSecond = null) {
  const began = performance.now();
  const picture = await trainer.picture(manifest.points, manifest.side, settings);
  postMessage({ type: "frame", gan: trainer.name, steps: trainer.steps, metrics, stepsPerSecond, ...picture });
  return performance.now() - began;
}

const finite = (metrics) =>
  Object.values(metrics).every((of) => Number.isFinite(of.loss) && Number.isFinite(of.grad_norm));

/** Trains until a message comes, with pictures in between. */
async function train() {
  let shown = performance.now(), since = trainer.steps, cost = 0;
  while (running && !pending.length) {
    const until = performance.now() + 30;
    let metrics;
    do metrics = await trainer.step(settings);
    while (performance.now() < until);
    running = finite(metrics);
    const now = performance.now();
    if (now - shown > Math.max(FRAME_MS, 5 * cost) || !running) {
      cost = await show(metrics, (1000 * (trainer.steps - since)) / (now - shown));
      [shown, since] = [performance.now(), trainer.steps];
    }
    if (!running) postMessage({ type: "diverged", steps: trainer.steps });
    await rest();
  }
}

/** Everything happens here, one thing after the other: programs at the same time would pass on different states. */
async function live() {
  for (;;) {
    try {
      while (pending.length) {
        const message = pending.shift();
        await ACTIONS[message.type](message);
      }
      if (running && trainer) await train();
      else await new Promise((resolve) => (wake = resolve));
    } catch (error) {
      running = false;
      postMessage({ type: "error", text: String(error.message || error) });
    }
  }
}
live();
