// A form of a command's flags: basic ones first, the others folded, errors beside their field.
import { byId, createElement, createOption } from "./common.js";

const MAX_INT = 2 ** 31 - 2; // bounds from here on are not worth telling

/** The name of the flag that a refusal is about, "" if it names none. */
export function flagOf(message, names) {
  const found = [...message.matchAll(/--(?:no)?([a-z]\w*)/g)].map((match) => match[1]);
  return found.find((name) => names.includes(name)) ?? "";
}

/** The fields of a command, in a place of the page. */
export class FlagForm {
  /** place: element that the fields fill. onchange: called when a value has changed. */
  constructor(place, onchange) {
    Object.assign(this, { place, onchange, command: null, flagfile: "", elements: {} });
    place.addEventListener("input", (event) => {
      this.clearError(event.target.closest(".flag"));
      this.mark();
      onchange();
    });
  }

  get fields() {
    return this.command.groups.flatMap((group) => group.fields);
  }

  input(name) {
    return byId(`flag-${name}`);
  }

  /** Shows the fields of a command. basic: names of flags that come first, in order. */
  show(command) {
    this.command = command;
    this.elements = Object.fromEntries(this.fields.map((field) => [field.name, createField(field)]));
    this.basic = createElement("div", { className: "flags basic" });
    this.groups = command.groups.map(({ title }) => {
      const flags = createElement("div", { className: "flags" });
      const summary = createElement("summary");
      const details = createElement("details", {}, summary, flags);
      return { title, flags, summary, details };
    });
    this.place.replaceChildren(this.basic, ...this.groups.map(({ details }) => details));
    this.arrange([]);
  }

  /** Values before anything is changed: defaults, then those of the flagfile. */
  initialValues() {
    return {
      ...Object.fromEntries(this.fields.map((field) => [field.name, field.default])),
      ...this.command.flagfiles[this.flagfile],
    };
  }

  /** Begins with a flagfile; values: {flag: value} on top of it. */
  begin(flagfile, values = {}) {
    this.flagfile = flagfile;
    const own = this.command.flagfiles[flagfile] ?? {};
    this.arrange(Object.keys(own));
    this.fill({ ...this.initialValues(), ...values });
  }

  /** Puts basic flags, and those that the flagfile sets, first; the others into their groups. */
  arrange(set) {
    const isBasic = (name) => this.command.basic.includes(name) || set.includes(name);
    const order = [...this.command.basic, ...set];
    const first = [...new Set(order)].filter((name) => name in this.elements && isBasic(name));
    this.basic.replaceChildren(...first.map((name) => this.elements[name]));
    this.groups.forEach(({ title, flags, summary, details }, i) => {
      const rest = this.command.groups[i].fields.filter(({ name }) => !first.includes(name));
      flags.replaceChildren(...rest.map(({ name }) => this.elements[name]));
      summary.textContent = `${title}: ${rest.length} more setting${rest.length === 1 ? "" : "s"}`;
      details.hidden = !rest.length;
      details.open = !first.length;
    });
  }

  fill(values) {
    for (const { name, type } of this.fields) {
      const value = values[name];
      if (value === undefined) continue;
      const input = this.input(name);
      if (type === "bool") input.checked = value === true || value === "true";
      else if (type === "tuple") input.value = "";
      else input.value = value;
    }
    this.clearErrors();
    this.mark();
    this.onchange();
  }

  read({ name, type }) {
    return type === "bool" ? this.input(name).checked : this.input(name).value;
  }

  /** {flag: text} of what differs from the beginning. */
  changedValues() {
    const initial = this.initialValues();
    const isChanged = (field) =>
      field.type === "tuple"
        ? this.read(field).trim() !== ""
        : String(this.read(field)) !== String(initial[field.name]);
    const changed = this.fields.filter(isChanged);
    return Object.fromEntries(changed.map((field) => [field.name, String(this.read(field))]));
  }

  mark() {
    const changed = this.changedValues();
    for (const { name } of this.fields) {
      this.elements[name].classList.toggle("changed", name in changed);
    }
  }

  /** Shows the fields that a search finds; all of them without words. */
  search(text) {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    for (const field of this.fields) {
      const searched = `${field.name.replaceAll("_", " ")} ${field.name} ${field.text}`;
      const isFound = words.every((word) => searched.toLowerCase().includes(word));
      this.elements[field.name].hidden = !isFound;
    }
    if (words.length) for (const { details } of this.groups) details.open = true;
  }

  /** Shows a refusal beside the field that it names. Returns whether it names one. */
  showError(message, scroll = true) {
    this.clearErrors();
    const name = flagOf(message, Object.keys(this.elements));
    if (!name) return false;
    const element = this.elements[name];
    element.classList.add("refused");
    element.querySelector(".error").textContent = message;
    this.input(name).setAttribute("aria-invalid", "true");
    if (!scroll) return true;
    element.hidden = false;
    const details = element.closest("details");
    if (details) details.open = true;
    element.scrollIntoView({ block: "center" });
    this.input(name).focus({ preventScroll: true });
    return true;
  }

  clearError(element) {
    if (!element?.classList.contains("refused")) return;
    element.classList.remove("refused");
    element.querySelector(".error").textContent = "";
    element.querySelector("[aria-invalid]")?.removeAttribute("aria-invalid");
  }

  clearErrors() {
    for (const element of Object.values(this.elements)) this.clearError(element);
  }
}

function createInput({ name, type, choices, low, high }) {
  const shared = { id: `flag-${name}`, "aria-describedby": `text-${name} error-${name}` };
  if (type === "bool") return createElement("input", { ...shared, type: "checkbox" });
  if (choices.length) {
    const option = (choice) => createOption(choice, choice === "" ? "(none)" : choice);
    return createElement("select", shared, ...choices.map(option));
  }
  if (type === "tuple") return createElement("textarea", { ...shared, rows: 2, maxLength: 500 });
  if (type === "str" || type === "size") {
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
    createElement("span", { id: `error-${name}`, className: "error", role: "alert" }),
    createElement("span", {
      id: `text-${name}`,
      textContent: text + (described ? ` (${described})` : ""),
    }),
  );
}

/** Cards of which one is chosen: where a form begins. entries: [{value, title, text, time}]. */
export function createChoices(name, entries, onchange) {
  return entries.map(({ value, title, text, time }) =>
    createElement(
      "label",
      { className: "choice card" },
      createElement("input", { type: "radio", name, value, onchange: () => onchange(value) }),
      createElement(
        "span",
        {},
        createElement("b", { textContent: title }),
        createElement("span", { className: "what", textContent: text }),
        time && createElement("span", { className: "soft", textContent: time }),
      ),
    ),
  );
}

/** The entries of a command's flagfiles for `createChoices`: quick ones first, then the defaults. */
export function flagfileEntries(command) {
  const rank = (file) => {
    if (file.endsWith("_quick")) return 0;
    return file.endsWith("_smoke") ? 2 : 1;
  };
  const files = Object.keys(command.flagfiles).sort((a, b) => rank(a) - rank(b));
  const entry = (file) => {
    const { summary = "", time = "" } = command.about[file] ?? {};
    return { value: file, title: file, text: summary, time };
  };
  const text = "No flagfile: what the command does by itself, at the size of the paper's nets.";
  return [
    ...files.map(entry),
    { value: "", title: "the defaults", text, time: "mostly for a GPU" },
  ];
}
