// Random numbers, points, and mode coverage: what pages add to the exported functions.

export const EXTENT = 1.1; // pictures of the plane span [-EXTENT, EXTENT]

/** Random numbers from a seed, by sfc32. */
export class Random {
  constructor(seed) {
    this.state = [0x9e3779b9, 0x243f6a88, 0xb7e15162, seed >>> 0];
    this.spare = null;
    for (let i = 0; i < 16; i++) this.uniform();
  }

  /** A number in [0, 1). */
  uniform() {
    const s = this.state;
    const t = (((s[0] + s[1]) | 0) + s[3]) | 0;
    s[3] = (s[3] + 1) | 0;
    s[0] = s[1] ^ (s[1] >>> 9);
    s[1] = (s[2] + (s[2] << 3)) | 0;
    s[2] = (((s[2] << 21) | (s[2] >>> 11)) + t) | 0;
    return (t >>> 8) / 16777216;
  }

  /** A standard normal number, by Box and Muller. */
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

  /** An integer in [0, n). */
  below(n) {
    return Math.floor(this.uniform() * n);
  }
}

/** Noise of the manifest, {kind: "uniform", low, high} or {kind: "normal"}: Float32Array [n]. */
export function sampleNoise(random, { kind, low, high }, n) {
  const sample =
    kind === "normal" ? () => random.normal() : () => low + (high - low) * random.uniform();
  return Float32Array.from({ length: n }, sample);
}

/** Points of a distribution of the manifest, in [-1, 1]: Float32Array [n * 2]. */
export function samplePoints(random, { centers, sd }, n) {
  const points = new Float32Array(2 * n);
  for (let i = 0; i < n; i++) {
    const [x, y] = centers[random.below(centers.length)];
    points[2 * i] = x + sd * random.normal();
    points[2 * i + 1] = y + sd * random.normal();
  }
  return points;
}

/**
 * Mode coverage of points [n * 2]: {covered: modes that have their share of the points, registered:
 * share of points near any mode, shares: share of points near each mode}.
 */
export function modeCoverage(points, { centers, radius, share }) {
  const n = points.length / 2;
  const counts = new Array(centers.length).fill(0);
  for (let i = 0; i < n; i++) {
    let nearest = 0;
    let distance = Infinity;
    for (let k = 0; k < centers.length; k++) {
      const d = Math.hypot(points[2 * i] - centers[k][0], points[2 * i + 1] - centers[k][1]);
      if (d < distance) [distance, nearest] = [d, k];
    }
    if (distance <= radius) counts[nearest]++;
  }
  const needed = Math.max(share * n, 1);
  return {
    covered: counts.filter((count) => count >= needed).length,
    registered: counts.reduce((a, b) => a + b, 0) / n,
    shares: counts.map((count) => count / n),
  };
}

/** A grid of side x side points from low to high in both coordinates, row by row: [side^2 * 2]. */
export function squareGrid(side, low, high) {
  const points = new Float32Array(2 * side * side);
  const at = (i) => low + ((high - low) * i) / (side - 1);
  for (let row = 0; row < side; row++) {
    for (let column = 0; column < side; column++) {
      points[2 * (row * side + column)] = at(column);
      points[2 * (row * side + column) + 1] = at(row);
    }
  }
  return points;
}
