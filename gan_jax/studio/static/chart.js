// A small live curve: one or more values over steps, as SVG, with the bulk of the values in view and a readout under the pointer.
import { make, number, whole } from "./common.js";

const NS = "http://www.w3.org/2000/svg";
const MOST = 1600; // points held of a curve; beyond it neighbours are averaged

function svg(tag, attributes) {
  const element = document.createElementNS(NS, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

export class Curve {
  constructor(steps = [], values = []) {
    this.steps = steps;
    this.values = values;
  }

  add(step, value) {
    this.steps.push(step);
    this.values.push(value);
    if (this.steps.length <= MOST) return;
    const half = Math.floor(this.steps.length / 2);
    this.values = Array.from({ length: half }, (_, i) => (this.values[2 * i] + this.values[2 * i + 1]) / 2);
    this.steps = Array.from({ length: half }, (_, i) => this.steps[2 * i + 1]);
  }
}

// The range that holds the bulk of the values, where a few extremes would flatten the rest.
function range(values) {
  const sorted = [...values].sort((a, b) => a - b), at = (q) => sorted[Math.round(q * (sorted.length - 1))];
  let [low, high] = [sorted[0], sorted[sorted.length - 1]];
  const [inner, outer] = [at(0.03), at(0.97)];
  const cut = high - low > 4 * (outer - inner) && outer > inner;
  if (cut) [low, high] = [inner - 0.2 * (outer - inner), outer + 0.2 * (outer - inner)];
  if (low === high) [low, high] = [low - (Math.abs(low) || 1) * 0.1, high + (Math.abs(high) || 1) * 0.1];
  return { low, high, cut };
}

export class Chart {
  // names: logged values; curves: {name: Curve}; level: a value worth a line, or undefined.
  constructor(title, names, curves, caption, level) {
    Object.assign(this, { title, names, curves, level });
    this.readout = make("output", {});
    this.svg = svg("svg", { viewBox: "0 0 100 100", preserveAspectRatio: "none", role: "img", "aria-label": `${title} over steps` });
    this.left = make("span");
    this.right = make("span");
    this.top = make("span");
    this.bottom = make("span");
    this.key = names.length > 1 ? make("div", { className: "soft" }, ...names.map((n, i) => make("span", { className: `c${i % 5}`, textContent: `${n.split("/").pop()}  ` }))) : null;
    this.element = make("figure", { className: "chart card" }, make("h3", {}, make("span", { textContent: title }), this.readout),
      make("div", { className: "axis" }, this.top), this.svg, make("div", { className: "axis" }, this.bottom, make("span", {}, this.left, " to ", this.right)),
      this.key, caption ? make("figcaption", { textContent: caption }) : null);
    this.svg.addEventListener("pointermove", (event) => this.point(event));
    this.svg.addEventListener("pointerleave", () => { this.at = null; this.draw(); });
  }

  draw() {
    const shown = this.names.map((name) => this.curves[name]).filter((c) => c && c.steps.length);
    if (!shown.length) return;
    const first = Math.min(...shown.map((c) => c.steps[0])), last = Math.max(...shown.map((c) => c.steps[c.steps.length - 1]));
    const values = shown.flatMap((c) => c.values);
    const { low, high, cut } = range(this.level === undefined ? values : [...values, this.level]);
    const x = (step) => (last > first ? (100 * (step - first)) / (last - first) : 50), y = (v) => 100 - (100 * (Math.min(Math.max(v, low), high) - low)) / (high - low);
    Object.assign(this, { first, last });
    const parts = [svg("line", { x1: 0, x2: 100, y1: 100, y2: 100 })];
    if (this.level !== undefined) parts.push(svg("line", { x1: 0, x2: 100, y1: y(this.level), y2: y(this.level), class: "at", "stroke-dasharray": "4 4" }));
    this.names.forEach((name, i) => {
      const curve = this.curves[name];
      if (!curve) return;
      const points = curve.steps.map((step, k) => `${x(step).toFixed(2)},${y(curve.values[k]).toFixed(2)}`);
      if (points.length === 1) points.push(points[0].replace(/^[^,]*/, "51"));
      parts.push(svg("polyline", { points: points.join(" "), class: `c${i % 5}` }));
    });
    if (this.at !== null && this.at !== undefined) parts.push(svg("line", { x1: x(this.at), x2: x(this.at), y1: 0, y2: 100, class: "at" }));
    this.svg.replaceChildren(...parts);
    this.left.textContent = `step ${whole(first)}`;
    this.right.textContent = whole(last);
    this.top.textContent = number(high) + (cut ? " (extremes cut off)" : "");
    this.bottom.textContent = number(low);
    if (this.at === null || this.at === undefined) this.readout.textContent = this.names.map((n) => (this.curves[n] ? number(this.curves[n].values.at(-1)) : "–")).join(", ");
  }

  point(event) {
    const box = this.svg.getBoundingClientRect(), wanted = this.first + ((event.clientX - box.left) / box.width) * (this.last - this.first);
    const found = this.names.map((n) => this.curves[n]).filter((c) => c && c.steps.length).map((c) => {
      const i = c.steps.reduce((best, s, k) => (Math.abs(s - wanted) < Math.abs(c.steps[best] - wanted) ? k : best), 0);
      return [c.steps[i], c.values[i]];
    });
    this.at = found[0][0];
    this.draw();
    this.readout.textContent = `step ${whole(this.at)}: ${found.map(([, v]) => number(v)).join(", ")}`;
  }
}
