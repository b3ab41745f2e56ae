// The page Try it: samples of a checkpoint, paths between them, their noise, their nearest images.
import {
  attempt,
  byId,
  createElement,
  createOption,
  encodePath,
  fillRunSelect,
  formatInteger,
  formatNumber,
  request,
  saveFile,
  showMessage,
} from "./common.js";

const MIN_TRUNCATION = 0.05;
const EDIT_DELAY_MS = 120;
const KINDS = { generator: "Generator ", code: "Code " };
const NEAREST_TEXT =
  "The training images nearest to it, by the root mean squared difference of pixels in grey " +
  "levels. A copy has a first neighbour that is the same picture, far nearer than the others.";
let name = null; // of the run
let about = null; // what can be sampled from it
let samples = null; // what the server sampled, and the options
let selected = []; // indices of one or two images
let path = []; // images between two
let timer = null;
let version = 0; // of the samples; responses about older ones are dropped

function readOptions() {
  const { value, max } = byId("truncation");
  return {
    checkpoint: byId("checkpoint").value,
    ema: byId("ema").checked,
    seed: Number(byId("seed").value),
    n: Number(byId("n").value),
    kind: Number(byId("kind").value || -1),
    truncation: Number(value) >= Number(max) ? 0 : Math.max(Number(value), MIN_TRUNCATION),
  };
}

async function openRun() {
  selected = [];
  about = await request(`/api/sampling/${encodePath(name)}`);
  const { checkpoints, best, conditioning, kinds, reach } = about;
  const steps = [...checkpoints].reverse();
  byId("checkpoint").replaceChildren(
    ...steps.map((step) => createOption(step, `step ${formatInteger(step)}`)),
    ...(best ? [createOption("best")] : []),
  );
  byId("kinds").hidden = !kinds.length;
  byId("kinds").firstChild.textContent = KINDS[conditioning] ?? "Class ";
  byId("kind").replaceChildren(
    createOption(-1, conditioning === "generator" ? "all in turn" : "as in the data"),
    ...kinds.map((kind, i) => createOption(i, kind)),
  );
  byId("cut").hidden = about.z_dim === 0 || about.points;
  byId("truncation").max = reach;
  byId("truncation").value = reach;
  byId("ema").disabled = !about.ema;
  showTruncation();
  await sample();
}

function showTruncation() {
  const { truncation } = readOptions();
  byId("cut-text").textContent = truncation
    ? `noise within ${formatNumber(truncation)}`
    : "none, all of the noise";
}

async function sample() {
  const mine = ++version;
  byId("facts").textContent = samples
    ? "making images ..."
    : "loading the checkpoint and compiling, some seconds the first time ...";
  const options = readOptions();
  const response = await request("/api/sample", { name, options });
  if (mine !== version) return;
  samples = { ...response, options };
  selected = [];
  showSelection();
  byId("tiles").classList.toggle("single", about.points);
  byId("tiles").replaceChildren(...samples.images.map(createTile));
  byId("facts").textContent = `Step ${formatInteger(samples.step)}, seed ${options.seed}.`;
  byId("png").disabled = byId("npz").disabled = false;
}

function createTile(src, i) {
  const kind = samples.kinds ? about.kinds[samples.kinds[i]] : "";
  const alt = `image ${i + 1}${kind ? `, ${kind}` : ""}`;
  const image = createElement("img", { src, alt, title: kind });
  if (about.points) return image;
  const properties = { type: "button", "aria-pressed": "false", onclick: () => toggle(i) };
  return createElement("button", properties, image);
}

/** Selects or deselects an image; of two selected ones the newer stays. */
function toggle(i) {
  selected = selected.includes(i)
    ? selected.filter((other) => other !== i)
    : [...selected.slice(-1), i];
  showSelection();
}

const isInView = (element) => {
  const { top, bottom } = element.getBoundingClientRect();
  return top >= 0 && Math.min(bottom, top + 200) <= innerHeight;
};

function showSelection() {
  [...byId("tiles").children].forEach((tile, i) =>
    tile.setAttribute("aria-pressed", String(selected.includes(i))),
  );
  byId("chosen").hidden = !selected.length;
  byId("neighbours").replaceChildren();
  byId("way").hidden = byId("other").hidden = selected.length < 2;
  if (!selected.length) return;
  byId("one").src = samples.images[selected[0]];
  showSliders();
  // Below the images on a narrow screen, where nobody would see that anything has happened.
  if (!isInView(byId("chosen"))) byId("chosen").scrollIntoView({ block: "nearest" });
  if (selected.length === 2) attempt(loadPath);
}

async function loadPath() {
  const mine = version;
  const ends = selected;
  const [first, last] = ends;
  const { options } = samples;
  const { images } = await request("/api/interpolate", { name, options, first, last });
  if (mine !== version || ends.join() !== selected.join()) return;
  path = images;
  byId("between").max = path.length - 1;
  byId("between").value = Math.floor(path.length / 2);
  showPath();
}

function showPath() {
  byId("other").src = path[Number(byId("between").value)];
}

function showSliders() {
  const z = samples.z[selected[0]] || [];
  byId("latent").hidden = !z.length;
  byId("latent").querySelector("summary").textContent =
    z.length < about.z_dim
      ? `Its noise: the first ${z.length} of ${about.z_dim} dimensions`
      : "Its noise, dimension by dimension";
  byId("sliders").replaceChildren(...z.map(createSlider));
}

function createSlider(value, dimension) {
  const output = createElement("output", { textContent: value.toFixed(2) });
  const range = createElement("input", {
    type: "range",
    min: -about.reach,
    max: about.reach,
    step: "any",
    value,
    "aria-label": `dimension ${dimension + 1} of ${about.z_dim}`,
  });
  range.dataset.initial = range.value;
  range.addEventListener("input", () => {
    output.textContent = Number(range.value).toFixed(2);
    clearTimeout(timer);
    timer = setTimeout(() => attempt(editLatent), EDIT_DELAY_MS);
  });
  const label = createElement("span", { textContent: `z${dimension + 1}` });
  return createElement("label", {}, label, range, output);
}

async function editLatent() {
  const mine = version;
  const image = selected[0];
  const { options } = samples;
  const changes = [...byId("sliders").querySelectorAll("input")].flatMap((range, dimension) =>
    range.value === range.dataset.initial ? [] : [[dimension, Number(range.value)]],
  );
  const edited = await request("/api/edit_latent", { name, options, image, changes });
  if (mine === version && selected[0] === image) byId("one").src = edited.image;
}

async function showNearest() {
  const { options } = samples;
  const image = selected[0];
  const { images, distances } = await request("/api/nearest_images", { name, options, image });
  const figure = (src, i) =>
    createElement(
      "figure",
      {},
      createElement("img", { src, alt: `training image, ${i + 1}. nearest` }),
      createElement("figcaption", { textContent: formatNumber(distances[i]) }),
    );
  byId("neighbours").replaceChildren(
    createElement("div", { className: "nearest" }, ...images.map(figure)),
    createElement("p", { className: "soft", textContent: NEAREST_TEXT }),
  );
  byId("neighbours").scrollIntoView({ block: "nearest" });
}

async function save(form) {
  const { options, step } = samples;
  const blob = await request("/api/download", { name, options, form });
  saveFile(blob, `${name.replaceAll("/", "_")}_${step}_seed${options.seed}.${form}`);
}

for (const id of ["checkpoint", "kind", "n", "seed", "ema"]) {
  byId(id).addEventListener("change", () => attempt(sample));
}
byId("truncation").addEventListener("input", showTruncation);
byId("truncation").addEventListener("change", () => attempt(sample));
byId("another").addEventListener("click", (event) => {
  byId("seed").value = Number(byId("seed").value) + 1;
  attempt(sample, event.target);
});
byId("between").addEventListener("input", showPath);
byId("near").addEventListener("click", (event) => attempt(showNearest, event.target));
byId("back").addEventListener("click", () => {
  selected = [];
  showSelection();
});
for (const form of ["png", "npz"]) {
  byId(form).addEventListener("click", (event) => attempt(() => save(form), event.target));
}
byId("run").addEventListener("change", (event) => {
  name = event.target.value;
  attempt(openRun);
});
attempt(async () => {
  const canSample = (summary) => summary.step > 0 && summary.experiment !== "colorize";
  const preferred = new URLSearchParams(location.search).get("run");
  name = await fillRunSelect(byId("run"), canSample, preferred);
  if (name === null) {
    byId("tools").hidden = byId("cut").hidden = true;
    showMessage("No run has a checkpoint yet: launch one, and come back when it has saved.");
    return;
  }
  await openRun();
});
