// Scales of charts: ranges without extremes, round ticks, linear and logarithmic positions.

const FENCE = 1.5; // spreads beyond the inner values from where a value counts as extreme
const MIN_CUT = 3; // times that extremes must widen a range to be cut off

/** The range of values; with `clip` without the few extremes that would flatten the rest. */
export function valueRange(values, { clip = false, isLog = false } = {}) {
  const sorted = [...values].sort((a, b) => a - b);
  const n = sorted.length - 1;
  let [low, high] = [sorted[0], sorted[n]];
  const [inner, outer] = [sorted[Math.ceil(0.1 * n)], sorted[Math.floor(0.9 * n)]];
  const spread = outer - inner;
  let isCut = false;
  if (clip && !isLog && spread > 0) {
    const fenced = [Math.max(low, inner - FENCE * spread), Math.min(high, outer + FENCE * spread)];
    isCut = high - low > MIN_CUT * (fenced[1] - fenced[0]);
    if (isCut) [low, high] = fenced;
  }
  if (low === high) {
    const margin = (Math.abs(low) || 1) * 0.1;
    return isLog ? { low: low / 2, high: high * 2, isCut } : { low: low - margin, high: high + margin, isCut };
  }
  if (isLog) return { low: low / 1.1, high: high * 1.1, isCut };
  const margin = 0.04 * (high - low);
  return { low: low - margin, high: high + margin, isCut };
}

/** Round numbers within a range, `count` or a few more or less. */
export function linearTicks(low, high, count, isInteger = false) {
  const rough = (high - low) / Math.max(count, 1);
  const power = 10 ** Math.floor(Math.log10(rough));
  let step = [1, 2, 5, 10].map((m) => m * power).find((size) => size >= rough * 0.999);
  if (isInteger) step = Math.max(Math.round(step), 1);
  const ticks = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + 1e-9 * step; i += 1) {
    ticks.push(i * step);
  }
  return ticks;
}

/** Powers of ten within a range; of a short one also 2 and 5 times these, or even steps. */
export function logTicks(low, high) {
  const decades = Math.log10(high / low);
  const every = Math.max(1, Math.ceil(decades / 6));
  const factors = decades < 2.5 ? [1, 2, 5] : [1];
  const ticks = [];
  for (let p = Math.floor(Math.log10(low)); p <= Math.ceil(Math.log10(high)); p += 1) {
    if (factors.length === 1 && p % every) continue;
    for (const factor of factors) ticks.push(factor * 10 ** p);
  }
  const within = ticks.filter((tick) => tick >= low * 0.999 && tick <= high * 1.001);
  return within.length < 3 ? linearTicks(low, high, 4) : within;
}

/** A function from values to [0, 1] of a range. */
export function scale(low, high, isLog = false) {
  if (isLog) return (value) => Math.log(value / low) / Math.log(high / low);
  return (value) => (value - low) / (high - low);
}

/** Units of the bounds of healthy ranges, see rundir.health. */
const UNITS = {
  absolute: () => 1,
  median: (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)],
  best: (values, nWarmup) => Math.min(Math.max(0.7, ...values.slice(nWarmup)), 1),
};

/**
 * The healthy range of a value now, [low, high] with infinities; null if it is not judged.
 * meaning: {bounds, unit}. nWarmup: how many of the values are warm-up.
 */
export function healthyBand(meaning, values, nWarmup) {
  if (!meaning || !values.length || !(meaning.unit in UNITS)) return null;
  const unit = UNITS[meaning.unit](values, nWarmup);
  if (!(unit > 0)) return null;
  const [low, high] = meaning.bounds;
  return [low === null ? -Infinity : low * unit, high === null ? Infinity : high * unit];
}
