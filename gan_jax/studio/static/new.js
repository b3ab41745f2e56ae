// The page New run: a form of a training command's flags.
import {
  attempt,
  byId,
  createElement,
  createOption,
  encodePath,
  request,
  showMessage,
} from "./common.js";

const MAX_INT = 2 ** 31 - 2; // bounds from here on are not worth telling
let command = null; // what the server says of the training command
let timer = null;
let copied = {}; // values of a run that is copied
let isNamed = false; // whether the user wrote the run's name

const allFields = () => command.groups.flatMap((group) => group.fields);
const inputOf = (field) => byId(`flag-${field.name}`);
const readValue = (field) =>
  field.type === "bool" ? inputOf(field).checked : inputOf(field).value;

/** Values before the user changes anything: defaults, then those of the flagfile. */
const initialValues = () => ({
  ...Object.fromEntries(allFields().map((field) => [field.name, field.default])),
  ...command.flagfiles[byId("flagfile").value],
});

function createInput({ name, type, choices, low, high }) {
  const shared = { id: `flag-${name}`, "aria-describedby": `text-${name}` };
  if (type === "bool") return createElement("input", { ...shared, type: "checkbox" });
  if (choices.length) {
    return createElement("select", shared, ...choices.map((choice) => createOption(choice)));
  }
  if (type === "str") {
    const options = { type: "text", maxLength: 500, autocomplete: "off", spellcheck: false };
    return createElement("input", { ...shared, ...options });
  }
  const step = type === "int" ? "1" : "any";
  const input = createElement("input", { ...shared, type: "number", step, required: true });
  if (low !== null) input.min = low;
  if (high !== null) input.max = high;
  return input;
}

function createField(field) {
  const { name, text, low, above, high } = field;
  const bounds = [
    low !== null && `at least ${low}`,
    above !== null && `above ${above}`,
    high !== null && high < MAX_INT && `at most ${high}`,
  ];
  const described = bounds.filter(Boolean).join(", ");
  return createElement(
    "label",
    { className: "flag", id: `field-${name}` },
    createElement("b", { textContent: name }),
    createInput(field),
    createElement("span", {
      id: `text-${name}`,
      textContent: text + (described ? ` (${described})` : ""),
    }),
  );
}

function createGroup({ title, fields }, i) {
  return createElement(
    "details",
    { open: i === 0 },
    createElement("summary", { textContent: title }),
    createElement("div", { className: "flags" }, ...fields.map(createField)),
  );
}

function fill(values) {
  for (const field of allFields()) {
    const value = values[field.name];
    if (value === undefined) continue;
    if (field.type === "bool") inputOf(field).checked = value === true || value === "true";
    else inputOf(field).value = value;
  }
  update();
}

function changedValues() {
  const initial = initialValues();
  const changed = allFields().filter(
    (field) => String(readValue(field)) !== String(initial[field.name]),
  );
  return Object.fromEntries(changed.map((field) => [field.name, String(readValue(field))]));
}

/** Marks changed fields, and shows the command line after a pause. */
function update() {
  const changed = changedValues();
  for (const { name } of allFields()) {
    byId(`field-${name}`).classList.toggle("changed", name in changed);
  }
  clearTimeout(timer);
  timer = setTimeout(showCommandLine, 250);
}

const readForm = () => ({
  name: byId("name").value.trim(),
  experiment: byId("experiment").value,
  flagfile: byId("flagfile").value,
  flags: changedValues(),
});

async function showCommandLine() {
  const line = byId("line");
  try {
    line.textContent = (await request("/api/command_line", readForm())).line;
    line.classList.remove("warned");
  } catch (error) {
    line.textContent = error.message;
    line.classList.add("warned");
  }
}

function search() {
  const words = byId("find").value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const { name, text } of allFields()) {
    const searched = `${name.replaceAll("_", " ")} ${name} ${text}`.toLowerCase();
    byId(`field-${name}`).hidden = !words.every((word) => searched.includes(word));
  }
  if (!words.length) return;
  for (const group of document.querySelectorAll("#fields details")) group.open = true;
}

/** Suggests a name that no run has. */
async function suggestName() {
  if (isNamed) return;
  const { runs } = await request("/api/runs");
  const taken = new Set(runs.map((summary) => summary.name));
  const stem = byId("flagfile").value || byId("experiment").value;
  const numbered = (i) => (i > 1 ? `${stem}_${i}` : stem);
  let i = 1;
  while (taken.has(numbered(i))) i += 1;
  byId("name").value = numbered(i);
  update();
}

async function choose(experiment, flagfile) {
  command = await request(`/api/experiment/${encodeURIComponent(experiment)}`);
  byId("about").textContent = command.doc.split("\n\n")[0].replaceAll("\n", " ");
  const files = Object.keys(command.flagfiles);
  const defaults = createOption("", "the defaults (a GPU)");
  byId("flagfile").replaceChildren(defaults, ...files.map((file) => createOption(file)));
  const quick = files.find((file) => file.endsWith("_quick"));
  byId("flagfile").value = flagfile ?? quick ?? "";
  byId("fields").replaceChildren(...command.groups.map(createGroup));
  fill({ ...initialValues(), ...copied });
  search();
  await suggestName();
}

async function start() {
  const experiments = await request("/api/experiments");
  const options = Object.entries(experiments).map(([name, title]) =>
    createElement("option", { value: name, textContent: name, title }),
  );
  byId("experiment").replaceChildren(...options);
  let experiment = experiments.morpho ? "morpho" : Object.keys(experiments)[0];
  let flagfile;
  const copy = new URLSearchParams(location.search).get("copy");
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

async function dryRun() {
  const place = byId("output");
  place.hidden = false;
  place.textContent = "checking, which reads the data too ...";
  try {
    const { code, output } = await request("/api/dry_run", readForm());
    const verdicts = { 0: "It would train.", 2: "It would be refused:" };
    place.textContent = `${verdicts[code] ?? `It failed (code ${code}):`}\n\n${output}`;
  } catch (error) {
    place.hidden = true;
    throw error;
  }
  place.scrollIntoView({ block: "nearest" });
}

async function launch() {
  const { name } = await request("/api/launch", readForm());
  location.href = `/run/${encodePath(name)}`;
}

byId("experiment").addEventListener("change", (event) => {
  copied = {};
  attempt(() => choose(event.target.value));
});
byId("flagfile").addEventListener("change", () => {
  copied = {};
  fill(initialValues());
  attempt(suggestName);
});
byId("name").addEventListener("input", () => {
  isNamed = byId("name").value !== "";
  update();
});
byId("fields").addEventListener("input", update);
byId("find").addEventListener("input", search);
byId("dry").addEventListener("click", (event) => attempt(dryRun, event.target));
byId("form").addEventListener("submit", (event) => {
  event.preventDefault();
  attempt(launch, event.submitter);
});
attempt(start);
