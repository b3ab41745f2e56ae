// A GAN's exported programs and the state that they pass on.

import * as ort from "./ort/ort.wasm.min.mjs";
import { Random, noise } from "./data.js";
import { fetched } from "./loop.js";

ort.env.wasm.wasmPaths = new URL("./ort/", import.meta.url).href;
ort.env.wasm.numThreads = 1; // more would need headers that few static hosts send

export const Tensor = ort.Tensor;
const volume = (shape) => shape.reduce((a, b) => a * b, 1);

/** Programs by name, and their state. real: (random, n) -> n real images or points in [-1, 1], one after another. */
export class Trainer {
  constructor(name, entry, sessions, begins, real) {
    Object.assign(this, { name, entry, sessions, begins, real });
  }

  static async load(name, entry, real) {
    const options = { executionProviders: ["wasm"], graphOptimizationLevel: "all", logSeverityLevel: 3 };
    const sessions = {}, begins = [];
    for (const file of Object.keys(entry.files)) {
      sessions[file] = await ort.InferenceSession.create(await fetched(`${name}/${file}.onnx`), options);
    }
    for (let seed = 0; seed < entry.seeds; seed++) begins.push(await fetched(`${name}/begin-${seed}.bin`));
    return new Trainer(name, entry, sessions, begins, real);
  }

  /** Back to fresh weights: those of one of the exported seeds. */
  reset(seed) {
    const numbers = new Float32Array(this.begins[seed % this.begins.length].slice().buffer);
    this.random = new Random(seed);
    this.state = {};
    let at = 0;
    for (const { name, shape, type } of this.entry.state) {
      const size = volume(shape);
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

  /** Minibatch r of a draw: real images, and noise by its id, the same for all players of the draw. */
  drawn(draw, r) {
    const key = `${draw}/${r}`;
    if (!this.draws[key]) {
      const { batch, shape, to_net: { scale, shift } } = this.entry;
      const real = this.real(this.random, batch).map((x) => x * scale + shift);
      this.draws[key] = { image: new ort.Tensor("float32", real, [batch, ...shape]), noise: {} };
    }
    return this.draws[key];
  }

  /** One update of one player, with minibatch r of its draw. Returns its metrics as numbers. */
  async turn(player, r, settings) {
    const { draw, noise: specs } = this.entry.files[player];
    const minibatch = this.drawn(draw, r);
    const cooled = settings.cool ? Math.max(1 - this.steps / settings.coolSteps, 0.02) : 1;
    const scalar = (x) => new ort.Tensor("float32", Float32Array.of(x), []);
    const given = { image: minibatch.image, rate: scalar(settings.rate * cooled), progress: scalar(0) };
    specs.forEach((spec, i) => {
      minibatch.noise[spec.id] ??= new ort.Tensor("float32", noise(this.random, spec, volume(spec.shape)), spec.shape);
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

  /** What the generator makes of noise z: the output of "sample". given: which generator makes each, where there are several. */
  async sample(z, given) {
    const n = z.length / this.entry.z_dim;
    const further = { z: new ort.Tensor("float32", z, [n, this.entry.z_dim]) };
    if (this.entry.kinds) further.given = new ort.Tensor("int32", given, [n]);
    return Object.values(await this.call("sample", further))[0].data;
  }
}

/** Whether metrics {player: {loss, grad_norm, ...}} are numbers still. */
export const finite = (metrics) =>
  Object.values(metrics).every((of) => Number.isFinite(of.loss) && Number.isFinite(of.grad_norm));
