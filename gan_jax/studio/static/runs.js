// The page Runs: a table of runs and sweeps that is sorted, searched, tidied and kept up to date.
import {
  BUSY, RESUMABLE, STOPPABLE, attempt, byId, bySlurm, createElement, createOption, deleteRuns,
  encodePath, formatAge, formatDuration, formatInteger, formatNumber, request, resumeText, shortData,
  showDone, showMessage, titleOf,
} from "./common.js";
import {
  fillScores, scoreCell, scoreKey, scoreRank, setScoreWords, showScoreNote,
} from "./runs_scores.js";

const POLL_MS = 3000;
// Title, sort key or null, CSS classes of the cells.
const COLUMNS = [
  ["", null, ""],
  ["", null, ""],
  ["Run", (summary) => titleOf(summary), "wide"],
  ["State", (summary) => summary.state, ""],
  ["Step", (summary) => doneShare(summary), "brief"],
  ["Speed", (summary) => summary.speed ?? 0, "brief optional"],
  ["Time left", (summary) => summary.left ?? Infinity, "brief"],
  ["Score", (summary) => scoreRank(summary), "brief"],
  ["Changed", (summary) => -summary.changed, "brief optional"],
  ["", null, ""],
];
const selected = new Set(); // names of runs and sweeps
const opened = new Set(); // names of sweeps whose runs are shown
const rows = new Map(); // name -> {key, row}, where the key is all that the row shows
let runs = [];
let sweeps = [];
let sortColumn = 8;
let isDescending = false;

const isSweep = (summary) => summary.kind === "sweep";
const allOf = () => [...runs, ...sweeps];

function doneShare(summary) {
  if (!isSweep(summary)) return summary.step / (summary.steps || 1);
  return summary.counts.done / (summary.counts.runs || 1);
}

// Rows.

function stateCell({ state, reason, warnings, phase, evaluation }) {
  const why = (text, css = "") =>
    text && createElement("div", { className: `why ${css}`, textContent: text });
  const scoring = evaluation && !["finished"].includes(evaluation.state) && evaluation;
  return [
    createElement("span", { className: `state ${state}`, textContent: state }),
    why(reason || phase),
    why(warnings?.length ? `warning: ${warnings.join(", ")}` : "", "warned"),
    why(scoring ? `evaluation ${scoring.state}: ${scoring.reason}` : ""),
  ];
}

function actionButton(action, summary) {
  const perform = async () => {
    const { message } = await request(`/api/${action}`, { name: summary.name });
    await load();
    showDone(message);
  };
  return createElement("button", {
    textContent: action === "stop" ? "Stop" : resumeText(summary),
    onclick: (event) => attempt(perform, event.target),
  });
}

function button(summary) {
  const { state, sweep } = summary;
  if (bySlurm(summary)) return null;
  if (STOPPABLE.includes(state) && !(sweep && state === "queued")) {
    return actionButton("stop", summary);
  }
  return RESUMABLE.includes(state) ? actionButton("resume", summary) : null;
}

function checkbox(summary) {
  return createElement("input", {
    type: "checkbox",
    checked: selected.has(summary.name),
    "aria-label": `choose ${titleOf(summary)}`,
    onchange: (event) => {
      if (event.target.checked) selected.add(summary.name);
      else selected.delete(summary.name);
      showChosen();
    },
  });
}

function tagChips({ tags, archived }) {
  const filter = (tag) => () => {
    byId("find").value = byId("find").value === tag ? "" : tag;
    show();
  };
  const chips = tags.map((textContent) =>
    createElement("button", { className: "tag", textContent, onclick: filter(textContent) }),
  );
  if (archived) chips.push(createElement("span", { className: "tag", textContent: "archived" }));
  return chips;
}

function nameCell(summary) {
  const { name, experiment, data, seed, title, sweep } = summary;
  const page = isSweep(summary) ? "sweep" : "run";
  const href = `/${page}/${encodePath(name)}`;
  const about = experiment ? `${experiment}${data ? ` on ${shortData(data)}` : ""}, seed ${seed}` : "";
  const own = isSweep(summary) ? `sweep${experiment && ` of ${experiment}`}` : about;
  const short = sweep && !title ? name.slice(sweep.length + 1) : titleOf(summary);
  return [
    createElement("a", { className: "name", href, textContent: short }),
    createElement("div", { className: "soft", title: data, textContent: title ? `${name}: ${own}` : own }),
    createElement("div", { className: "tags" }, ...tagChips(summary)),
  ];
}

function openButton(summary) {
  const { name } = summary;
  const isOpen = opened.has(name);
  return createElement("button", {
    className: "open",
    textContent: isOpen ? "▾" : "▸",
    "aria-expanded": String(isOpen),
    "aria-label": `runs of ${titleOf(summary)}`,
    onclick: () => {
      if (!opened.delete(name)) opened.add(name);
      show();
    },
  });
}

function sweepCells(summary) {
  const { counts } = summary;
  const progress = { max: counts.runs || 1, value: counts.done, "aria-label": "runs done" };
  const parts = ["refused", "failed", "scored"].filter((key) => counts[key]);
  return [
    [checkbox(summary)],
    [openButton(summary)],
    nameCell(summary),
    stateCell(summary),
    counts.runs
      ? [
          `${counts.done} of ${counts.runs} runs`,
          createElement("progress", progress),
          createElement("div", {
            className: "why",
            textContent: parts.map((key) => `${counts[key]} ${key}`).join(", "),
          }),
        ]
      : [],
    [],
    [],
    [],
    [formatAge(summary.changed)],
    [button(summary)],
  ];
}

function runCells(summary) {
  const { name, state, step, steps, speed, left, grid } = summary;
  const address = encodePath(name);
  const picture = { src: `/grid/${grid}/${address}`, alt: "", loading: "lazy", width: 64, height: 64 };
  const isWaiting = ["starting", "running"].includes(state) && left === null;
  const progress = { max: steps, "aria-label": "steps done", ...(isWaiting ? {} : { value: step }) };
  return [
    [checkbox(summary)],
    [grid === null ? null : createElement("img", picture)],
    nameCell(summary),
    stateCell(summary),
    steps
      ? [`${formatInteger(step)} of ${formatInteger(steps)}`, createElement("progress", progress)]
      : [],
    [speed ? `${formatNumber(speed)} steps/s` : ""],
    [state === "running" ? formatDuration(left) : ""],
    scoreCell(summary),
    [formatAge(summary.changed)],
    [button(summary)],
  ];
}

function createRow(summary) {
  const cells = isSweep(summary) ? sweepCells(summary) : runCells(summary);
  const toCell = (children, i) =>
    createElement("td", { className: COLUMNS[i][2] }, ...children.filter(Boolean));
  const isPart = summary.sweep && opened.has(summary.sweep);
  const className = isSweep(summary) ? "sweep" : isPart ? "part" : "";
  return createElement("tr", { className }, ...cells.map(toCell));
}

/** The runs and sweeps that are searched for, in order; those of a sweep below it. */
function visibleRuns() {
  const searched = byId("find").value.toLowerCase().split(/\s+/).filter(Boolean);
  const state = byId("show").value;
  const isVisible = (summary) => {
    const { name, experiment, method = "", data = "", title, tags } = summary;
    const text = [name, experiment, method, data, summary.state, title, ...tags].join(" ");
    if (summary.archived !== (state === "archived") && state !== "every") return false;
    if (state && !["archived", "every"].includes(state) && summary.state !== state) return false;
    return searched.every((word) => text.toLowerCase().includes(word));
  };
  const key = COLUMNS[sortColumn][1];
  const ascending = (a, b) => {
    const [x, y] = [key(a), key(b)];
    if (x < y) return -1;
    if (x > y) return 1;
    return a.name < b.name ? -1 : 1;
  };
  const order = (list) => list.sort((a, b) => ascending(a, b) * (isDescending ? -1 : 1));
  // A search finds runs of sweeps too; without one they are below their sweep.
  const isSearch = searched.length > 0 || (state && state !== "archived" && state !== "every");
  const top = allOf().filter((one) => isVisible(one) && (isSearch || !one.sweep));
  return order(top).flatMap((one) =>
    isSweep(one) && opened.has(one.name) && !isSearch
      ? [one, ...order(runs.filter((run) => run.sweep === one.name))]
      : [one],
  );
}

function rowOf(summary) {
  const opening = isSweep(summary) ? opened.has(summary.name) : opened.has(summary.sweep);
  const key = JSON.stringify([summary, formatAge(summary.changed), opening, scoreKey()]);
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
  byId("none").hidden = allOf().length > 0;
  byId("unfound").hidden = allOf().length === 0 || visible.length > 0;
  byId("runs").hidden = visible.length === 0;
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

// What is done with the chosen runs.

function showChosen() {
  const names = new Set(allOf().map(({ name }) => name));
  for (const name of selected) if (!names.has(name)) selected.delete(name);
  byId("chosen").hidden = selected.size === 0;
  byId("count").textContent = `${selected.size} chosen`;
  const chosen = allOf().filter(({ name }) => selected.has(name));
  byId("compare").disabled = chosen.filter((one) => !isSweep(one)).length < 2;
  byId("archive").textContent = chosen.every((one) => one.archived) ? "Unarchive" : "Archive";
}

async function change(changes) {
  await request("/api/notes", { names: [...selected], changes: {}, ...changes });
  await load();
}

async function remove() {
  const names = [...selected];
  await deleteRuns(names, async () => {
    selected.clear();
    await load();
  });
}

async function load() {
  const answer = await request("/api/runs");
  ({ runs, sweeps } = answer);
  fillScores(runs);
  // A sweep is one job, and so is an evaluation.
  const busySweeps = sweeps.filter(({ state }) => BUSY.includes(state)).map(({ name }) => name);
  const jobs = [...runs.filter(({ sweep }) => !busySweeps.includes(sweep)), ...sweeps].map(
    ({ state, evaluation }) => [state, evaluation?.state],
  );
  const count = (...states) => jobs.flat().filter((state) => states.includes(state)).length;
  const [queued, archived] = [count("queued"), allOf().filter((one) => one.archived).length];
  byId("facts").textContent =
    `${formatInteger(runs.length)} run${runs.length === 1 ? "" : "s"}; ` +
    `${count(...BUSY)} at work now, ${answer.jobs} at most at a time` +
    `${queued ? `, ${queued} in the queue` : ""}.` +
    `${archived ? ` ${archived} archived.` : ""}`;
  const states = [...new Set(allOf().map(({ state }) => state))].sort();
  const select = byId("show");
  const previous = select.value;
  const options = [["", "all but archived"], ...states.map((state) => [state, state])];
  options.push(["archived", "archived"], ["every", "all"]);
  if (options.length !== select.options.length || states.some((s, i) => select.options[i + 1].value !== s)) {
    select.replaceChildren(...options.map(([value, text]) => createOption(value, text)));
    select.value = options.some(([value]) => value === previous) ? previous : "";
  }
  showChosen();
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
byId("score").addEventListener("change", () => {
  localStorage.setItem("score", scoreKey());
  showScoreNote();
  show();
});
for (const id of ["find", "show"]) byId(id).addEventListener("input", show);
byId("compare").addEventListener("click", () => {
  const chosen = runs.filter(({ name }) => selected.has(name));
  const query = new URLSearchParams(chosen.map(({ name }) => ["run", name]));
  location.href = `/compare?${query}`;
});
byId("archive").addEventListener("click", (event) => {
  const archived = event.target.textContent === "Archive";
  attempt(() => change({ changes: { archived } }), event.target);
});
byId("tag").addEventListener("submit", (event) => {
  event.preventDefault();
  const tag = byId("new-tag").value.trim();
  if (!tag) return;
  const chosen = allOf().filter(({ name }) => selected.has(name));
  const isEverywhere = chosen.every(({ tags }) => tags.includes(tag));
  attempt(() => change(isEverywhere ? { remove: [tag] } : { add: [tag] }), event.submitter);
});
byId("delete").addEventListener("click", (event) => attempt(remove, event.target));
showHeads();
async function poll() {
  if (!document.hidden) await load().catch((error) => showMessage(error.message, true));
  setTimeout(poll, POLL_MS);
}
poll();
attempt(async () => {
  setScoreWords(await request("/api/captions"));
  fillScores(runs);
  show();
});
