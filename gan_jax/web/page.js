// Shared by the pages: elements by their id, and the manifest of the exported folder.

export const $ = (id) => document.getElementById(id);

/** Why nothing can be trained: there is no export, or none of this version. */
export class MissingExport extends Error {}

/** Returns manifest.json. Throws a MissingExport with the reason that the server gives. */
export async function loadManifest() {
  const response = await fetch("manifest.json");
  const manifest = await response.json().catch(() => ({}));
  if (!response.ok) {
    const missing = "this folder has no manifest.json, which gan-jax export --page writes.";
    throw new MissingExport(manifest.error ?? missing, { cause: manifest.command });
  }
  return manifest;
}

/** Shows what has to be done in place of controls that would be dead. */
export function explainMissing(place, error) {
  document.body.classList.add("untrained");
  place.className = "missing";
  const [why] = error.message.split(error.cause ?? "\n");
  const parts = [`Nothing can be trained here yet: ${why.replace(/:\s*$/, ".")}`];
  if (error.cause) {
    const command = document.createElement("pre");
    command.textContent = error.cause;
    parts.push(" Type in a terminal:", command, "Then load this page again.");
  }
  place.replaceChildren(...parts);
  for (const link of document.querySelectorAll("[data-try]")) link.disabled = true;
}
