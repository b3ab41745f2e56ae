// Shared by the pages: elements by their id, and the manifest of the exported folder.

export const $ = (id) => document.getElementById(id);

/** Returns manifest.json. Throws an Error with the reason that the server gives. */
export async function loadManifest() {
  const response = await fetch("manifest.json");
  const manifest = await response.json().catch(() => ({}));
  if (!response.ok) {
    const missing = "this folder has no manifest.json, which gan-jax export --page writes.";
    throw new Error(manifest.error ?? missing);
  }
  return manifest;
}
