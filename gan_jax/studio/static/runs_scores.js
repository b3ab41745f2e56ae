// The score that the page Runs shows: which, by what it is held, and how runs are sorted by it.
import { byId, createElement, createOption, formatInteger, formatNumber } from "./common.js";

let words = { scores: {}, better: {}, rows: {} }; // what the scores are called

export const scoreKey = () => byId("score").value;

/** A number by which runs are sorted: the best first. */
export function scoreRank(summary) {
  const value = summary.scores?.[scoreKey()];
  if (value === undefined) return Infinity;
  const { better } = words.scores[scoreKey()] ?? {};
  if (better === "real") return Math.abs(value - (summary.references.real?.[scoreKey()] ?? 0));
  return better === "high" ? -value : value;
}

/** known: what /api/captions says. */
export function setScoreWords(known) {
  words = known;
  byId("score").replaceChildren();
}

/** Offers the scores that runs have. */
export function fillScores(runs) {
  const select = byId("score");
  const present = new Set(runs.flatMap((summary) => Object.keys(summary.scores)));
  const known = Object.keys(words.scores).filter((key) => present.has(key));
  if (!known.length) known.push("frechet");
  const previous = select.value || localStorage.getItem("score");
  if (known.join() === [...select.options].map(({ value }) => value).join()) return;
  select.replaceChildren(
    ...known.map((key) => {
      const { title = key, better } = words.scores[key] ?? {};
      const arrow = { low: " ↓", high: " ↑" }[better] ?? "";
      return createOption(key, title + arrow);
    }),
  );
  select.value = known.includes(previous) ? previous : known[0];
  showScoreNote();
}

export function showScoreNote() {
  const { better } = words.scores[scoreKey()] ?? {};
  const { real = "real", untrained = "untrained" } = words.rows;
  byId("score-note").textContent = better
    ? `${words.better[better]}; below it ${real} and ${untrained}.`
    : "";
}

export function scoreCell({ scores, references, step, scored_step: scoredStep }) {
  const key = scoreKey();
  if (scores?.[key] === undefined) return [];
  const held = ["real", "untrained"]
    .filter((row) => references[row]?.[key] !== undefined)
    .map((row) => `${words.rows[row] ?? row} ${formatNumber(references[row][key])}`);
  const isOld = scoredStep !== null && scoredStep !== step;
  return [
    formatNumber(scores[key]),
    createElement("div", { className: "why", textContent: held.join(", ") }),
    isOld &&
      createElement("div", {
        className: "why",
        textContent: `of step ${formatInteger(scoredStep)}`,
      }),
  ];
}

