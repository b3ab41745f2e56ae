// What all pages share: asking the server, making elements, words for numbers. Text is only ever set as text.

export async function ask(path, given) {
  const options = given === undefined ? {} : { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(given) };
  return answer(await fetch(path, options).catch(() => { throw new Error("The studio does not answer; is it still running?"); }));
}

export async function answer(response) {
  const kind = response.headers.get("content-type") || "";
  if (!response.ok) {
    const found = kind.includes("json") ? await response.json() : {};
    throw new Error(found.error || `The studio answered with ${response.status}.`);
  }
  return kind.includes("json") ? response.json() : response.blob();
}

export function say(text, bad = false) {
  const place = document.getElementById("message");
  place.textContent = text;
  place.className = bad ? "bad" : "";
  place.hidden = !text;
}

// Runs an action and shows what goes wrong; a button is disabled meanwhile.
export async function attempt(action, button) {
  if (button) button.disabled = true;
  try {
    say("");
    return await action();
  } catch (error) {
    say(error.message, true);
  } finally {
    if (button) button.disabled = false;
  }
}

export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name in element && name !== "list") element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
  return element;
}

export const byId = (id) => document.getElementById(id);
export const encoded = (name) => name.split("/").map(encodeURIComponent).join("/");
export const ACTIVE = ["queued", "starting", "running"];
export const RESUMABLE = ["stopped", "refused", "crashed"];

export const resumeText = (run) => (run.step ? "Resume" : "Try again");

export function number(value) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (size >= 1e5 || (size > 0 && size < 1e-3)) return value.toExponential(2);
  return size >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(3)));
}

export const whole = (value) => value.toLocaleString("en");

export function clock(seconds) {
  if (seconds === null || seconds === undefined) return "";
  const s = Math.round(seconds), h = Math.floor(s / 3600), m = Math.floor(s / 60) % 60;
  if (s >= 86400) return `${Math.floor(s / 86400)} d ${h % 24} h`;
  return h ? `${h} h ${m} min` : m ? `${m} min ${s % 60} s` : `${s} s`;
}

export function ago(time) {
  const s = Date.now() / 1000 - time;
  if (!time) return "";
  return s < 90 ? "now" : s < 5400 ? `${Math.round(s / 60)} min ago` : s < 129600 ? `${Math.round(s / 3600)} h ago` : `${Math.round(s / 86400)} d ago`;
}

// Fills a <select> with runs that pass a test; returns the chosen name.
export async function runsInto(select, test, wanted) {
  const { runs } = await ask("/api/runs");
  const fit = runs.filter(test).sort((a, b) => b.changed - a.changed);
  select.replaceChildren(...fit.map((run) => make("option", { value: run.name, textContent: `${run.name} (${run.experiment} on ${run.data}, step ${whole(run.step)})` })));
  if (fit.some((run) => run.name === wanted)) select.value = wanted;
  return fit.length ? select.value : null;
}

export function download(blob, name) {
  const link = make("a", { href: URL.createObjectURL(blob), download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}
