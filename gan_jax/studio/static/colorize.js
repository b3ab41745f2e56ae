// The page Colorize: uploads an image and shows it gray, coloured and original.
import {
  attempt,
  byId,
  createElement,
  encodePath,
  fillRunSelect,
  readResponse,
  saveFile,
  showMessage,
} from "./common.js";

const MAX_BYTES = 20 * 2 ** 20;
const CAPTIONS = ["gray", "coloured", "original"];
let isBusy = false;

async function colorize(file) {
  if (file.size > MAX_BYTES) {
    throw new Error("The picture is larger than 20 MB; use a smaller one.");
  }
  showMessage("Colouring; the first picture takes some seconds, while the run is loaded ...");
  const response = await fetch(`/api/colorize/${encodePath(byId("run").value)}`, {
    method: "POST",
    headers: { "Content-Type": "application/octet-stream" },
    body: file,
  });
  const { images } = await readResponse(response);
  showMessage("");
  byId("three").hidden = false;
  const figure = (src, i) =>
    createElement(
      "figure",
      {},
      createElement("img", { src, alt: `${CAPTIONS[i]} picture` }),
      createElement(
        "figcaption",
        {},
        `${CAPTIONS[i]} `,
        createElement("button", {
          type: "button",
          textContent: "Save",
          "aria-label": `save the ${CAPTIONS[i]} picture`,
          onclick: (event) => attempt(() => save(src, file.name, CAPTIONS[i]), event.target),
        }),
      ),
    );
  byId("three").replaceChildren(...images.map(figure));
  byId("three").scrollIntoView({ block: "nearest" });
}

/** Saves one of the pictures under the name of the one that was uploaded. */
async function save(address, name, kind) {
  const bytes = Uint8Array.from(atob(address.split(",")[1]), (c) => c.charCodeAt(0));
  const stem = name.replace(/\.[^.]*$/, "") || "picture";
  saveFile(new Blob([bytes], { type: "image/png" }), `${stem}_${kind}.png`);
}

function send(file) {
  if (!file || isBusy) return;
  isBusy = true;
  attempt(() => colorize(file)).finally(() => {
    isBusy = false;
  });
}

const drop = byId("drop");
for (const type of ["dragover", "dragenter"]) {
  drop.addEventListener(type, (event) => {
    event.preventDefault();
    drop.classList.add("over");
  });
}
for (const type of ["dragleave", "drop"]) {
  drop.addEventListener(type, () => drop.classList.remove("over"));
}
drop.addEventListener("drop", (event) => {
  event.preventDefault();
  send(event.dataTransfer.files[0]);
});
byId("file").addEventListener("change", (event) => {
  send(event.target.files[0]);
  event.target.value = "";
});
attempt(async () => {
  const canColorize = (summary) => summary.experiment === "colorize" && summary.step > 0;
  const preferred = new URLSearchParams(location.search).get("run");
  if ((await fillRunSelect(byId("run"), canColorize, preferred)) !== null) return;
  drop.hidden = true;
  byId("run").closest("label").hidden = true;
  showMessage("No run of colorize has a checkpoint yet; launch one with the method colorize.");
});
