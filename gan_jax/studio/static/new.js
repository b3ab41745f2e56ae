// The pages New run and Sweep: a form of flags, its command line, checks, and the launch.
import {
  attempt, byId, createElement, createOption, encodePath, request, showMessage,
} from "./common.js";
import { FlagForm, createChoices, flagfileEntries } from "./form.js";

const LINE_DELAY_MS = 250;
// What Launcher.check_place says of a name.
const NAME_REFUSALS = /^A run's name|is taken;|inside another run|leads out of the root/;
const VERDICT = /\n?^Verdict: [^]*$/m; // the end of what check_data prints
const VERDICTS = { 0: "It would train.", 2: "It would be refused:" };
const isSweep = byId("main").dataset.kind === "sweep";
let timer = null;
let copied = {}; // values of a run that is copied
let isNamed = false; // whether the user wrote the run's name
const form = new FlagForm(byId("fields"), scheduleLine);

function scheduleLine() {
  clearTimeout(timer);
  timer = setTimeout(showCommandLine, LINE_DELAY_MS);
}

/** The grid of a sweep as --vary has it: FLAG=VALUE,VALUE;FLAG=VALUE,VALUE. */
function readGrid() {
  const axes = [...byId("axes").querySelectorAll(".axis-row")].map((row) => {
    const [flag, values] = row.querySelectorAll("input");
    const list = values.value.split(",").map((value) => value.trim());
    return flag.value.trim() && `${flag.value.trim()}=${list.filter(Boolean).join(",")}`;
  });
  return axes.filter(Boolean).join(";");
}

function readForm() {
  const flags = form.changedValues();
  if (isSweep) {
    const lines = [readGrid(), flags.vary ?? ""].filter(Boolean).join("\n");
    if (lines) flags.vary = lines;
  }
  return {
    name: byId("name").value.trim(),
    experiment: byId("experiment").value,
    flagfile: form.flagfile,
    flags,
    ...(isSweep ? { kind: "sweep" } : {}),
  };
}

async function showCommandLine() {
  const line = byId("line");
  try {
    line.textContent = (await request("/api/command_line", readForm())).line;
    line.classList.remove("warned");
  } catch (error) {
    line.textContent = error.message;
    line.classList.add("warned");
    form.showError(error.message, false);
  }
  if (isSweep) countRuns();
}

/** Suggests a name that no run has. */
async function suggestName() {
  if (isNamed) return;
  const { runs, sweeps } = await request("/api/runs");
  const taken = new Set([...runs, ...sweeps].map((summary) => summary.name));
  const stem = form.flagfile || byId("experiment").value;
  const base = isSweep && !stem.startsWith("ablate") ? `sweep_${stem}` : stem;
  const numbered = (i) => (i > 1 ? `${base}_${i}` : base);
  let i = 1;
  while (taken.has(numbered(i))) i += 1;
  byId("name").value = numbered(i);
  scheduleLine();
}

async function choose(experiment, flagfile) {
  const kind = isSweep ? "sweep_form" : "experiment";
  const command = await request(`/api/${kind}/${encodeURIComponent(experiment)}`);
  const entries = flagfileEntries(command);
  const [line, more] = command.doc.split("\n\n");
  byId("about").textContent = (more ?? line).replaceAll("\n", " ");
  const choices = createChoices("flagfile", entries, (value) => {
    copied = {};
    form.begin(value);
    showGridOf(command, value);
    attempt(suggestName);
  });
  byId("flagfiles").replaceChildren(...choices);
  form.show(command);
  const first = flagfile ?? entries[0].value;
  for (const radio of byId("flagfiles").querySelectorAll("input")) {
    radio.checked = radio.value === first;
  }
  form.begin(first, copied);
  form.search(byId("find").value);
  showGridOf(command, first);
  await suggestName();
}

// The grid of a sweep.

let ownGrids = []; // those of the flagfile

function showGridOf(command, flagfile) {
  if (!isSweep) return;
  ownGrids = command.flagfiles[flagfile]?.vary ?? [];
  byId("own-grids").hidden = !ownGrids.length;
  byId("own-grids").textContent = `The flagfile varies: ${ownGrids.join("  |  ")}`;
  const names = form.fields.map(({ name }) => createOption(name));
  byId("flag-names").replaceChildren(...names);
  if (!byId("axes").children.length) addAxis();
}

function addAxis() {
  const hint = createElement("span", { className: "soft" });
  const flag = createElement("input", {
    type: "text",
    list: "flag-names",
    placeholder: "flag, such as lr",
    "aria-label": "flag that is varied",
    autocomplete: "off",
  });
  const values = createElement("input", {
    type: "text",
    placeholder: "values with commas, such as 1e-4,3e-4",
    "aria-label": "its values",
    autocomplete: "off",
  });
  const remove = createElement("button", {
    type: "button",
    textContent: "Remove",
    onclick: () => {
      row.remove();
      scheduleLine();
    },
  });
  const row = createElement("div", { className: "axis-row" }, flag, values, remove, hint);
  row.addEventListener("input", () => {
    const field = form.fields.find(({ name }) => name === flag.value.trim());
    const choices = field?.choices.length ? `one of ${field.choices.join(", ")}` : "";
    hint.textContent = field ? `${field.text}${choices && `; ${choices}`}` : "";
    scheduleLine();
  });
  byId("axes").append(row);
}

/** Says how many runs the grid of the page makes. */
function countRuns() {
  const axes = readGrid().split(";").filter(Boolean);
  const sizes = axes.map((axis) => axis.split("=")[1].split(/(?<!\\),/).length);
  const n = sizes.reduce((product, size) => product * size, 1);
  const seeds = Number(form.input("seeds")?.value || 1);
  const others = ownGrids.length || form.changedValues().vary ? ", beside the other grids" : "";
  byId("count").textContent = `${n} configuration${n === 1 ? "" : "s"} times ${seeds} seeds: ${
    n * seeds
  } runs${others}.`;
}

// Checks and launch.

async function check(kind, text) {
  const place = byId("output");
  place.hidden = false;
  place.textContent = text;
  place.scrollIntoView({ block: "nearest" });
  try {
    const { code, output } = await request(`/api/${kind}`, readForm());
    const dryVerdict = VERDICTS[code] ?? `It failed (code ${code}):`;
    const verdict = kind === "dry_run" ? dryVerdict : (output.match(VERDICT)?.[0] ?? "");
    const rest = kind === "dry_run" ? output : output.replace(VERDICT, "");
    // The verdict is at the top: the rest may be longer than the screen.
    place.textContent = `${verdict.trim()}\n\n${rest}`.trim();
    place.scrollTop = 0;
    if (code) form.showError(lastLine(output), false);
  } catch (error) {
    place.hidden = true;
    throw error;
  }
  place.scrollIntoView({ block: "nearest" });
}

const lastLine = (text) => text.trim().split("\n").at(-1) ?? "";

async function launch() {
  showMessage("Checking what was filled in, and the data; then it starts ...");
  const { name, kind } = await request("/api/launch", readForm());
  location.href = `/${kind === "sweep" ? "sweep" : "run"}/${encodePath(name)}`;
}

/** Shows a refusal of the run's name beside it. */
function showNameError(text) {
  byId("error-run").textContent = text;
  if (!text) return;
  byId("name").scrollIntoView({ block: "center" });
  byId("name").focus({ preventScroll: true });
}

/** Runs an action; a refusal is shown beside the field that it is about. */
function attemptForm(action, button) {
  return attempt(async () => {
    form.clearErrors();
    showNameError("");
    try {
      await action();
    } catch (error) {
      const isOfFlag = form.showError(error.message);
      if (!isOfFlag && NAME_REFUSALS.test(error.message)) showNameError(error.message);
      throw error;
    }
  }, button);
}

async function start() {
  const experiments = await request("/api/experiments");
  const options = Object.entries(experiments).map(([name, title]) =>
    createElement("option", { value: name, textContent: `${name}: ${title.split(": ").pop()}` }),
  );
  byId("experiment").replaceChildren(...options);
  const query = new URLSearchParams(location.search);
  let experiment = query.get("experiment") ?? "morpho";
  if (!(experiment in experiments)) [experiment] = Object.keys(experiments);
  let flagfile;
  const copy = query.get("copy");
  if (copy) {
    const { config } = await request(`/api/run/${encodePath(copy)}`);
    if (config && config.experiment in experiments) {
      experiment = config.experiment;
      copied = { ...config.run, ...config.hp };
      flagfile = "";
      showMessage(`The flags are those of ${copy}.`);
    } else {
      const text = `The configuration of ${copy} cannot be read, so this form begins anew.`;
      showMessage(text, true);
    }
  }
  byId("experiment").value = experiment;
  await choose(experiment, flagfile);
}

byId("experiment").addEventListener("change", (event) => {
  copied = {};
  attempt(() => choose(event.target.value));
});
byId("name").addEventListener("input", () => {
  isNamed = byId("name").value !== "";
  byId("error-run").textContent = "";
  scheduleLine();
});
byId("find").addEventListener("input", (event) => form.search(event.target.value));
byId("dry").addEventListener("click", (event) =>
  attemptForm(() => check("dry_run", "checking, which reads the data too ..."), event.target),
);
byId("data")?.addEventListener("click", (event) =>
  attemptForm(() => check("check_data", "looking at every image ..."), event.target),
);
byId("add-axis")?.addEventListener("click", addAxis);
byId("form").addEventListener("submit", (event) => {
  event.preventDefault();
  attemptForm(launch, event.submitter);
});
attempt(start);
