// A lesson: parts of the live page (data-parts) beside its text, with its own settings (data-toy).

const place = document.querySelector("[data-toy]");
const parts = new Set(place.dataset.parts.split(" "));
const html = await (await fetch("index.html")).text();
const page = new DOMParser().parseFromString(html, "text/html");
for (const part of page.querySelectorAll("[data-part]")) {
  part.classList.toggle("aside", !parts.has(part.dataset.part));
}
place.replaceChildren(...page.querySelector("main").children);
await import("./live.js");
