// Title, tags, notes, archive and bin of one run or sweep.
import { attempt, byId, createElement, deleteRuns, request, showDone } from "./common.js";

let shown = { title: "", tags: [], archived: false, notes: "" };

/** Shows what people say of a run. */
export function showNotes(name, { title, tags, archived }, notes = shown.notes) {
  const isSame = JSON.stringify(shown) === JSON.stringify({ title, tags, archived, notes });
  byId("title").textContent = title || name;
  byId("path").textContent = title ? name : "";
  const chip = (textContent) => createElement("span", { className: "tag", textContent });
  byId("tags").replaceChildren(...tags.map(chip), ...(archived ? [chip("archived")] : []));
  byId("note-text").textContent = notes;
  byId("note-text").hidden = !notes;
  byId("archive").textContent = archived ? "Unarchive" : "Archive";
  if (isSame) return;
  shown = { title, tags, archived, notes };
  byId("note-title").value = title;
  byId("note-tags").value = tags.join(", ");
  byId("notes").value = notes;
}

/** Lets people change them. */
export function prepareNotes(name) {
  const change = (changes) => request("/api/notes", { names: [name], changes });
  byId("notes-form").addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(async () => {
      const title = byId("note-title").value.trim();
      const tags = byId("note-tags").value.split(",").map((tag) => tag.trim()).filter(Boolean);
      const notes = byId("notes").value;
      await change({ title, tags, notes });
      showNotes(name, { title, tags, archived: shown.archived }, notes);
      byId("describe").open = false;
      showDone("Saved.");
    }, event.submitter);
  });
  byId("archive").addEventListener("click", (event) =>
    attempt(async () => {
      await change({ archived: !shown.archived });
      showNotes(name, { ...shown, archived: !shown.archived });
      const where = "The list of runs shows it under “archived”.";
      showDone(shown.archived ? `Archived. ${where}` : "No longer archived.");
    }, event.target),
  );
  byId("delete").addEventListener("click", (event) =>
    attempt(
      () =>
        deleteRuns([name], (isBack) => {
          for (const id of ["panels", "main-actions", "jump"]) {
            if (byId(id)) byId(id).hidden = !isBack;
          }
        }),
      event.target,
    ),
  );
}
