// Drawing on canvases, in the page's own colours.

const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** The context of a canvas whose pixels are the screen's, cleared: {context, width, height} in CSS pixels. */
function prepared(canvas) {
  const { width, height } = canvas.getBoundingClientRect();
  const ratio = devicePixelRatio || 1;
  canvas.width = Math.max(1, Math.round(width * ratio));
  canvas.height = Math.max(1, Math.round(height * ratio));
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  return { context, width, height };
}

export const EXTENT = 1.1; // the picture spans [-EXTENT, EXTENT]

/** The colour of a generator's points: the accent for one alone. */
function colour(kind, kinds) {
  if (kinds < 2) return style("--mark");
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  return `hsl(${(360 * kind) / kinds} ${dark ? "75% 68%" : "75% 42%"})`;
}

/** The plane: D's surface, real points, modes, sheets of generators, generated points, arrows, the cross of the keyboard. */
export function plane(canvas, { frame, real, distribution, kinds, critic, side, show, cross }) {
  const { context, width } = prepared(canvas);
  const x = (v) => ((v / EXTENT + 1) / 2) * width;
  const y = (v) => ((1 - v / EXTENT) / 2) * width;
  const unit = Math.max(width / 420, 0.8);
  const ink = style("--soft");
  if (frame?.logit && show.surface) surface(context, frame.logit, side, width, critic);
  if (real && show.real) dots(context, real, x, y, unit, () => ink, 0.45);
  if (distribution?.modes) {
    context.strokeStyle = ink;
    context.lineWidth = unit * 0.8;
    for (const [a, b] of distribution.centers) {
      context.beginPath();
      context.arc(x(a), y(b), Math.max(((distribution.radius / EXTENT) * width) / 2, 2), 0, 2 * Math.PI);
      context.stroke();
    }
  }
  if (frame?.sheets && show.manifold) sheets(context, frame, kinds, x, y, unit);
  if (frame?.points) {
    const colours = Array.from({ length: Math.max(kinds, 1) }, (_, k) => colour(k, kinds));
    dots(context, frame.points, x, y, unit * 1.25, (i) => colours[frame.given[i]] ?? colours[0], 0.75);
  }
  if (frame?.slope && show.slope) arrows(context, frame.slope, side, x, y, unit);
  if (cross) {
    context.strokeStyle = style("--fg");
    context.lineWidth = 2 * unit;
    context.beginPath();
    for (const [a, b] of [[8, 0], [0, 8]]) {
      context.moveTo(x(cross[0]) - a * unit, y(cross[1]) - b * unit);
      context.lineTo(x(cross[0]) + a * unit, y(cross[1]) + b * unit);
    }
    context.stroke();
  }
}

function dots(context, points, x, y, radius, colourOf, alpha) {
  context.globalAlpha = alpha;
  for (let i = 0; i < points.length / 2; i++) {
    context.fillStyle = colourOf(i);
    context.fillRect(x(points[2 * i]) - radius, y(points[2 * i + 1]) - radius, 2 * radius, 2 * radius);
  }
  context.globalAlpha = 1;
}

/** Shade by the probability of "real", or, of a critic, by its rank between its lowest and highest. */
function surface(context, logit, side, width, critic) {
  const small = new OffscreenCanvas(side, side);
  const image = new ImageData(side, side);
  const probe = new OffscreenCanvas(1, 1).getContext("2d");
  probe.fillStyle = style("--soft");
  probe.fillRect(0, 0, 1, 1);
  const [red, green, blue] = probe.getImageData(0, 0, 1, 1).data;
  const low = Math.min(...logit), span = Math.max(...logit) - low || 1;
  for (let row = 0; row < side; row++) {
    for (let column = 0; column < side; column++) {
      const value = logit[(side - 1 - row) * side + column];
      const real = critic ? (value - low) / span : 1 / (1 + Math.exp(-value));
      image.data.set([red, green, blue, 140 * real], 4 * (row * side + column));
    }
  }
  small.getContext("2d").putImageData(image, 0, 0);
  context.imageSmoothingEnabled = true;
  context.imageSmoothingQuality = "high";
  context.drawImage(small, 0, 0, width, width);
}

function sheets(context, { sheets: at, sheetSide: side }, kinds, x, y, unit) {
  context.lineWidth = unit * 0.7;
  context.globalAlpha = 0.7;
  for (let k = 0; k < Math.max(kinds, 1); k++) {
    context.strokeStyle = kinds > 1 ? colour(k, kinds) : style("--fg");
    const point = (row, column) => {
      const i = 2 * (k * side * side + row * side + column);
      return [x(at[i]), y(at[i + 1])];
    };
    const step = side > 20 ? 3 : 1;
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

/** Arrows of equal colour; the longest is a grid cell and a half long, the others by the root of their size. */
function arrows(context, slope, side, x, y, unit) {
  const every = 2;
  let most = 1e-9;
  for (let i = 0; i < slope.length / 2; i++) most = Math.max(most, Math.hypot(slope[2 * i], slope[2 * i + 1]));
  const cell = (2 * EXTENT * every) / (side - 1);
  context.strokeStyle = style("--fg");
  context.lineWidth = unit * 0.9;
  context.beginPath();
  for (let row = 1; row < side; row += every) {
    for (let column = 1; column < side; column += every) {
      const i = 2 * (row * side + column);
      const size = Math.hypot(slope[i], slope[i + 1]);
      const length = (1.3 * cell * Math.sqrt(size / most)) / (size || 1);
      const from = [-EXTENT + (2 * EXTENT * column) / (side - 1), -EXTENT + (2 * EXTENT * row) / (side - 1)];
      const to = [from[0] + length * slope[i], from[1] + length * slope[i + 1]];
      const [a, b, c, d] = [x(from[0]), y(from[1]), x(to[0]), y(to[1])];
      context.moveTo(a, b);
      context.lineTo(c, d);
      for (const turn of [0.82, -0.82]) {
        const angle = Math.atan2(d - b, c - a) + Math.PI * turn;
        context.moveTo(c, d);
        context.lineTo(c + 3 * unit * Math.cos(angle), d + 3 * unit * Math.sin(angle));
      }
    }
  }
  context.stroke();
}

const DASHES = [[], [6, 4], [2, 3]];

/** A framed plot between labelled ends: {context, em, x, y} where x takes 0 to 1 and y takes low to high to pixels. */
function framed(canvas, [low, high], [first, last], label) {
  const { context, width, height } = prepared(canvas);
  const em = 0.7 * parseFloat(getComputedStyle(document.documentElement).fontSize);
  const pad = { left: 4 * em, right: 0.7 * em, top: 0.7 * em, bottom: 1.6 * em };
  const across = width - pad.left - pad.right, down = height - pad.top - pad.bottom;
  context.font = `${em}px system-ui, sans-serif`;
  context.fillStyle = style("--soft");
  context.textAlign = "right";
  context.fillText(label(high), pad.left - em / 2, pad.top + 0.8 * em);
  context.fillText(label(low), pad.left - em / 2, height - pad.bottom);
  context.fillText(last, width - pad.right, height - 0.4 * em);
  context.textAlign = "left";
  context.fillText(first, pad.left, height - 0.4 * em);
  context.strokeStyle = style("--line");
  context.strokeRect(pad.left, pad.top, across, down);
  return { context, em, x: (u) => pad.left + u * across, y: (v) => pad.top + ((high - v) / (high - low)) * down };
}

/** A dotted line across a plot at a value, with its name. */
function level({ context, em, x, y }, value, text) {
  context.setLineDash([1.5, 3]);
  context.lineWidth = em / 9;
  context.strokeStyle = style("--soft");
  context.beginPath();
  context.moveTo(x(0), y(value));
  context.lineTo(x(1), y(value));
  context.stroke();
  context.setLineDash([]);
  context.fillText(text, x(0) + em / 2, y(value) + (y(value) < 2 * em ? em : -em / 3));
}

/** Bars of shares [n] from 0 up, and a line at the share that each should have. */
export function bars(canvas, shares, even) {
  const top = Math.max(2 * even, ...shares), n = shares.length;
  const plot = framed(canvas, [0, top], ["mode 1", String(n)], (v) => `${(100 * v).toFixed(0)} %`);
  const { context, x, y } = plot;
  context.fillStyle = style("--mark");
  shares.forEach((share, i) => context.fillRect(x((i + 0.15) / n), y(share), x(0.7 / n) - x(0), y(0) - y(share)));
  context.fillStyle = style("--soft");
  level(plot, even, "");
}

/**
 * Curves [{name, values}] over steps [n]; range: [low, high], or null for that of the values; log: of positive values;
 * levels: [[value, name]] of lines across.
 */
export function curves(canvas, steps, lines, { range = null, log = false, levels = [] } = {}) {
  const turn = log ? (v) => Math.log10(Math.max(v, 1e-12)) : (v) => v;
  const all = [...lines.flatMap(({ values }) => values.filter(Number.isFinite)), ...levels.map(([v]) => v)].map(turn);
  let [low, high] = range ?? [Math.min(...all), Math.max(...all)];
  if (!all.length) [low, high] = [0, 1];
  if (high - low < 1e-6) [low, high] = [low - 0.5, high + 0.5];
  const last = steps.at(-1) || 1;
  const label = (v) => (log ? (10 ** v).toPrecision(1) : Number(v.toPrecision(2)).toString());
  const plot = framed(canvas, [low, high], ["0 steps", String(last)], label);
  const { context, em } = plot, x = (s) => plot.x(s / last), y = (v) => plot.y(turn(v));
  for (const [value, name] of levels) level(plot, turn(value), name);
  lines.forEach(({ values, accent }, i) => {
    context.strokeStyle = accent === false ? style("--fg") : style("--mark");
    context.setLineDash(DASHES[i % DASHES.length]);
    context.lineWidth = em / 7;
    context.beginPath();
    let open = false;
    values.forEach((v, at) => {
      if (!Number.isFinite(v)) return;
      if (open) context.lineTo(x(steps[at]), y(v));
      else context.moveTo(x(steps[at]), y(v));
      open = true;
    });
    context.stroke();
  });
  context.setLineDash([]);
}
