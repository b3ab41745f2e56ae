// The page Runs: a table of all runs that is sorted, searched and kept up to date.
import {
  ACTIVE, RESUMABLE, attempt, byId, createElement, createOption, encodePath, formatAge,
  formatDuration, formatInteger, formatNumber, request, resumeText, showMessage,
} from "./common.js";

const POLL_MS = 3000;
// Title, sort key or null, CSS classes of the cells.
const COLUMNS = [
  ["", null, ""],
  ["", null, ""],
  ["Run", (summary) => summary.name, "wide"],
  ["State", (summary) => summary.state, ""],
  ["Step", (summary) => summary.step / (summary.steps || 1), "brief"],
  ["Speed", (summary) => summary.speed, "brief optional"],
  ["Time left", (summary) => summary.left ?? Infinity, "brief"],
  ["Frechet distance", (summary) => summary.scores.frechet ?? Infinity, "brief optional"],
  ["Changed", (summary) => -summary.changed, "brief optional"],
  ["", null, ""],
];
const selected = new Set(); // names of runs
const rows = new Map(); // name -> {key, row}, where the key is all that the row shows
let runs = [];
let sortColumn = 8;
let isDescending = false;

function stateCell({ state, reason, warnings }) {
  const why = (text, css = "") =>
    text && createElement("div", { className: `why ${css}`, textContent: text });
  return [
    createElement("span", { className: `state ${state}`, textContent: state }),
    why(reason),
    why(warnings.length ? `warning: ${warnings.join(", ")}` : "", "warned"),
  ];
}

function actionButton(action, summary) {
  const perform = async () => {
    showMessage((await request(`/api/${action}`, { name: summary.name })).message);
    await load();
  };
  return createElement("button", {
    textContent: action === "stop" ? "Stop" : resumeText(summary),
    onclick: (event) => attempt(perform, event.target),
  });
}

function button(summary) {
  if (ACTIVE.includes(summary.state)) return actionButton("stop", summary);
  return RESUMABLE.includes(summary.state) ? actionButton("resume", summary) : null;
}

function checkbox({ name }) {
  return createElement("input", {
    type: "checkbox",
    checked: selected.has(name),
    "aria-label": `choose ${name}`,
    onchange: (event) => {
      if (event.target.checked) selected.add(name);
      else selected.delete(name);
      updateCompareButton();
    },
  });
}

function createRow(summary) {
  const { name, experiment, data, seed, state, step, steps, speed, left, scores, grid } = summary;
  const address = encodePath(name);
  const image = {
    src: `/grid/${grid}/${address}`,
    alt: "",
    loading: "lazy",
    width: 64,
    height: 64,
  };
  const about = experiment ? `${experiment}${data ? ` on ${data}` : ""}, seed ${seed}` : "";
  const progress = { max: steps, value: step, "aria-label": "steps done" };
  const cells = [
    [checkbox(summary)],
    [grid === null ? null : createElement("img", image)],
    [
      createElement("a", { className: "name", href: `/run/${address}`, textContent: name }),
      createElement("div", { className: "soft", textContent: about }),
    ],
    stateCell(summary),
    steps
      ? [`${formatInteger(step)} of ${formatInteger(steps)}`, createElement("progress", progress)]
      : [],
    [speed ? `${formatNumber(speed)} steps/s` : ""],
    [state === "running" ? formatDuration(left) : ""],
    [scores.frechet === undefined ? "" : formatNumber(scores.frechet)],
    [formatAge(summary.changed)],
    [button(summary)],
  ];
  const toCell = (children, i) => createElement("td", { className: COLUMNS[i][2] }, ...children);
  return createElement("tr", {}, ...cells.map(toCell));
}

function updateCompareButton() {
  byId("compare").disabled = selected.size < 2;
  byId("compare").textContent = selected.size
    ? `Compare chosen (${selected.size})`
    : "Compare chosen";
}

/** The runs that are searched for, in order. */
function visibleRuns() {
  const words = byId("find").value.toLowerCase().split(/\s+/);
  const state = byId("show").value;
  const isVisible = (summary) => {
    const { name, experiment, method, data } = summary;
    const searched = `${name} ${experiment} ${method} ${data} ${summary.state}`.toLowerCase();
    return (!state || summary.state === state) && words.every((word) => searched.includes(word));
  };
  const key = COLUMNS[sortColumn][1];
  const ascending = (a, b) => {
    const [x, y] = [key(a), key(b)];
    if (x < y) return -1;
    if (x > y) return 1;
    return a.name < b.name ? -1 : 1;
  };
  return runs.filter(isVisible).sort((a, b) => ascending(a, b) * (isDescending ? -1 : 1));
}

function rowOf(summary) {
  const key = JSON.stringify([summary, formatAge(summary.changed)]);
  if (rows.get(summary.name)?.key !== key) {
    rows.set(summary.name, { key, row: createRow(summary) });
  }
  return rows.get(summary.name).row;
}

function show() {
  const visible = visibleRuns().map(rowOf);
  const body = document.querySelector("#runs tbody");
  const changed = visible.some((row, i) => row !== body.children[i]);
  if (changed || visible.length !== body.children.length) {
    const focused = document.activeElement?.closest?.("tr") ? document.activeElement : null;
    body.replaceChildren(...visible);
    if (focused?.isConnected) focused.focus();
  }
  byId("none").hidden = runs.length > 0;
  byId("runs").hidden = runs.length === 0;
}

function showHeads() {
  const arrow = isDescending ? " ↓" : " ↑";
  const direction = isDescending ? "descending" : "ascending";
  const head = ([title, key], i) => {
    const isSorted = i === sortColumn;
    const textContent = title + (isSorted ? arrow : "");
    const content = key ? createElement("button", { textContent, onclick: () => sortBy(i) }) : "";
    return createElement("th", isSorted ? { "aria-sort": direction } : {}, content);
  };
  document.querySelector("#runs thead tr").replaceChildren(...COLUMNS.map(head));
  byId("order").value = sortColumn;
}

function sortBy(column) {
  isDescending = column === sortColumn && !isDescending;
  sortColumn = column;
  showHeads();
  show();
}

async function load() {
  const answer = await request("/api/runs");
  runs = answer.runs;
  const count = (...states) => runs.filter(({ state }) => states.includes(state)).length;
  const queued = count("queued");
  byId("facts").textContent =
    `${formatInteger(runs.length)} run${runs.length === 1 ? "" : "s"}; ` +
    `${count("running", "starting")} train now, ${answer.jobs} at most at a time` +
    `${queued ? `, ${queued} wait in the queue` : ""}.`;
  const states = [...new Set(runs.map(({ state }) => state))].sort();
  const select = byId("show");
  const previous = select.value;
  const offered = [...select.options].slice(1).map((option) => option.value);
  if (states.join() !== offered.join()) {
    select.replaceChildren(createOption("", "all"), ...states.map((state) => createOption(state)));
    select.value = states.includes(previous) ? previous : "";
  }
  show();
}

COLUMNS.forEach(([title, key], i) => {
  if (key) byId("order").append(createOption(i, title));
});
byId("order").addEventListener("change", (event) => {
  sortColumn = Number(event.target.value);
  isDescending = false;
  showHeads();
  show();
});
byId("find").addEventListener("input", show);
byId("show").addEventListener("change", show);
byId("compare").addEventListener("click", () => {
  const query = new URLSearchParams([...selected].map((name) => ["run", name]));
  location.href = `/compare?${query}`;
});
showHeads();
async function poll() {
  if (!document.hidden) await load().catch((error) => showMessage(error.message, true));
  setTimeout(poll, POLL_MS);
}
poll();
