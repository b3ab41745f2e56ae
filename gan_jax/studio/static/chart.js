// Live line charts over steps, as SVG: axes, log scale, cut extremes, zoom, healthy bands.
import { healthyBand, linearTicks, logTicks, scale, valueRange } from "./axes.js";
import { createElement, createSvg, formatInteger, formatNumber } from "./common.js";

const MAX_POINTS = 1600; // of a curve; beyond it neighbours are averaged
const N_COLORS = 5;
const MARGIN = { left: 50, right: 10, top: 8, bottom: 20 }; // in pixels
const HEIGHT = 170;
const LARGE_HEIGHT = 340;
const MIN_DRAG = 6; // pixels from where a drag is a zoom

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

  /** Indices of the steps in [first, last], and one neighbour on each side. */
  within(first, last) {
    const inside = this.steps
      .map((_, i) => i)
      .filter((i) => this.steps[i] >= first && this.steps[i] <= last);
    if (!inside.length) return [];
    const [from, to] = [Math.max(inside[0] - 1, 0), inside.at(-1) + 1];
    return Array.from({ length: Math.min(to, this.steps.length - 1) - from + 1 }, (_, i) => from + i);
  }
}

/** What all charts of a page share: scale, extremes, and the steps that are shown. */
export class ChartView {
  /** onchange: called when any of it has changed. */
  constructor(onchange = () => {}) {
    Object.assign(this, { isLog: false, clip: true, first: null, last: null, onchange });
  }

  set(changes) {
    Object.assign(this, changes);
    this.onchange();
  }
}

/** A chart of one or more curves. */
export class Chart {
  /**
   * plan: {title, names: logged values, text: caption, level: value of a dashed line or undefined,
   * meaning: healthy range or undefined}. curves: {name: Curve}, which may grow. view: ChartView.
   * warmup: {records, steps} before which a healthy range is not judged.
   */
  constructor(plan, curves, view, warmup = { records: 10, steps: 0 }) {
    Object.assign(this, { ...plan, curves, view, warmup, pointed: null, drag: null });
    this.readout = createElement("output");
    this.note = createElement("span", { className: "cut" });
    const label = `${plan.title} over steps`;
    this.svg = createSvg("svg", { role: "img", "aria-label": label, height: HEIGHT });
    this.caption = createElement("figcaption", { textContent: plan.text });
    const keys = this.names.map((name, i) =>
      createElement("span", { className: `c${i % N_COLORS}`, textContent: name.split("/").pop() }),
    );
    const enlarge = createElement("button", {
      type: "button",
      className: "small",
      textContent: "Enlarge",
      "aria-label": `enlarge ${plan.title}`,
      "aria-pressed": "false",
      onclick: () => this.toggleSize(enlarge),
    });
    this.element = createElement(
      "figure",
      { className: "chart card" },
      createElement("h3", {}, createElement("span", { textContent: plan.title }), enlarge),
      createElement("div", { className: "values" }, this.readout, this.note),
      this.svg,
      this.names.length > 1 ? createElement("div", { className: "keys" }, ...keys) : null,
      this.caption,
    );
    this.listen();
    Object.assign(this, { width: 0, isInView: false });
    new ResizeObserver(([{ contentRect }]) => {
      if (Math.round(contentRect.width) === this.width) return;
      this.width = Math.round(contentRect.width);
      requestAnimationFrame(() => this.draw());
    }).observe(this.svg);
    // Of many charts a few are in view; the others are drawn when they come into it.
    new IntersectionObserver((entries) => {
      this.isInView = entries.at(-1).isIntersecting;
      if (this.isInView) this.draw();
    }).observe(this.element);
  }

  toggleSize(button) {
    const isLarge = this.element.classList.toggle("large");
    button.textContent = isLarge ? "Reduce" : "Enlarge";
    button.setAttribute("aria-pressed", String(isLarge));
    this.draw();
  }

  /** Hovering reads values, dragging chooses steps, a double click shows all of them again. */
  listen() {
    this.svg.addEventListener("pointermove", (event) => this.point(event));
    this.svg.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      this.drag = { from: this.stepAt(event), x: event.clientX };
      this.svg.setPointerCapture(event.pointerId);
    });
    this.svg.addEventListener("pointerup", (event) => {
      const { drag } = this;
      this.drag = null;
      if (!drag || Math.abs(event.clientX - drag.x) < MIN_DRAG) return;
      const ends = [drag.from, this.stepAt(event)].sort((a, b) => a - b);
      this.view.set({ first: Math.round(ends[0]), last: Math.round(ends[1]) });
    });
    this.svg.addEventListener("pointercancel", () => {
      this.drag = null;
    });
    this.svg.addEventListener("dblclick", () => this.view.set({ first: null, last: null }));
    this.svg.addEventListener("pointerleave", () => {
      this.pointed = null;
      this.draw();
    });
  }

  /** The curves that have values, with their names and colours. */
  visible() {
    return this.names
      .map((name, i) => ({ name, curve: this.curves[name], color: `c${i % N_COLORS}` }))
      .filter(({ curve }) => curve?.steps.length);
  }

  /** The healthy range of a chart of one curve, or null. */
  band() {
    const curve = this.curves[this.names[0]];
    if (this.names.length > 1 || !this.meaning || !curve) return null;
    const isEarly = (step, i) => i < this.warmup.records || step < this.warmup.steps;
    return healthyBand(this.meaning, curve.values, curve.steps.filter(isEarly).length);
  }

  draw() {
    const visible = this.visible();
    const { width } = this;
    if (!visible.length || !width || !this.isInView) return;
    const height = this.element.classList.contains("large") ? LARGE_HEIGHT : HEIGHT;
    const all = visible.flatMap(({ curve }) => [curve.steps[0], curve.steps.at(-1)]);
    let [first, last] = [Math.min(...all), Math.max(...all)];
    if (this.view.first !== null) first = Math.max(this.view.first, 0);
    if (this.view.last !== null) last = Math.max(this.view.last, first + 1);
    if (last === first) [first, last] = [Math.max(first - 1, 0), last + 1];
    const shown = visible.map((one) => ({ ...one, indices: one.curve.within(first, last) }));
    const values = shown.flatMap(({ curve, indices }) => indices.map((i) => curve.values[i]));
    if (!values.length) values.push(...visible.flatMap(({ curve }) => curve.values));
    const isLog = this.view.isLog && values.every((value) => value > 0);
    const hasLevel = this.level !== undefined && !(isLog && this.level <= 0);
    const ranged = hasLevel ? [...values, this.level] : values;
    const range = valueRange(ranged, { clip: this.view.clip, isLog });
    const inner = [width - MARGIN.left - MARGIN.right, height - MARGIN.top - MARGIN.bottom];
    const [toX, toY] = [scale(first, last), scale(range.low, range.high, isLog)];
    const x = (step) => MARGIN.left + inner[0] * toX(step);
    const y = (value) => MARGIN.top + inner[1] * (1 - toY(value));
    Object.assign(this, { first, last, plotWidth: inner[0] });
    const band = this.band();
    const parts = [
      ...this.drawBand(band, y, inner, range, isLog),
      ...this.drawAxes(x, y, { first, last, ...range, isLog, width, height, inner }),
    ];
    const clip = `clip-${this.title.replaceAll(/\W/g, "-")}`;
    const box = { x: MARGIN.left, y: MARGIN.top - 2, width: inner[0], height: inner[1] + 4 };
    parts.push(createSvg("clipPath", { id: clip }, createSvg("rect", box)));
    const lines = createSvg("g", { "clip-path": `url(#${clip})` });
    if (hasLevel) {
      const at = y(this.level);
      const line = { x1: MARGIN.left, x2: width - MARGIN.right, y1: at, y2: at };
      lines.append(createSvg("line", { ...line, class: "at", "stroke-dasharray": "4 4" }));
    }
    for (const { curve, indices, color } of shown) {
      const points = indices.map(
        (i) => `${x(curve.steps[i]).toFixed(1)},${y(curve.values[i]).toFixed(1)}`,
      );
      if (points.length === 1) {
        const [cx, cy] = points[0].split(",");
        lines.append(createSvg("circle", { cx, cy, r: 2.5, class: color }));
      }
      lines.append(createSvg("polyline", { points: points.join(" "), class: color }));
    }
    parts.push(lines);
    if (this.pointed !== null && this.pointed >= first && this.pointed <= last) {
      const at = x(this.pointed);
      const line = { x1: at, x2: at, y1: MARGIN.top, y2: height - MARGIN.bottom };
      parts.push(createSvg("line", { ...line, class: "at" }));
    }
    this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.svg.setAttribute("height", height);
    this.svg.replaceChildren(...parts);
    this.showTexts(values, range, isLog, band);
  }

  drawBand(band, y, inner, { low, high }, isLog) {
    if (!band || band[1] <= low || band[0] >= high) return [];
    const top = y(Math.min(band[1], high));
    const bottom = y(Math.max(band[0], isLog ? Math.max(low, 1e-300) : low));
    const box = { x: MARGIN.left, width: inner[0], y: top, height: Math.max(bottom - top, 0) };
    return [createSvg("rect", { ...box, class: "band" })];
  }

  drawAxes(x, y, { first, last, low, high, isLog, width, height, inner }) {
    const text = (content, at) => {
      const element = createSvg("text", at);
      element.textContent = content;
      return element;
    };
    const ticks = isLog ? logTicks(low, high) : linearTicks(low, high, inner[1] / 40);
    const rows = ticks.flatMap((tick) => {
      const at = y(tick);
      const line = { x1: MARGIN.left, x2: width - MARGIN.right, y1: at, y2: at };
      const label = { x: MARGIN.left - 6, y: at + 4, "text-anchor": "end" };
      return [createSvg("line", line), text(formatNumber(tick), label)];
    });
    const steps = linearTicks(first, last, Math.max(inner[0] / 90, 2), true);
    const columns = steps.flatMap((step) => {
      const at = x(step);
      const line = { x1: at, x2: at, y1: height - MARGIN.bottom, y2: height - MARGIN.bottom + 4 };
      const isLast = at > width - MARGIN.right - 24;
      const anchor = isLast ? "end" : "middle";
      const label = { x: isLast ? width - 2 : at, y: height - 4, "text-anchor": anchor };
      return [createSvg("line", { ...line, class: "at" }), text(formatInteger(step), label)];
    });
    return [...rows, ...columns];
  }

  /** Shows what stands around the curves: newest values, what was cut off, the caption. */
  showTexts(values, range, isLog, band) {
    const cut = [];
    if (range.isCut) {
      const [most, least] = [Math.max(...values), Math.min(...values)];
      if (most > range.high) cut.push(`up to ${formatNumber(most)}`);
      if (least < range.low) cut.push(`down to ${formatNumber(least)}`);
    }
    const isLinear = this.view.isLog && !isLog;
    this.note.textContent = [
      cut.length && `cut off: ${cut.join(", ")}`,
      isLinear && "linear, since it has values of 0 or less",
    ]
      .filter(Boolean)
      .join("; ");
    const shaded = band && this.bandText(band);
    this.caption.textContent = [this.text, shaded].filter(Boolean).join(" ");
    if (this.pointed === null) this.read((curve) => curve.steps.length - 1);
  }

  bandText([low, high]) {
    if (high === Infinity) return `Shaded: no warning, ${formatNumber(low)} or more.`;
    if (!Number.isFinite(low)) return `Shaded: no warning, up to ${formatNumber(high)}.`;
    return `Shaded: no warning, ${formatNumber(low)} to ${formatNumber(high)}.`;
  }

  /** Shows a value of each curve, in the order and colours of the names. */
  read(indexOf, step) {
    const parts = this.visible().map(({ name, curve, color }) => {
      const value = formatNumber(curve.values[indexOf(curve)]);
      const label = this.names.length > 1 ? `${name.split("/").pop()} ` : "";
      return createElement("span", { className: color, textContent: `${label}${value}` });
    });
    const at = step === undefined ? "" : `step ${formatInteger(step)}: `;
    this.readout.replaceChildren(at, ...parts);
  }

  stepAt(event) {
    const box = this.svg.getBoundingClientRect();
    const share = (event.clientX - box.left - MARGIN.left) / this.plotWidth;
    return this.first + Math.min(Math.max(share, 0), 1) * (this.last - this.first);
  }

  /** Shows the values at the pointer. */
  point(event) {
    const visible = this.visible();
    if (!visible.length) return;
    const step = this.stepAt(event);
    const [{ curve }] = visible;
    this.pointed = curve.steps[curve.nearest(step)];
    this.draw();
    this.read((one) => one.nearest(this.pointed), this.pointed);
  }
}
