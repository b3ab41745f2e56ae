// A lesson: beside its text, those parts of the live page that it is about (data-parts), set as it says (data-toy).

const place = document.querySelector("[data-toy]"), parts = new Set(place.dataset.parts.split(" "));
const page = new DOMParser().parseFromString(await (await fetch("index.html")).text(), "text/html");
for (const part of page.querySelectorAll("[data-part]")) part.classList.toggle("aside", !parts.has(part.dataset.part));
place.replaceChildren(...page.querySelector("main").children);
await import("./live.js");
