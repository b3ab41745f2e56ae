// Training by the exported functions of one method: their state, minibatches and noise.

import * as ort from "./ort/ort.wasm.min.mjs";
import { Random, sampleNoise } from "./data.js";
import { fetchBytes } from "./loop.js";

ort.env.wasm.wasmPaths = new URL("./ort/", import.meta.url).href;
ort.env.wasm.numThreads = 1; // more would need headers that few static hosts send

export const Tensor = ort.Tensor;
const MIN_RATE = 0.02; // of the initial learning rate
const product = (shape) => shape.reduce((a, b) => a * b, 1);

/**
 * The exported functions of a method, and their state.
 * entry: of the manifest. sampleReal: (random, n) -> n real images or points in [-1, 1], flat.
 */
export class Trainer {
  constructor(name, entry, sessions, initialWeights, sampleReal) {
    Object.assign(this, { name, entry, sessions, initialWeights, sampleReal });
  }

  static async load(name, entry, sampleReal) {
    const options = {
      executionProviders: ["wasm"],
      graphOptimizationLevel: "all",
      logSeverityLevel: 3,
    };
    const sessions = {};
    for (const file of Object.keys(entry.files)) {
      const content = await fetchBytes(`${name}/${file}.onnx`);
      sessions[file] = await ort.InferenceSession.create(content, options);
    }
    const initialWeights = [];
    for (let seed = 0; seed < entry.seeds; seed++) {
      initialWeights.push(await fetchBytes(`${name}/begin-${seed}.bin`));
    }
    return new Trainer(name, entry, sessions, initialWeights, sampleReal);
  }

  /** Sets an initial state: weights of an exported seed, averages equal to them, the rest zero. */
  reset(seed) {
    const bytes = this.initialWeights[seed % this.initialWeights.length];
    const weights = new Float32Array(bytes.slice().buffer);
    this.random = new Random(seed);
    this.state = {};
    let offset = 0;
    for (const { name, shape, type } of this.entry.state) {
      const size = product(shape);
      let data = type === "int32" ? new Int32Array(size) : new Float32Array(size);
      if (/^state\/(params|stats)\//.test(name)) {
        data = weights.slice(offset, offset + size);
        offset += size;
      } else if (name.startsWith("state/ema/")) {
        const [, , net, kind, ...rest] = name.split("/");
        data = this.state[`state/${kind}/${net}/${rest.join("/")}`].data.slice();
      }
      this.state[name] = new Tensor(type, data, shape);
    }
    this.minibatches = {};
    this.steps = 0;
  }

  /** Calls a function with the state and further tensors; keeps the new state, returns the rest. */
  async call(file, further) {
    const inputs = {};
    for (const name of Object.keys(this.entry.files[file].inputs)) {
      inputs[name] = further[name] ?? this.state[name];
    }
    const outputs = await this.sessions[file].run(inputs);
    const rest = {};
    for (const [name, tensor] of Object.entries(outputs)) {
      const path = name.replace(/^new\//, "");
      if (path.startsWith("state/")) this.state[path] = tensor;
      else rest[name] = tensor;
    }
    return rest;
  }

  /** Minibatch i of a batch group, the same for all of its players: {image, noise: {id}}. */
  minibatch(group, i) {
    const key = `${group}/${i}`;
    if (!this.minibatches[key]) {
      const { batch, shape, to_net } = this.entry;
      const real = this.sampleReal(this.random, batch).map((x) => x * to_net.scale + to_net.shift);
      const image = new Tensor("float32", real, [batch, ...shape]);
      this.minibatches[key] = { image, noise: {} };
    }
    return this.minibatches[key];
  }

  /** Updates one player with minibatch i of its batch group; returns {term: number}. */
  async updatePlayer(player, i, { rate, cool, coolSteps }) {
    const { draw: group, noise: specs } = this.entry.files[player];
    const { image, noise } = this.minibatch(group, i);
    const decay = cool ? Math.max(1 - this.steps / coolSteps, MIN_RATE) : 1;
    const scalar = (x) => new Tensor("float32", Float32Array.of(x), []);
    const inputs = { image, rate: scalar(rate * decay), progress: scalar(0) };
    specs.forEach((spec, index) => {
      const { id, shape } = spec;
      noise[id] ??= new Tensor("float32", sampleNoise(this.random, spec, product(shape)), shape);
      inputs[`noise/${index}`] = noise[id];
    });
    const outputs = Object.entries(await this.call(player, inputs));
    return Object.fromEntries(
      outputs.map(([name, tensor]) => [name.replace("metrics/", ""), tensor.data[0]]),
    );
  }

  /** Updates all players. Returns {player: metrics of its last update}. */
  async step(settings) {
    this.minibatches = {};
    const metrics = {};
    for (const player of this.entry.players) {
      const repeats = player === "disc" ? settings.ratio : this.entry.repeats[player];
      for (let i = 0; i < repeats; i++) {
        metrics[player] = await this.updatePlayer(player, i, settings);
      }
    }
    await this.updateAverages();
    this.steps++;
    return metrics;
  }

  async updateAverages() {
    const step = new Tensor("float32", Float32Array.of(this.steps), []);
    if (this.sessions.average) await this.call("average", { step });
  }

  /** Samples of noise z [n * z_dim]. given: Int32Array [n], the generator of each, if several. */
  async sample(z, given) {
    const n = z.length / this.entry.z_dim;
    const inputs = { z: new Tensor("float32", z, [n, this.entry.z_dim]) };
    if (this.entry.kinds) inputs.given = new Tensor("int32", given, [n]);
    return Object.values(await this.call("sample", inputs))[0].data;
  }
}

/** Whether metrics {player: {loss, grad_norm, ...}} are finite. */
export const areFinite = (metrics) =>
  Object.values(metrics).every(
    ({ loss, grad_norm }) => Number.isFinite(loss) && Number.isFinite(grad_norm),
  );
