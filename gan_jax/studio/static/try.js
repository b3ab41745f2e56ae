import { ask, attempt, byId, download, encoded, make, number, runsInto, say, whole } from "./common.js";

const query = new URLSearchParams(location.search);
let run = null, about = null, shown = null, chosen = [], way = [], timer = null, turn = 0;

function asked(n) {
  const most = Number(byId("truncation").max), cut = Number(byId("truncation").value);
  return {
    checkpoint: byId("checkpoint").value, ema: byId("ema").checked, seed: Number(byId("seed").value),
    n: n || Number(byId("n").value), kind: Number(byId("kind").value || -1), truncation: cut >= most ? 0 : Math.max(cut, 0.05),
  };
}

async function open() {
  chosen = [];
  const found = await ask(`/api/tried/${encoded(run)}`);
  about = found;
  const points = [...about.checkpoints].reverse().map((s) => make("option", { value: s, textContent: `step ${whole(s)}` }));
  byId("checkpoint").replaceChildren(...points, ...(about.best ? [make("option", { value: "best", textContent: "best" })] : []));
  byId("kinds").hidden = !about.kinds.length;
  byId("kinds").firstChild.textContent = about.by === "generator" ? "Generator " : about.by === "code" ? "Code " : "Class ";
  byId("kind").replaceChildren(make("option", { value: -1, textContent: about.by === "generator" ? "all in turn" : "as in the data" }), ...about.kinds.map((k, i) => make("option", { value: i, textContent: k })));
  byId("cut").hidden = about.z_dim === 0 || about.points;
  byId("truncation").max = about.reach;
  byId("truncation").value = about.reach;
  byId("ema").disabled = !about.ema;
  cutText();
  await sample();
}

function cutText() {
  const { truncation } = asked();
  byId("cut-text").textContent = truncation ? `noise within ${number(truncation)}` : "none, all of the noise";
}

async function sample() {
  const mine = ++turn;
  byId("facts").textContent = shown ? "making images ..." : "loading the checkpoint and compiling, some seconds the first time ...";
  const found = await ask("/api/sample", { name: run, asked: asked() });
  if (mine !== turn) return;
  shown = { ...found, asked: asked() };
  chosen = [];
  pick();
  byId("tiles").classList.toggle("single", about.points);
  byId("tiles").replaceChildren(...shown.images.map((src, i) => {
    const kind = shown.kinds ? `, ${about.kinds[shown.kinds[i]]}` : "";
    const image = make("img", { src, alt: `image ${i + 1}${kind}`, title: kind.slice(2) });
    return about.points ? image : make("button", { type: "button", "aria-pressed": "false", onclick: () => toggle(i) }, image);
  }));
  byId("facts").textContent = `Step ${whole(shown.step)}, seed ${shown.asked.seed}.`;
  byId("png").disabled = byId("npz").disabled = false;
}

function toggle(i) {
  chosen = chosen.includes(i) ? chosen.filter((c) => c !== i) : [...chosen.slice(-1), i];
  pick();
}

function pick() {
  [...byId("tiles").children].forEach((tile, i) => tile.setAttribute("aria-pressed", String(chosen.includes(i))));
  byId("chosen").hidden = !chosen.length;
  byId("neighbours").replaceChildren();
  byId("way").hidden = byId("other").hidden = chosen.length < 2;
  if (!chosen.length) return;
  byId("one").src = shown.images[chosen[0]];
  sliders();
  if (chosen.length === 2) attempt(path);
}

async function path() {
  const mine = turn, ends = chosen.join();
  const { images } = await ask("/api/path", { name: run, asked: shown.asked, first: chosen[0], last: chosen[1] });
  if (mine !== turn || ends !== chosen.join()) return;
  way = images;
  byId("between").max = way.length - 1;
  byId("between").value = Math.floor(way.length / 2);
  between();
}

function between() {
  byId("other").src = way[Number(byId("between").value)];
}

function sliders() {
  const z = shown.z[chosen[0]] || [];
  byId("latent").hidden = !z.length;
  byId("latent").querySelector("summary").textContent = z.length < about.z_dim ? `Its noise: the first ${z.length} of ${about.z_dim} dimensions` : "Its noise, dimension by dimension";
  byId("sliders").replaceChildren(...z.map((value, d) => {
    const output = make("output", { textContent: value.toFixed(2) });
    const range = make("input", { type: "range", min: -about.reach, max: about.reach, step: "any", value, "aria-label": `dimension ${d + 1} of ${about.z_dim}` });
    range.dataset.from = range.value;
    range.addEventListener("input", () => {
      output.textContent = Number(range.value).toFixed(2);
      clearTimeout(timer);
      timer = setTimeout(() => attempt(moved), 120);
    });
    return make("label", {}, make("span", { textContent: `z${d + 1}` }), range, output);
  }));
}

async function moved() {
  const changes = [...byId("sliders").querySelectorAll("input")].flatMap((r, d) => (r.value === r.dataset.from ? [] : [[d, Number(r.value)]]));
  const mine = turn, image = chosen[0];
  const found = await ask("/api/moved", { name: run, asked: shown.asked, image, changes });
  if (mine === turn && chosen[0] === image) byId("one").src = found.image;
}

async function near() {
  const found = await ask("/api/near", { name: run, asked: shown.asked, image: chosen[0] });
  byId("neighbours").replaceChildren(make("div", { className: "found" }, ...found.images.map((src, i) => make("figure", {}, make("img", { src, alt: `training image, ${i + 1}. nearest` }),
    make("figcaption", { textContent: number(found.distances[i]) })))), make("p", { className: "soft", textContent: "The training images nearest to it, by the root mean squared difference of pixels in grey levels. A copy has a first neighbour that is the same picture, far nearer than the others." }));
}

async function save(form) {
  const wanted = shown.asked;
  const blob = await ask("/api/saved", { name: run, asked: wanted, form });
  download(blob, `${run.replaceAll("/", "_")}_${shown.step}_seed${wanted.seed}.${form}`);
}

for (const id of ["checkpoint", "kind", "n", "seed", "ema"]) byId(id).addEventListener("change", () => attempt(sample));
byId("truncation").addEventListener("input", cutText);
byId("truncation").addEventListener("change", () => attempt(sample));
byId("another").addEventListener("click", (event) => { byId("seed").value = Number(byId("seed").value) + 1; attempt(sample, event.target); });
byId("between").addEventListener("input", between);
byId("near").addEventListener("click", (event) => attempt(near, event.target));
byId("back").addEventListener("click", () => { chosen = []; pick(); });
for (const form of ["png", "npz"]) byId(form).addEventListener("click", (event) => attempt(() => save(form), event.target));
byId("run").addEventListener("change", (event) => { run = event.target.value; attempt(open); });
attempt(async () => {
  run = await runsInto(byId("run"), (r) => r.step > 0 && r.experiment !== "colorize", query.get("run"));
  if (run === null) {
    byId("tools").hidden = byId("cut").hidden = true;
    return say("No run has a checkpoint yet: launch one, and come back when it has saved.");
  }
  await open();
});
