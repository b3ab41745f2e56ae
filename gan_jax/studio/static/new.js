import { ask, attempt, byId, encoded, make, say } from "./common.js";

const query = new URLSearchParams(location.search);
let known = null, timer = null, copied = {}, named = false;

const fields = () => known.groups.flatMap((group) => group.fields);
const begins = () => ({ ...Object.fromEntries(fields().map((f) => [f.name, f.default])), ...known.flagfiles[byId("flagfile").value] });
const input = (f) => byId(`flag-${f.name}`);
const read = (f) => (f.type === "bool" ? input(f).checked : input(f).value);

function field(f) {
  const shared = { id: `flag-${f.name}`, "aria-describedby": `text-${f.name}` };
  let control;
  if (f.type === "bool") control = make("input", { ...shared, type: "checkbox" });
  else if (f.choices.length) control = make("select", shared, ...f.choices.map((c) => make("option", { value: c, textContent: c })));
  else if (f.type === "str") control = make("input", { ...shared, type: "text", maxLength: 500, autocomplete: "off", spellcheck: false });
  else {
    control = make("input", { ...shared, type: "number", step: f.type === "int" ? "1" : "any", required: true });
    if (f.low !== null) control.min = f.low;
    if (f.high !== null) control.max = f.high;
  }
  const bounds = [f.low !== null && `at least ${f.low}`, f.above !== null && `above ${f.above}`, f.high !== null && f.high < 2 ** 31 - 2 && `at most ${f.high}`].filter(Boolean).join(", ");
  return make("label", { className: "flag", id: `field-${f.name}` }, make("b", { textContent: f.name }), control, make("span", { id: `text-${f.name}`, textContent: f.text + (bounds ? ` (${bounds})` : "") }));
}

function fill(values) {
  for (const f of fields()) {
    const value = values[f.name];
    if (value === undefined) continue;
    if (f.type === "bool") input(f).checked = value === true || value === "true";
    else input(f).value = value;
  }
  changed();
}

function differing() {
  const from = begins();
  return Object.fromEntries(fields().filter((f) => String(read(f)) !== String(from[f.name])).map((f) => [f.name, String(read(f))]));
}

function changed() {
  const now = differing();
  for (const f of fields()) byId(`field-${f.name}`).classList.toggle("changed", f.name in now);
  clearTimeout(timer);
  timer = setTimeout(line, 250);
}

const form = () => ({ name: byId("name").value.trim(), experiment: byId("experiment").value, flagfile: byId("flagfile").value, flags: differing() });

async function line() {
  try {
    byId("line").textContent = (await ask("/api/line", form())).line;
    byId("line").classList.remove("warned");
  } catch (error) {
    byId("line").textContent = error.message;
    byId("line").classList.add("warned");
  }
}

function search() {
  const words = byId("find").value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const f of fields()) byId(`field-${f.name}`).hidden = !words.every((w) => `${f.name.replaceAll("_", " ")} ${f.name} ${f.text}`.toLowerCase().includes(w));
  for (const group of document.querySelectorAll("#fields details")) if (words.length) group.open = true;
}

async function suggest() {
  if (named) return;
  const { runs } = await ask("/api/runs"), taken = new Set(runs.map((r) => r.name)), stem = byId("flagfile").value || byId("experiment").value;
  let i = 1;
  while (taken.has(i > 1 ? `${stem}_${i}` : stem)) i += 1;
  byId("name").value = i > 1 ? `${stem}_${i}` : stem;
  changed();
}

async function choose(experiment, flagfile) {
  known = await ask(`/api/experiment/${encodeURIComponent(experiment)}`);
  byId("about").textContent = known.doc.split("\n\n")[0].replaceAll("\n", " ");
  const files = Object.keys(known.flagfiles);
  byId("flagfile").replaceChildren(make("option", { value: "", textContent: "the defaults (a GPU)" }), ...files.map((f) => make("option", { value: f, textContent: f })));
  byId("flagfile").value = flagfile ?? files.find((f) => f.endsWith("_quick")) ?? "";
  byId("fields").replaceChildren(...known.groups.map((group, i) => make("details", { open: i === 0 }, make("summary", { textContent: group.title }), make("div", { className: "flags" }, ...group.fields.map(field)))));
  fill({ ...begins(), ...copied });
  search();
  await suggest();
}

async function start() {
  const names = await ask("/api/experiments");
  byId("experiment").replaceChildren(...Object.entries(names).map(([n, text]) => make("option", { value: n, textContent: n, title: text })));
  let experiment = names.morpho ? "morpho" : Object.keys(names)[0], flagfile;
  const copy = query.get("copy");
  if (copy) {
    const { config } = await ask(`/api/run/${encoded(copy)}`);
    if (config && config.experiment in names) {
      experiment = config.experiment;
      copied = { ...config.run, ...config.hp };
      flagfile = "";
      say(`The flags are those of ${copy}.`);
    } else say(`The configuration of ${copy} cannot be read, so this form begins anew.`, true);
  }
  byId("experiment").value = experiment;
  await choose(experiment, flagfile);
}

byId("experiment").addEventListener("change", (event) => { copied = {}; attempt(() => choose(event.target.value)); });
byId("flagfile").addEventListener("change", () => { copied = {}; fill(begins()); attempt(suggest); });
byId("name").addEventListener("input", () => { named = byId("name").value !== ""; changed(); });
byId("fields").addEventListener("input", changed);
byId("find").addEventListener("input", search);
byId("dry").addEventListener("click", (event) => attempt(async () => {
  const place = byId("said");
  place.hidden = false;
  place.textContent = "checking, which reads the data too ...";
  try {
    const { code, said } = await ask("/api/dry", form());
    place.textContent = `${code === 0 ? "It would train." : code === 2 ? "It would be refused:" : `It failed (code ${code}):`}\n\n${said}`;
  } catch (error) {
    place.hidden = true;
    throw error;
  }
  place.scrollIntoView({ block: "nearest" });
}, event.target));
byId("form").addEventListener("submit", (event) => {
  event.preventDefault();
  attempt(async () => {
    const { name } = await ask("/api/launch", form());
    location.href = `/run/${encoded(name)}`;
  }, event.submitter);
});
attempt(start);
