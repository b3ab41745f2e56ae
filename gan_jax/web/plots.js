// Drawing on canvases, in the page's own colours.

import { EXTENT } from "./data.js";

const DASHES = [[], [6, 4], [2, 3]];

const cssColor = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** Clears a canvas and gives it the screen's pixels: {context, width, height} in CSS pixels. */
function prepareCanvas(canvas) {
  const { width, height } = canvas.getBoundingClientRect();
  const ratio = devicePixelRatio || 1;
  canvas.width = Math.max(1, Math.round(width * ratio));
  canvas.height = Math.max(1, Math.round(height * ratio));
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  return { context, width, height };
}

/** The colour of one of several generators; the accent colour for a single one. */
function generatorColor(k, kinds) {
  if (kinds < 2) return cssColor("--mark");
  const isDark = matchMedia("(prefers-color-scheme: dark)").matches;
  return `hsl(${(360 * k) / kinds} ${isDark ? "75% 68%" : "75% 42%"})`;
}

/**
 * Draws the plane: D's surface, real points, modes, manifolds of generators, generated points, D's
 * slope, the cursor of the keyboard.
 * options: {frame, real, distribution, kinds, critic, side, show, cursor}.
 */
export function drawPlane(canvas, options) {
  const { frame, real, distribution, kinds, critic, side, show, cursor } = options;
  const { context, width } = prepareCanvas(canvas);
  const plane = {
    context,
    x: (v) => ((v / EXTENT + 1) / 2) * width,
    y: (v) => ((1 - v / EXTENT) / 2) * width,
    unit: Math.max(width / 420, 0.8),
  };
  const soft = cssColor("--soft");
  if (frame?.logit && show.surface) drawSurface(context, frame.logit, side, width, critic);
  if (real && show.real) drawPoints(plane, real, plane.unit, () => soft, 0.45);
  if (distribution?.modes) {
    const radius = Math.max(((distribution.radius / EXTENT) * width) / 2, 2);
    drawModes(plane, distribution.centers, radius, soft);
  }
  if (frame?.manifolds && show.manifold) drawManifolds(plane, frame, kinds);
  if (frame?.points) {
    const length = Math.max(kinds, 1);
    const colors = Array.from({ length }, (_, k) => generatorColor(k, kinds));
    const colorOf = (i) => colors[frame.given[i]] ?? colors[0];
    drawPoints(plane, frame.points, plane.unit * 1.25, colorOf, 0.75);
  }
  if (frame?.slope && show.slope) drawArrows(plane, frame.slope, side);
  if (cursor) drawCursor(plane, cursor);
}

function drawModes({ context, x, y, unit }, centers, radius, color) {
  context.strokeStyle = color;
  context.lineWidth = unit * 0.8;
  for (const [a, b] of centers) {
    context.beginPath();
    context.arc(x(a), y(b), radius, 0, 2 * Math.PI);
    context.stroke();
  }
}

function drawCursor({ context, x, y, unit }, [a, b]) {
  const arm = 8 * unit;
  context.strokeStyle = cssColor("--fg");
  context.lineWidth = 2 * unit;
  context.beginPath();
  for (const [dx, dy] of [
    [arm, 0],
    [0, arm],
  ]) {
    context.moveTo(x(a) - dx, y(b) - dy);
    context.lineTo(x(a) + dx, y(b) + dy);
  }
  context.stroke();
}

function drawPoints({ context, x, y }, points, radius, colorOf, alpha) {
  context.globalAlpha = alpha;
  for (let i = 0; i < points.length / 2; i++) {
    context.fillStyle = colorOf(i);
    const [left, top] = [x(points[2 * i]) - radius, y(points[2 * i + 1]) - radius];
    context.fillRect(left, top, 2 * radius, 2 * radius);
  }
  context.globalAlpha = 1;
}

/** Shades by the probability of "real"; of a critic by the place between its lowest and highest. */
function drawSurface(context, logit, side, width, critic) {
  const small = new OffscreenCanvas(side, side);
  const image = new ImageData(side, side);
  const probe = new OffscreenCanvas(1, 1).getContext("2d");
  probe.fillStyle = cssColor("--soft");
  probe.fillRect(0, 0, 1, 1);
  const [red, green, blue] = probe.getImageData(0, 0, 1, 1).data;
  const low = Math.min(...logit);
  const range = Math.max(...logit) - low || 1;
  for (let row = 0; row < side; row++) {
    for (let column = 0; column < side; column++) {
      const value = logit[(side - 1 - row) * side + column];
      const real = critic ? (value - low) / range : 1 / (1 + Math.exp(-value));
      image.data.set([red, green, blue, 140 * real], 4 * (row * side + column));
    }
  }
  small.getContext("2d").putImageData(image, 0, 0);
  context.imageSmoothingEnabled = true;
  context.imageSmoothingQuality = "high";
  context.drawImage(small, 0, 0, width, width);
}

/** Draws each generator's image of a grid of noise as a net of lines. */
function drawManifolds({ context, x, y, unit }, { manifolds, manifoldSide: side }, kinds) {
  context.lineWidth = unit * 0.7;
  context.globalAlpha = 0.7;
  const step = side > 20 ? 3 : 1;
  for (let k = 0; k < Math.max(kinds, 1); k++) {
    context.strokeStyle = kinds > 1 ? generatorColor(k, kinds) : cssColor("--fg");
    const point = (row, column) => {
      const i = 2 * (k * side * side + row * side + column);
      return [x(manifolds[i]), y(manifolds[i + 1])];
    };
    context.beginPath();
    for (let a = 0; a < side; a += step) {
      for (const along of [(b) => point(a, b), (b) => point(b, a)]) {
        context.moveTo(...along(0));
        for (let b = 1; b < side; b++) context.lineTo(...along(b));
      }
    }
    context.stroke();
  }
  context.globalAlpha = 1;
}

/** Draws arrows on every second grid point; their lengths are roots of the slope. */
function drawArrows({ context, x, y, unit }, slope, side) {
  const every = 2;
  let most = 1e-9;
  for (let i = 0; i < slope.length / 2; i++) {
    most = Math.max(most, Math.hypot(slope[2 * i], slope[2 * i + 1]));
  }
  const at = (i) => -EXTENT + (2 * EXTENT * i) / (side - 1);
  const cell = (2 * EXTENT * every) / (side - 1);
  context.strokeStyle = cssColor("--fg");
  context.lineWidth = unit * 0.9;
  context.beginPath();
  for (let row = 1; row < side; row += every) {
    for (let column = 1; column < side; column += every) {
      const i = 2 * (row * side + column);
      const size = Math.hypot(slope[i], slope[i + 1]);
      const scale = (1.3 * cell * Math.sqrt(size / most)) / (size || 1);
      const [a, b] = [x(at(column)), y(at(row))];
      const [c, d] = [x(at(column) + scale * slope[i]), y(at(row) + scale * slope[i + 1])];
      context.moveTo(a, b);
      context.lineTo(c, d);
      for (const bend of [0.82, -0.82]) {
        const angle = Math.atan2(d - b, c - a) + Math.PI * bend;
        context.moveTo(c, d);
        context.lineTo(c + 3 * unit * Math.cos(angle), d + 3 * unit * Math.sin(angle));
      }
    }
  }
  context.stroke();
}

/** Draws a frame with labels: {context, em, x, y}; x brings 0 to 1 to pixels, and y low to high. */
function drawFrame(canvas, [low, high], [first, last], label) {
  const { context, width, height } = prepareCanvas(canvas);
  const em = 0.7 * parseFloat(getComputedStyle(document.documentElement).fontSize);
  const pad = { left: 4 * em, right: 0.7 * em, top: 0.7 * em, bottom: 1.6 * em };
  const across = width - pad.left - pad.right;
  const down = height - pad.top - pad.bottom;
  context.font = `${em}px system-ui, sans-serif`;
  context.fillStyle = cssColor("--soft");
  context.textAlign = "right";
  context.fillText(label(high), pad.left - em / 2, pad.top + 0.8 * em);
  context.fillText(label(low), pad.left - em / 2, height - pad.bottom);
  context.fillText(last, width - pad.right, height - 0.4 * em);
  context.textAlign = "left";
  context.fillText(first, pad.left, height - 0.4 * em);
  context.strokeStyle = cssColor("--line");
  context.strokeRect(pad.left, pad.top, across, down);
  const x = (u) => pad.left + u * across;
  const y = (v) => pad.top + ((high - v) / (high - low)) * down;
  return { context, em, x, y };
}

/** Draws a dotted line across a plot at a value, with its name. */
function drawLevel({ context, em, x, y }, value, text) {
  context.setLineDash([1.5, 3]);
  context.lineWidth = em / 9;
  context.strokeStyle = cssColor("--soft");
  context.beginPath();
  context.moveTo(x(0), y(value));
  context.lineTo(x(1), y(value));
  context.stroke();
  context.setLineDash([]);
  context.fillText(text, x(0) + em / 2, y(value) + (y(value) < 2 * em ? em : -em / 3));
}

/** Draws bars of shares [n], and a line at the share that each should have. */
export function drawBars(canvas, shares, expected) {
  const n = shares.length;
  const top = Math.max(2 * expected, ...shares);
  const label = (v) => `${(100 * v).toFixed(0)} %`;
  const plot = drawFrame(canvas, [0, top], ["mode 1", String(n)], label);
  const { context, x, y } = plot;
  const width = x(0.7 / n) - x(0);
  context.fillStyle = cssColor("--mark");
  shares.forEach((share, i) =>
    context.fillRect(x((i + 0.15) / n), y(share), width, y(0) - y(share)),
  );
  context.fillStyle = cssColor("--soft");
  drawLevel(plot, expected, "");
}

/**
 * Draws curves [{values, accent}] over steps.
 * range: [low, high], or null for that of the values. log: on a logarithmic scale. levels: [[value,
 * name]] of lines across.
 */
export function drawCurves(canvas, steps, curves, { range = null, log = false, levels = [] } = {}) {
  const toScale = log ? (v) => Math.log10(Math.max(v, 1e-12)) : (v) => v;
  const finite = curves.flatMap(({ values }) => values.filter(Number.isFinite));
  const all = [...finite, ...levels.map(([value]) => value)].map(toScale);
  let [low, high] = range ?? [Math.min(...all), Math.max(...all)];
  if (!all.length) [low, high] = [0, 1];
  if (high - low < 1e-6) [low, high] = [low - 0.5, high + 0.5];
  const last = steps.at(-1) || 1;
  const label = (v) => (log ? (10 ** v).toPrecision(1) : Number(v.toPrecision(2)).toString());
  const plot = drawFrame(canvas, [low, high], ["0 steps", String(last)], label);
  const { context, em } = plot;
  for (const [value, name] of levels) drawLevel(plot, toScale(value), name);
  curves.forEach(({ values, accent }, i) => {
    context.strokeStyle = accent === false ? cssColor("--fg") : cssColor("--mark");
    context.setLineDash(DASHES[i % DASHES.length]);
    context.lineWidth = em / 7;
    context.beginPath();
    let isOpen = false;
    values.forEach((value, k) => {
      if (!Number.isFinite(value)) return;
      const point = [plot.x(steps[k] / last), plot.y(toScale(value))];
      if (isOpen) context.lineTo(...point);
      else context.moveTo(...point);
      isOpen = true;
    });
    context.stroke();
  });
  context.setLineDash([]);
}
