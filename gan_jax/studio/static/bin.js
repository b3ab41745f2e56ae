// The page Bin: what was deleted, and the way back.
import {
  attempt, byId, createElement, encodePath, formatAge, formatBytes, request, showMessage,
} from "./common.js";

async function restore(key) {
  const { name, message } = await request("/api/restore", { key });
  await load();
  const open = () => {
    location.href = `/run/${encodePath(name)}`;
  };
  showMessage(message, false, { text: "Open", run: open });
}

function createRow({ key, name, deleted, bytes }) {
  const onclick = (event) => attempt(() => restore(key), event.target);
  const cells = [
    name,
    `deleted ${formatAge(deleted)}`,
    formatBytes(bytes),
    createElement("button", { textContent: "Restore", "aria-label": `restore ${name}`, onclick }),
  ];
  return createElement("tr", {}, ...cells.map((cell) => createElement("td", {}, cell)));
}

async function load() {
  const { entries, folder } = await request("/api/bin");
  byId("folder").textContent = folder;
  const total = entries.reduce((sum, { bytes }) => sum + bytes, 0);
  byId("facts").textContent = entries.length
    ? `${entries.length} deleted, ${formatBytes(total)} together.`
    : "It is empty.";
  byId("entries").replaceChildren(...entries.map(createRow));
}

attempt(load);
