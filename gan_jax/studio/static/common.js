// Shared by all pages: requests, messages, elements, formatting. Text is only ever set as text.

/** Sends a GET request, or a POST request with a JSON body; returns the JSON value or Blob. */
export async function request(path, body) {
  const options =
    body === undefined
      ? {}
      : {
          method: "POST",
          headers: { "Content-Type": "application/json" },
          body: JSON.stringify(body),
        };
  const response = await fetch(path, options).catch(() => {
    throw new Error("The studio does not answer; is it still running?");
  });
  return readResponse(response);
}

/** Returns the JSON value or Blob of a response. Throws the server's message if it is an error. */
export async function readResponse(response) {
  const type = response.headers.get("content-type") || "";
  if (!response.ok) {
    const value = type.includes("json") ? await response.json() : {};
    throw new Error(value.error || `The studio answered with ${response.status}.`);
  }
  return type.includes("json") ? response.json() : response.blob();
}

const DONE_MS = 10000; // how long a message says that something was done
let doneTimer = null;

/** Says what was done, for a while: the page shows by itself what comes of it. */
export function showDone(text) {
  showMessage(text);
  doneTimer = setTimeout(() => showMessage(""), DONE_MS);
}

/** Shows a message; action: {text, run}, a button beside it. */
export function showMessage(text, isError = false, action = null) {
  clearTimeout(doneTimer);
  const message = byId("message");
  message.textContent = text;
  message.className = isError ? "bad" : "";
  message.hidden = !text;
  if (!action) return;
  const onclick = (event) => attempt(action.run, event.target);
  message.append(" ", createElement("button", { textContent: action.text, onclick }));
}

/** Runs an action and shows the message of its error; a button is disabled meanwhile. */
export async function attempt(action, button) {
  if (button) button.disabled = true;
  try {
    showMessage("");
    return await action();
  } catch (error) {
    showMessage(error.message, true);
  } finally {
    if (button) button.disabled = false;
  }
}

/** Creates an element. properties: properties, attributes, and listeners ("on" and the event). */
export function createElement(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name in element && name !== "list") element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => ![null, undefined, ""].includes(child)));
  return element;
}

export function createSvg(tag, attributes, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

export const createOption = (value, text = value) =>
  createElement("option", { value, textContent: text });

export const createRow = (...cells) =>
  createElement("tr", {}, ...cells.map((text) => createElement("td", { textContent: text })));

export const byId = (id) => document.getElementById(id);
export const encodePath = (name) => name.split("/").map(encodeURIComponent).join("/");
export const BUSY = ["starting", "running", "stopping", "ending"];
export const ACTIVE = ["queued", ...BUSY];
export const STOPPABLE = ["queued", "starting", "running"];
export const RESUMABLE = ["stopped", "refused", "crashed"];

/** Whether a SLURM job trains the run, or may still do so: then the cluster ends and resumes it. */
export const bySlurm = ({ cluster }) =>
  ["pending", "requeued", "running", "cancelling", "lost"].includes(cluster?.state);

export const resumeText = (summary) => (summary.step ? "Resume" : "Try again");

export function formatNumber(value) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (size >= 1e5 || (size > 0 && size < 1e-3)) return value.toExponential(2);
  return size >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(3)));
}

export const formatInteger = (value) => value.toLocaleString("en");

/** Formats seconds as a duration. */
export function formatDuration(seconds) {
  if (seconds === null || seconds === undefined) return "";
  const s = Math.round(seconds);
  const [hours, minutes] = [Math.floor(s / 3600), Math.floor(s / 60) % 60];
  if (s >= 86400) return `${Math.floor(s / 86400)} d ${hours % 24} h`;
  if (hours) return `${hours} h ${minutes} min`;
  return minutes ? `${minutes} min ${s % 60} s` : `${s} s`;
}

/** Formats the time since a moment, which is in seconds since the epoch. */
export function formatAge(moment) {
  if (!moment) return "";
  const s = Date.now() / 1000 - moment;
  if (s < 90) return "now";
  if (s < 5400) return `${Math.round(s / 60)} min ago`;
  return s < 129600 ? `${Math.round(s / 3600)} h ago` : `${Math.round(s / 86400)} d ago`;
}

export const formatBytes = (bytes) => {
  if (bytes < 1e6) return `${Math.ceil(bytes / 1e3)} kB`;
  return bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(2)} GB`;
};

/** The name that people gave a run, or else the path of its folder. */
export const titleOf = (summary) => summary.title || summary.name;

/** A --data spec with the last two parts of its path. */
export const shortData = (data) => data.replace(/:\/.+\/(?=[^/]+\/[^/]+\/?$)/, ":…/");

/** Moves runs into the bin, and offers to undo that. after: called when something has moved. */
export async function deleteRuns(names, after) {
  const { keys, message } = await request("/api/delete", { names });
  await after();
  const undo = async () => {
    for (const key of keys) await request("/api/restore", { key });
    await after(true);
    showDone(`Restored: ${names.join(", ")}`);
  };
  showMessage(message, false, { text: "Undo", run: undo });
}

/** Fills a <select> with the runs that pass a test; returns the selected name or null. */
export async function fillRunSelect(select, test, preferred) {
  const { runs } = await request("/api/runs");
  const isShown = (summary) => test(summary) && (!summary.archived || summary.name === preferred);
  const fitting = runs.filter(isShown).sort((a, b) => b.changed - a.changed);
  const label = (summary) =>
    `${titleOf(summary)} (${summary.experiment} on ${shortData(summary.data)}, step ` +
    `${formatInteger(summary.step)})`;
  select.replaceChildren(...fitting.map((summary) => createOption(summary.name, label(summary))));
  if (fitting.some((summary) => summary.name === preferred)) select.value = preferred;
  return fitting.length ? select.value : null;
}

/** Lets the browser save a Blob as a file. */
export function saveFile(blob, name) {
  const link = createElement("a", { href: URL.createObjectURL(blob), download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}
