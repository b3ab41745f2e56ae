// Points, noise and the counting of modes: what the page adds to the exported programs.

/** Random numbers from a seed: sfc32. */
export class Random {
  constructor(seed) {
    this.s = [0x9e3779b9, 0x243f6a88, 0xb7e15162, seed >>> 0];
    this.spare = null;
    for (let i = 0; i < 16; i++) this.uniform();
  }

  /** A number in [0, 1). */
  uniform() {
    const s = this.s;
    const t = (((s[0] + s[1]) | 0) + s[3]) | 0;
    s[3] = (s[3] + 1) | 0;
    s[0] = s[1] ^ (s[1] >>> 9);
    s[1] = (s[2] + (s[2] << 3)) | 0;
    s[2] = ((s[2] << 21) | (s[2] >>> 11)) + t | 0;
    return (t >>> 8) / 16777216;
  }

  /** A normal number, by Box and Muller. */
  normal() {
    if (this.spare !== null) {
      const value = this.spare;
      this.spare = null;
      return value;
    }
    const radius = Math.sqrt(-2 * Math.log(1 - this.uniform()));
    const angle = 2 * Math.PI * this.uniform();
    this.spare = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  }

  below(n) {
    return Math.floor(this.uniform() * n);
  }
}

/** n numbers of a noise of the manifest: {kind: "uniform", low, high} or {kind: "normal"}. */
export function noise(random, spec, n) {
  const out = new Float32Array(n);
  for (let i = 0; i < n; i++) {
    out[i] = spec.kind === "normal" ? random.normal() : spec.low + (spec.high - spec.low) * random.uniform();
  }
  return out;
}

/** n points of a distribution of the manifest, in [-1, 1]: Float32Array [n * 2]. */
export function points(random, distribution, n) {
  const { centers, sd } = distribution;
  const out = new Float32Array(2 * n);
  for (let i = 0; i < n; i++) {
    const [x, y] = centers[random.below(centers.length)];
    out[2 * i] = x + sd * random.normal();
    out[2 * i + 1] = y + sd * random.normal();
  }
  return out;
}

/** {covered, registered, shares}: modes that hold their share of the points, the share of points near any mode, and near each. */
export function coverage(made, distribution) {
  const { centers, radius, share } = distribution;
  const n = made.length / 2;
  const counts = new Array(centers.length).fill(0);
  let inside = 0;
  for (let i = 0; i < n; i++) {
    let best = Infinity, nearest = 0;
    for (let k = 0; k < centers.length; k++) {
      const d = Math.hypot(made[2 * i] - centers[k][0], made[2 * i + 1] - centers[k][1]);
      if (d < best) [best, nearest] = [d, k];
    }
    if (best <= radius) {
      counts[nearest]++;
      inside++;
    }
  }
  const needed = Math.max(share * n, 1);
  return { covered: counts.filter((count) => count >= needed).length, registered: inside / n, shares: counts.map((c) => c / n) };
}

/** A regular grid of side x side points from low to high in both coordinates, row by row. */
export function grid(side, low, high) {
  const out = new Float32Array(2 * side * side);
  const at = (i) => low + ((high - low) * i) / (side - 1);
  for (let row = 0; row < side; row++) {
    for (let column = 0; column < side; column++) {
      out[2 * (row * side + column)] = at(column);
      out[2 * (row * side + column) + 1] = at(row);
    }
  }
  return out;
}
