"use strict";
// Tables that can be sorted: a click on a heading sorts by it, a second one turns the order round.
for (const table of document.querySelectorAll("table.sortable")) {
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, column) => {
    if (heading.classList.contains("plain")) return;
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    heading.append(button);
    button.addEventListener("click", () => sort(table, headings, column));
  });
}

function sort(table, headings, column) {
  const heading = headings[column];
  const numeric = heading.classList.contains("n");
  const before = heading.getAttribute("aria-sort");
  // Figures are looked at from the greatest down, names from A on.
  const order = before ? (before === "ascending" ? "descending" : "ascending") : numeric ? "descending" : "ascending";
  const sign = order === "ascending" ? 1 : -1;
  headings.forEach((other) => other.removeAttribute("aria-sort"));
  heading.setAttribute("aria-sort", order);
  const body = table.tBodies[0];
  const rows = [...body.rows].map((row, at) => ({ row, at, value: valueOf(row.cells[column], numeric) }));
  rows.sort((a, b) => sign * compare(a.value, b.value) || a.at - b.at);
  body.append(...rows.map((each) => each.row));
}

function valueOf(cell, numeric) {
  const text = cell.dataset.v ?? cell.textContent.trim();
  if (!numeric) return text;
  const value = parseFloat(text.replaceAll(",", ""));
  return Number.isNaN(value) ? -Infinity : value;
}

function compare(a, b) {
  return typeof a === "number" ? (a === b ? 0 : a < b ? -1 : 1) : a.localeCompare(b, "en", { numeric: true });
}

// How long ago it is now, whenever the page is looked at.
for (const place of document.querySelectorAll("[data-ago]")) {
  const minutes = Math.floor((Date.now() - Date.parse(place.dataset.ago)) / 60000);
  if (!(minutes > 0)) continue;
  const days = Math.floor(minutes / 1440), hours = Math.floor(minutes / 60);
  const [value, unit] = days > 2 ? [days, "day"] : hours > 1 ? [hours, "hour"] : [minutes, "minute"];
  place.textContent = `${value} ${unit}${value === 1 ? "" : "s"} before you opened this page`;
}

// On paper nothing can be unfolded.
let unfolded = [];
addEventListener("beforeprint", () => {
  unfolded = [...document.querySelectorAll("details:not([open])")];
  unfolded.forEach((each) => { each.open = true; });
});
addEventListener("afterprint", () => unfolded.forEach((each) => { each.open = false; }));
