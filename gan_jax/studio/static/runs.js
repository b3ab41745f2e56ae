import { ACTIVE, RESUMABLE, ago, ask, attempt, byId, clock, encoded, make, number, resumeText, say, whole } from "./common.js";

const COLUMNS = [
  ["", null], ["", null], ["Run", (r) => r.name], ["State", (r) => r.health], ["Step", (r) => r.step / (r.steps || 1)],
  ["Speed", (r) => r.speed], ["Time left", (r) => r.left ?? Infinity], ["Frechet distance", (r) => r.scores.frechet ?? Infinity],
  ["Changed", (r) => -r.changed], ["", null],
];
const chosen = new Set(), rows = new Map();
let runs = [], order = 8, down = false;

function state(run) {
  const warned = run.warnings.length ? make("div", { className: "why warned", textContent: `warning: ${run.warnings.join(", ")}` }) : null;
  return [make("span", { className: `state ${run.health}`, textContent: run.health }), run.why && make("div", { className: "why", textContent: run.why }), warned];
}

function act(kind, run) {
  return make("button", { textContent: kind === "stop" ? "Stop" : resumeText(run), onclick: (event) => attempt(async () => {
    say((await ask(`/api/${kind}`, { name: run.name })).said);
    await load();
  }, event.target) });
}

function row(run) {
  const address = encoded(run.name);
  const grid = run.grid === null ? null : make("img", { src: `/grid/${run.grid}/${address}`, alt: "", loading: "lazy", width: 64, height: 64 });
  const what = run.experiment ? `${run.experiment}${run.data ? ` on ${run.data}` : ""}, seed ${run.seed}` : "";
  const active = run.health === "running";
  const button = ACTIVE.includes(run.health) ? act("stop", run) : RESUMABLE.includes(run.health) ? act("resume", run) : null;
  const tick = make("input", { type: "checkbox", checked: chosen.has(run.name), "aria-label": `choose ${run.name}`, onchange: (event) => {
    event.target.checked ? chosen.add(run.name) : chosen.delete(run.name);
    choice();
  } });
  const cells = [
    [tick], [grid], [make("a", { className: "name", href: `/run/${address}`, textContent: run.name }), make("div", { className: "soft", textContent: what })],
    state(run),
    run.steps ? [`${whole(run.step)} of ${whole(run.steps)}`, make("progress", { max: run.steps, value: run.step, "aria-label": "steps done" })] : [],
    [run.speed ? `${number(run.speed)} steps/s` : ""], [active ? clock(run.left) : ""], [run.scores.frechet === undefined ? "" : number(run.scores.frechet)],
    [ago(run.changed)], [button],
  ];
  const optional = [5, 7, 8];
  return make("tr", {}, ...cells.map((cell, i) => make("td", { className: [i === 2 && "wide", i > 3 && i < 9 && "brief", optional.includes(i) && "optional"].filter(Boolean).join(" ") }, ...cell)));
}

function choice() {
  byId("compare").disabled = chosen.size < 2;
  byId("compare").textContent = chosen.size ? `Compare chosen (${chosen.size})` : "Compare chosen";
}

function show() {
  const words = byId("find").value.toLowerCase().split(/\s+/), only = byId("show").value, by = COLUMNS[order][1];
  const fits = (r) => (!only || r.health === only) && words.every((w) => `${r.name} ${r.experiment} ${r.method} ${r.data} ${r.health}`.toLowerCase().includes(w));
  const found = runs.filter(fits).sort((a, b) => {
    const [x, y] = [by(a), by(b)];
    return (x < y ? -1 : x > y ? 1 : a.name < b.name ? -1 : 1) * (down ? -1 : 1);
  });
  const parts = found.map((run) => {
    const key = JSON.stringify([run, ago(run.changed)]);
    if (rows.get(run.name)?.key !== key) rows.set(run.name, { key, element: row(run) });
    return rows.get(run.name).element;
  });
  const body = document.querySelector("#runs tbody");
  if (parts.length !== body.children.length || parts.some((part, i) => part !== body.children[i])) {
    const held = document.activeElement?.closest?.("tr") ? document.activeElement : null;
    body.replaceChildren(...parts);
    if (held?.isConnected) held.focus();
  }
  byId("none").hidden = runs.length > 0;
  byId("runs").hidden = runs.length === 0;
}

function heads() {
  document.querySelector("#runs thead tr").replaceChildren(...COLUMNS.map(([text, by], i) => make("th", i === order ? { "aria-sort": down ? "descending" : "ascending" } : {},
    by ? make("button", { textContent: text + (i === order ? (down ? " ↓" : " ↑") : ""), onclick: () => sort(i) }) : "")));
  byId("order").value = order;
}

function sort(i) {
  down = i === order ? !down : false;
  order = i;
  heads();
  show();
}

async function load() {
  const found = await ask("/api/runs");
  runs = found.runs;
  const count = (kinds) => runs.filter((r) => kinds.includes(r.health)).length;
  const queued = count(["queued"]);
  byId("facts").textContent = `${whole(runs.length)} run${runs.length === 1 ? "" : "s"}; ${count(["running", "starting"])} train now, ${found.jobs} at most at a time${queued ? `, ${queued} wait in the queue` : ""}.`;
  const states = [...new Set(runs.map((r) => r.health))].sort(), select = byId("show"), had = select.value;
  if (states.join() !== [...select.options].slice(1).map((o) => o.value).join()) {
    select.replaceChildren(make("option", { value: "", textContent: "all" }), ...states.map((s) => make("option", { value: s, textContent: s })));
    select.value = states.includes(had) ? had : "";
  }
  show();
}

byId("order").append(...COLUMNS.flatMap(([text, by], i) => (by ? [make("option", { value: i, textContent: text })] : [])));
byId("order").addEventListener("change", (event) => { order = Number(event.target.value); down = false; heads(); show(); });
byId("find").addEventListener("input", show);
byId("show").addEventListener("change", show);
byId("compare").addEventListener("click", () => {
  location.href = `/compare?${new URLSearchParams([...chosen].map((name) => ["run", name]))}`;
});
heads();
async function again() {
  if (!document.hidden) await load().catch((error) => say(error.message, true));
  setTimeout(again, 3000);
}
again();
