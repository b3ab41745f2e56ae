// What the folder holds that can be trained, or why there is nothing.

/** manifest.json. Throws an Error with the reason that the server gives. */
export async function described() {
  const response = await fetch("manifest.json");
  const found = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(found.error ?? "this folder has no manifest.json, which experiments.export --page writes.");
  return found;
}
