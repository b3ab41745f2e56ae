import { answer, ask, attempt, byId, make, say } from "./common.js";

const wanted = new URLSearchParams(location.search).getAll("run");

async function show() {
  const names = [...byId("runs").querySelectorAll("input:checked")].map((tick) => tick.value);
  const query = new URLSearchParams(names.map((name) => ["run", name]));
  history.replaceState(null, "", `/compare?${query}`);
  say("Comparing ...");
  byId("page").hidden = true;
  await answer(await fetch(`/compared?${query}`)); // so that a refusal is shown as one
  say("");
  byId("page").src = `/compared?${query}`;
  byId("page").hidden = false;
}

byId("form").addEventListener("submit", (event) => { event.preventDefault(); attempt(show, event.submitter); });
attempt(async () => {
  const { runs } = await ask("/api/runs");
  const some = runs.filter((run) => run.steps);
  byId("runs").replaceChildren(...some.map((run) => make("label", {}, make("input", { type: "checkbox", value: run.name, checked: wanted.includes(run.name) }), `${run.name} (${run.experiment}, ${run.health})`)));
  byId("choice").open = wanted.length < 2;
  if (wanted.length > 1) await show();
});
