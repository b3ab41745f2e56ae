import { ACTIVE, RESUMABLE, ask, attempt, byId, clock, encoded, make, number, resumeText, say, whole } from "./common.js";
import { Chart, Curve } from "./chart.js";

const name = byId("main").dataset.name, address = encoded(name);
const FIRST = ["loss", "prob", "penalty", "watch", "eval"];
let curves = {}, charts = new Map(), captions = {}, meanings = {}, samples = [], source = null, playing = null, wasActive = null;
let classes = [], counted = [], scored = null; // shares of the classes: while it trains, and those of eval.json

// Which curves share a chart, in what order, and what to say about them.
function kindOf(value) {
  const [group, last] = [value.split("/")[0], value.split("/").pop()];
  return ["eval", "watch"].includes(group) ? group : last.endsWith("_prob") ? "prob" : last;
}

function plan() {
  const names = Object.keys(curves).filter((n) => !n.endsWith("/ran")).sort();
  const probs = names.filter((n) => kindOf(n) === "prob");
  const single = names.filter((n) => kindOf(n) !== "prob").map((n) => ({ title: n, names: [n], kind: kindOf(n), caption: captions[n.split("/").pop()] || captions[kindOf(n)] || "" }));
  const joint = probs.length ? [{ title: "D(x), D(G(z))", names: probs, kind: "prob", caption: captions.prob || "", level: 0.5 }] : [];
  return [...joint, ...single].sort((a, b) => (FIRST.indexOf(a.kind) + 99) % 99 - (FIRST.indexOf(b.kind) + 99) % 99 || (a.title < b.title ? -1 : 1));
}

function draw() {
  const wanted = plan();
  if (wanted.map((w) => w.title).join() !== [...charts.keys()].join()) {
    charts = new Map(wanted.map((w) => [w.title, new Chart(w.title, w.names, curves, w.caption, w.level)]));
    const parts = (main) => wanted.filter((w) => FIRST.includes(w.kind) === main).map((w) => charts.get(w.title).element);
    if (wanted.length) byId("charts").replaceChildren(...parts(true));
    byId("rest").replaceChildren(...parts(false));
    byId("other").hidden = !byId("rest").children.length;
  }
  for (const chart of charts.values()) chart.draw();
}

function head(run) {
  const facts = [run.experiment, run.data && `on ${run.data}`, run.size > 1 && `${run.size} px`, `seed ${run.seed}`].filter(Boolean).join(", ");
  const step = run.steps ? `step ${whole(run.step)} of ${whole(run.steps)}` : "";
  const speed = run.speed ? `${number(run.speed)} steps/s` : "";
  const left = run.left === null ? "" : `${clock(run.left)} left`;
  byId("facts").textContent = [facts, step, speed, left, run.time ? `${clock(run.time)} so far` : ""].filter(Boolean).join(" · ");
  byId("state").replaceChildren(make("span", { className: `state ${run.health}`, textContent: run.health }), run.why ? `  ${run.why}` : "");
  byId("progress").max = run.steps || 1;
  byId("progress").value = run.step;
  document.title = `${name}: ${run.health}${run.steps ? ` ${Math.floor((100 * run.step) / run.steps)} %` : ""}`;
  byId("warnings").replaceChildren(...run.warnings.map((w) => make("p", { className: "warned", textContent: `Warning: ${w}. ${meaning(w)}` })));
  actions(run);
}

function meaning(warning) {
  const cut = warning.lastIndexOf(" "), value = warning.slice(0, cut), side = warning.slice(cut + 1);
  const text = (meanings[value] || meanings[value.split("/").pop()] || {})[side] || "";
  return text && `${text[0].toUpperCase()}${text.slice(1)}.`;
}

function actions(run) {
  const place = byId("actions"), key = `${run.health} ${run.report} ${run.experiment}`;
  if (place.dataset.key === key) return;
  place.dataset.key = key;
  const press = (kind, text) => make("button", { textContent: text, className: "main", onclick: (event) => attempt(async () => say((await ask(`/api/${kind}`, { name })).said), event.target) });
  const link = (path, text) => make("a", { className: "button", href: path, textContent: text });
  const started = run.step > 0, images = run.experiment === "colorize" ? "/colorize" : "/try";
  place.replaceChildren(...[
    ACTIVE.includes(run.health) && press("stop", "Stop"), RESUMABLE.includes(run.health) && press("resume", resumeText(run)),
    run.experiment && link(`/new?${new URLSearchParams({ copy: name })}`, "Copy as new"),
    started && link(`${images}?${new URLSearchParams({ run: name })}`, "Try it"), started && link(`/report/${address}`, "Report"),
  ].filter(Boolean));
}

function grids(found) {
  const range = byId("time"), atEnd = samples.length === 0 || Number(range.value) === samples.length - 1;
  if (found.join() === samples.join()) return;
  samples = found;
  for (const id of ["time", "grid"]) byId(id).hidden = samples.length === 0;
  byId("play").hidden = samples.length < 2;
  range.max = Math.max(samples.length - 1, 0);
  if (atEnd) range.value = range.max;
  grid();
}

function grid() {
  const step = samples[Number(byId("time").value)];
  bars();
  if (step === undefined) return;
  byId("grid").src = `/grid/${step}/${address}`;
  byId("grid").alt = `sample grid at step ${step}`;
  byId("time").setAttribute("aria-valuetext", `step ${whole(step)}`);
  byId("grid-text").textContent = `Step ${whole(step)}, grid ${Number(byId("time").value) + 1} of ${samples.length}. Look for variety as well as quality: near copies of one picture are mode collapse.`;
}

function play() {
  const range = byId("time");
  if (playing) {
    clearInterval(playing);
    playing = null;
  } else {
    if (range.value === range.max) range.value = 0;
    playing = setInterval(() => {
      if (range.value === range.max) return play();
      range.value = Number(range.value) + 1;
      grid();
    }, 250);
  }
  byId("play").textContent = playing ? "Pause" : "Play";
}

// The shares at the step of the slider; at its end the newest, and of a run that has ended those of eval.json.
function shown() {
  const range = byId("time"), step = samples[Number(range.value)], until = counted.filter((c) => c.step <= step);
  if (range.value !== range.max && counted.length) return until.at(-1) || counted[0];
  return (!wasActive && scored) || counted.at(-1) || scored;
}

function bars() {
  const shares = shown();
  byId("balance").hidden = classes.length < 2;
  byId("counted").textContent = !shares ? "Not counted yet: a run with --eval_every counts as it trains, and experiments.evaluate afterwards."
    : shares.step ? `At step ${whole(shares.step)}.` : "As experiments.evaluate counted them.";
  byId("shares").hidden = !shares;
  if (!shares) return;
  const most = Math.max(...shares.real, ...shares.model, 1e-9), ns = "http://www.w3.org/2000/svg";
  const bar = (share, kind) => {
    const svg = document.createElementNS(ns, "svg"), rect = document.createElementNS(ns, "rect");
    for (const [k, v] of Object.entries({ width: `${(100 * share) / most}%`, height: 10, rx: 3, class: kind })) rect.setAttribute(k, v);
    svg.append(rect);
    return svg;
  };
  const lines = classes.flatMap((c, i) => [["real", shares.real[i], c], ["model", shares.model[i], ""]].flatMap(([kind, share, text]) =>
    [make("span", { textContent: text }), bar(share, kind), make("span", { className: "soft", textContent: `${(100 * share).toFixed(1)} % ${kind === "real" ? "real" : "made"}` })]));
  byId("bars").replaceChildren(make("div", { className: "bars" }, ...lines));
}

function rowsOf(settings, prefix = "") {
  return Object.entries(settings).flatMap(([key, value]) => (value && typeof value === "object" && !Array.isArray(value) ? rowsOf(value, `${prefix}${key}.`)
    : [make("tr", {}, make("td", { textContent: prefix + key }), make("td", { textContent: Array.isArray(value) ? value.join(", ") : String(value) }))]));
}

function console_(text, whole_) {
  const place = byId("console"), low = place.scrollHeight - place.scrollTop - place.clientHeight < 30;
  place.textContent = (whole_ ? text : place.textContent + text).slice(-60000);
  byId("said").hidden = !place.textContent;
  if (low) place.scrollTop = place.scrollHeight;
}

async function details() {
  const found = await ask(`/api/run/${address}`);
  head(found.run);
  const source = found.config?.source || {};
  scored = found.shares;
  classes = scored?.classes || (source.size > 1 && source.classes) || [];
  grids(found.samples);
  bars();
  console_(found.console, true);
  byId("configured").hidden = !found.config;
  if (found.config) byId("config").replaceChildren(...rowsOf(found.config));
  const scores = Object.entries(found.run.scores).filter(([key]) => !/^n_|repeats/.test(key));
  byId("scores").hidden = !scores.length;
  document.querySelector("#scores table").replaceChildren(...scores.map(([key, value]) => make("tr", {}, make("td", { textContent: key.replaceAll("_", " ") }), make("td", { textContent: number(value) }))));
}

// Whether this page may keep a connection: a browser has six for all pages of a server, and the others ask every two seconds.
let kept = null;
function slot() {
  kept ||= (async () => {
    for (let i = 0; navigator.locks && i < 4; i += 1) {
      const held = await new Promise((resolve) => {
        navigator.locks.request(`stream ${i}`, { ifAvailable: true }, (lock) => { resolve(lock !== null); return lock && new Promise(() => {}); });
      });
      if (held) return true;
    }
    return false;
  })();
  return kept;
}

async function follow() {
  source?.close();
  const found = await ask(`/api/curves/${address}`);
  curves = Object.fromEntries(Object.entries(found.curves).map(([key, c]) => [key, new Curve(c.steps, c.values)]));
  counted = found.shares;
  charts = new Map();
  draw();
  bars();
  source = new EventSource(`/api/stream/${address}?place=${found.place}${(await slot()) ? "" : "&once"}`);
  source.addEventListener("run", (event) => {
    const now = JSON.parse(event.data), active = ACTIVE.includes(now.run.health);
    head(now.run);
    grids(now.samples);
    if (active !== wasActive && wasActive !== null) details().catch(() => {});
    wasActive = active;
  });
  source.addEventListener("records", (event) => {
    for (const { step, shares, ...values } of JSON.parse(event.data)) {
      if (shares) counted.push({ step, ...shares });
      for (const [key, value] of Object.entries(values)) (curves[key] ||= new Curve()).add(step, value);
    }
    draw();
    bars();
  });
  source.addEventListener("console", (event) => console_(JSON.parse(event.data), false));
  source.addEventListener("again", () => attempt(follow));
  source.addEventListener("gone", () => { source.close(); say("This run's folder is gone.", true); });
}

byId("time").addEventListener("input", grid);
byId("play").addEventListener("click", play);
attempt(async () => {
  await details();
  await follow();
  const words = await ask("/api/words");
  ({ captions, meanings } = words);
  charts = new Map();
  draw();
  await details();
});
addEventListener("pagehide", () => source?.close());
