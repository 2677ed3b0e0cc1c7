"use strict";
/* Three conveniences: filtering by operator and status, ordering, and buttons that copy. All else is HTML. */

for (const pre of document.querySelectorAll("pre[data-copy]")) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "copy";
  button.textContent = "Copy";
  button.setAttribute("aria-describedby", pre.id);
  button.addEventListener("click", async () => {
    const copied = await copy(pre);
    button.textContent = copied ? "Copied" : "Press Ctrl+C";
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  });
  pre.before(button);
}

/* The clipboard may be closed to pages opened from a file: then the old way, through a selection. */
async function copy(element) {
  try {
    await navigator.clipboard.writeText(element.textContent);
    return true;
  } catch {
    getSelection().selectAllChildren(element);
    return document.execCommand("copy");
  }
}

const form = document.getElementById("filter");
const text = document.getElementById("filter-op");
const status = document.getElementById("filter-status");
const said = document.getElementById("filtered");
const order = document.getElementById("filter-order");
const table = document.querySelector(".matrix");
const bodies = [...table.tBodies];
const families = new Map();  // from an operator's rows to its family's heading
for (const body of bodies) {
  families.set(body, body.dataset.op ? families.get(body.previousElementSibling) : body);
}
form.hidden = false;
order.addEventListener("input", () => {
  const by = {
    "": (a, b) => bodies.indexOf(a) - bodies.indexOf(b),
    name: (a, b) => (a.dataset.op ?? "").localeCompare(b.dataset.op ?? ""),
    worst: (a, b) => Number(b.dataset.worst ?? 0) - Number(a.dataset.worst ?? 0),
  };
  const foot = table.tFoot;
  for (const body of [...bodies].sort(by[order.value])) table.insertBefore(body, foot);
});
form.addEventListener("input", filter);
form.addEventListener("submit", (event) => event.preventDefault());

function filter() {
  const wanted = text.value.trim().toLowerCase();
  const named = (element) => element.dataset.op.toLowerCase().includes(wanted);
  const has = (element, selector) => !status.value || element.querySelector(selector) !== null;

  const rows = [...document.querySelectorAll(".matrix tbody[data-op]")];
  for (const row of rows) row.hidden = !(named(row) && has(row, `a.${status.value || "pass"}`));
  for (const family of document.querySelectorAll(".matrix .family")) {
    family.hidden = order.value !== "" || !rows.some((row) => families.get(row) === family && !row.hidden);
  }
  for (const link of document.querySelectorAll(".matrix td > a")) {
    link.parentElement.classList.toggle("dim", Boolean(status.value) && !link.classList.contains(status.value));
  }
  for (const article of document.querySelectorAll(".finding")) {
    article.hidden = Boolean(status.value) && article.dataset.status !== status.value;
  }
  for (const group of document.querySelectorAll(".finding-group")) {
    group.hidden = !named(group) || group.querySelector(".finding:not([hidden])") === null;
  }
  for (const section of document.querySelectorAll(".operator")) {
    const statuses = section.dataset.status.split(" ");
    section.hidden = !named(section) || Boolean(status.value) && !statuses.includes(status.value);
  }
  const left = rows.filter((row) => !row.hidden).length;
  said.textContent = left < rows.length || status.value ? `${left} of ${rows.length} operators shown` : "";
}
