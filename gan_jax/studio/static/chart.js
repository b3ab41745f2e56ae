// Live line charts over steps, as SVG, with a readout below the pointer.
import { createElement, createSvg, formatInteger, formatNumber } from "./common.js";

const MAX_POINTS = 1600; // of a curve; beyond it neighbours are averaged
const N_COLORS = 5;

/** One logged value over steps. */
export class Curve {
  constructor(steps = [], values = []) {
    this.steps = steps;
    this.values = values;
  }

  add(step, value) {
    this.steps.push(step);
    this.values.push(value);
    if (this.steps.length <= MAX_POINTS) return;
    const length = Math.floor(this.steps.length / 2);
    const mean = (_, i) => (this.values[2 * i] + this.values[2 * i + 1]) / 2;
    this.values = Array.from({ length }, mean);
    this.steps = Array.from({ length }, (_, i) => this.steps[2 * i + 1]);
  }

  /** Index of the step nearest to one. */
  nearest(step) {
    const isNearer = (i, j) => Math.abs(this.steps[i] - step) < Math.abs(this.steps[j] - step);
    return this.steps.reduce((best, _, i) => (isNearer(i, best) ? i : best), 0);
  }
}

/** The range of the bulk of the values, where a few extremes would flatten the rest. */
function bulkRange(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const quantile = (q) => sorted[Math.round(q * (sorted.length - 1))];
  let [low, high] = [sorted[0], sorted[sorted.length - 1]];
  const [inner, outer] = [quantile(0.03), quantile(0.97)];
  const margin = 0.2 * (outer - inner);
  const isCut = high - low > 4 * (outer - inner) && outer > inner;
  if (isCut) [low, high] = [inner - margin, outer + margin];
  if (low === high) {
    [low, high] = [low - (Math.abs(low) || 1) * 0.1, high + (Math.abs(high) || 1) * 0.1];
  }
  return { low, high, isCut };
}

/** A chart of one or more curves. */
export class Chart {
  /**
   * names: logged values. curves: {name: Curve}, which may grow. level: value of a dashed line, or
   * undefined.
   */
  constructor(title, names, curves, caption, level) {
    Object.assign(this, { names, curves, level, pointed: null });
    this.readout = createElement("output");
    this.svg = createSvg("svg", {
      viewBox: "0 0 100 100",
      preserveAspectRatio: "none",
      role: "img",
      "aria-label": `${title} over steps`,
    });
    [this.left, this.right, this.top, this.bottom] = Array.from({ length: 4 }, () =>
      createElement("span"),
    );
    const label = (name, i) =>
      createElement("span", {
        className: `c${i % N_COLORS}`,
        textContent: `${name.split("/").pop()}  `,
      });
    const legend = createElement("div", { className: "soft" }, ...names.map(label));
    const axis = (...children) => createElement("div", { className: "axis" }, ...children);
    this.element = createElement(
      "figure",
      { className: "chart card" },
      createElement("h3", {}, createElement("span", { textContent: title }), this.readout),
      axis(this.top),
      this.svg,
      axis(this.bottom, createElement("span", {}, this.left, " to ", this.right)),
      names.length > 1 ? legend : null,
      caption ? createElement("figcaption", { textContent: caption }) : null,
    );
    this.svg.addEventListener("pointermove", (event) => this.point(event));
    this.svg.addEventListener("pointerleave", () => {
      this.pointed = null;
      this.draw();
    });
  }

  /** The curves that have values. */
  visible() {
    return this.names.map((name) => this.curves[name]).filter((curve) => curve?.steps.length);
  }

  draw() {
    const visible = this.visible();
    if (!visible.length) return;
    const first = Math.min(...visible.map((curve) => curve.steps[0]));
    const last = Math.max(...visible.map((curve) => curve.steps.at(-1)));
    const values = visible.flatMap((curve) => curve.values);
    const hasLevel = this.level !== undefined;
    const { low, high, isCut } = bulkRange(hasLevel ? [...values, this.level] : values);
    const clip = (value) => Math.min(Math.max(value, low), high);
    const x = (step) => (last > first ? (100 * (step - first)) / (last - first) : 50);
    const y = (value) => 100 - (100 * (clip(value) - low)) / (high - low);
    Object.assign(this, { first, last });
    const horizontal = (at, more) => createSvg("line", { x1: 0, x2: 100, y1: at, y2: at, ...more });
    const parts = [horizontal(100)];
    if (hasLevel) {
      parts.push(horizontal(y(this.level), { class: "at", "stroke-dasharray": "4 4" }));
    }
    this.names.forEach((name, i) => {
      const curve = this.curves[name];
      if (!curve) return;
      const points = curve.steps.map(
        (step, k) => `${x(step).toFixed(2)},${y(curve.values[k]).toFixed(2)}`,
      );
      if (points.length === 1) points.push(points[0].replace(/^[^,]*/, "51"));
      parts.push(createSvg("polyline", { points: points.join(" "), class: `c${i % N_COLORS}` }));
    });
    if (this.pointed !== null) {
      const at = x(this.pointed);
      parts.push(createSvg("line", { x1: at, x2: at, y1: 0, y2: 100, class: "at" }));
    }
    this.svg.replaceChildren(...parts);
    this.left.textContent = `step ${formatInteger(first)}`;
    this.right.textContent = formatInteger(last);
    this.top.textContent = formatNumber(high) + (isCut ? " (extremes cut off)" : "");
    this.bottom.textContent = formatNumber(low);
    if (this.pointed === null) {
      const newest = (name) => formatNumber(this.curves[name]?.values.at(-1));
      this.readout.textContent = this.names.map(newest).join(", ");
    }
  }

  /** Shows the values at the pointer. */
  point(event) {
    const box = this.svg.getBoundingClientRect();
    const share = (event.clientX - box.left) / box.width;
    const step = this.first + share * (this.last - this.first);
    const nearest = this.visible().map((curve) => [curve, curve.nearest(step)]);
    const [curve, index] = nearest[0];
    this.pointed = curve.steps[index];
    this.draw();
    const values = nearest.map(([{ values }, i]) => formatNumber(values[i])).join(", ");
    this.readout.textContent = `step ${formatInteger(this.pointed)}: ${values}`;
  }
}
