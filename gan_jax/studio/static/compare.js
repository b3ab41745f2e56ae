// The page Compare: chooses runs and shows the page that compares them.
import { attempt, byId, createElement, readResponse, request, showMessage } from "./common.js";

const requested = new URLSearchParams(location.search).getAll("run");

async function show() {
  const names = [...byId("runs").querySelectorAll("input:checked")].map((box) => box.value);
  const query = new URLSearchParams(names.map((name) => ["run", name]));
  history.replaceState(null, "", `/compare?${query}`);
  showMessage("Comparing ...");
  byId("page").hidden = true;
  await readResponse(await fetch(`/comparison?${query}`)); // so that a refusal is shown as one
  showMessage("");
  byId("page").src = `/comparison?${query}`;
  byId("page").hidden = false;
  byId("page").scrollIntoView({ block: "start" });
}

function checkbox({ name, title, experiment, state }) {
  const checked = requested.includes(name);
  const input = createElement("input", { type: "checkbox", value: name, checked });
  return createElement("label", {}, input, `${title || name} (${experiment}, ${state})`);
}

byId("form").addEventListener("submit", (event) => {
  event.preventDefault();
  attempt(show, event.submitter);
});
attempt(async () => {
  const { runs } = await request("/api/runs");
  const isOffered = (summary) =>
    summary.steps && (!summary.archived || requested.includes(summary.name));
  byId("runs").replaceChildren(...runs.filter(isOffered).map(checkbox));
  byId("choice").open = requested.length < 2;
  if (requested.length > 1) await show();
});
