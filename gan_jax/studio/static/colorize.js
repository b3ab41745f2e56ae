import { answer, attempt, byId, encoded, make, runsInto, say } from "./common.js";

const LIMIT = 20 * 2 ** 20, NAMES = ["gray", "coloured", "original"];
let busy = false;

function send(file) {
  if (!file || busy) return;
  busy = true;
  attempt(async () => {
    if (file.size > LIMIT) throw new Error("The picture is larger than 20 MB; use a smaller one.");
    say("Colouring; the first picture takes some seconds, while the run is loaded ...");
    const response = await fetch(`/api/colorize/${encoded(byId("run").value)}`, { method: "POST", headers: { "Content-Type": "application/octet-stream" }, body: file });
    const { images } = await answer(response);
    say("");
    byId("three").hidden = false;
    byId("three").replaceChildren(...images.map((src, i) => make("figure", {}, make("img", { src, alt: `${NAMES[i]} picture` }), make("figcaption", { textContent: NAMES[i] }))));
  }).finally(() => { busy = false; });
}

const drop = byId("drop");
for (const kind of ["dragover", "dragenter"]) drop.addEventListener(kind, (event) => { event.preventDefault(); drop.classList.add("over"); });
for (const kind of ["dragleave", "drop"]) drop.addEventListener(kind, () => drop.classList.remove("over"));
drop.addEventListener("drop", (event) => { event.preventDefault(); send(event.dataTransfer.files[0]); });
byId("file").addEventListener("change", (event) => { send(event.target.files[0]); event.target.value = ""; });
attempt(async () => {
  const run = await runsInto(byId("run"), (r) => r.experiment === "colorize" && r.step > 0, new URLSearchParams(location.search).get("run"));
  if (run !== null) return;
  drop.hidden = true;
  say("No run of colorize has a checkpoint yet; launch one with the method colorize.");
});
