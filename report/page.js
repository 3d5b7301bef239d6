"use strict";
// The page works without this: it adds tabs, sorting, filters, quick tooltips and copying.

const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const said = document.getElementById("said");

// Tabs: one matrix at a time; a link into another one opens it.
const chapters = all("article");
const tabs = all("nav.tabs a[data-chapter]");
function open(key) {
  for (const chapter of chapters) chapter.hidden = chapter.id !== key;
  for (const tab of tabs) tab.ariaCurrent = tab.dataset.chapter === key ? "true" : null;
}
function follow() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  const chapter = target && target.closest("article");
  if (chapter) open(chapter.id);
  else if (!location.hash) open(chapters[0]?.id);
  else if (!chapters.some((one) => !one.hidden) || chapters.every((one) => !one.hidden)) open(chapters[0]?.id);
  if (!target) return;
  for (let up = target; up; up = up.parentElement) if (up.tagName === "DETAILS") up.open = true;
  target.scrollIntoView();
}
addEventListener("hashchange", follow);
follow();

// Sorting: a header sorts one way, then the other, then as it was. What has no value stays last.
const value = (row, place) => {
  let column = 0;
  for (const cell of row.cells) {
    if (column === place) return cell.querySelector("summary")?.textContent ?? cell.textContent;
    column += cell.colSpan;
  }
  return "";
};
const amount = (text) => {
  const sign = text.includes("∞") ? (text.includes("-∞") ? -Infinity : Infinity) : NaN;
  const found = text.replace("−", "-").match(/[-+]?\d*\.?\d+(?:e[-+]?\d+)?/i);
  return Number.isNaN(sign) ? (found ? Number(found[0]) : NaN) : sign;
};
for (const table of all("table.sortable")) {
  const body = table.tBodies[0];
  const first = [...body.rows];
  table.tHead.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    const head = button.closest("th");
    const now = { ascending: "descending", descending: "none" }[head.ariaSort] ?? "ascending";
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    const words = head.classList.contains("t");
    let rows = first;
    if (now !== "none") {
      head.ariaSort = now;
      const way = now === "ascending" ? 1 : -1;
      const keyed = first.map((row) => {
        const text = value(row, head.cellIndex).trim();
        const key = words ? text.toLowerCase() : amount(text);
        return { row, key, empty: words ? text === "" : Number.isNaN(key) };
      });
      keyed.sort((a, b) => a.empty - b.empty || (a.empty ? 0 : a.key < b.key ? -way : a.key > b.key ? way : 0));
      rows = keyed.map((one) => one.row);
    }
    body.append(...rows);
    said.textContent = now === "none" ? "in the order of rank" : `sorted by ${button.textContent}, ${now}`;
  });
}

// Filters: one task's table, and the rows of some techniques.
for (const board of all(".leaderboard")) {
  const [tools, task, find] = [".tools", ".task", ".find"].map((name) => board.querySelector(name));
  const rows = all("tbody tr", board).map((row) => ({ row, text: row.textContent.toLowerCase() }));
  const groups = all(".group", board);
  const apply = () => {
    const words = find.value.toLowerCase().split(/[\s,/]+/).filter(Boolean);
    for (const group of groups) group.hidden = task.value !== "" && group.dataset.group !== task.value;
    let shown = 0;
    for (const { row, text } of rows) {
      row.hidden = !words.every((word) => text.includes(word));
      shown += !row.hidden && !row.closest(".group").hidden;
    }
    tools.querySelector(".count").textContent = words.length || task.value ? `${shown} rows` : "";
  };
  task.addEventListener("change", apply);
  find.addEventListener("input", apply);
  tools.hidden = false;
}

// Tooltips: the titles in the figures, at once, for what is under or near the pointer.
const tip = document.getElementById("tip");
const NEAR = [[0, 0], [3, 0], [-3, 0], [0, 3], [0, -3], [6, 0], [-6, 0], [0, 6], [0, -6]];
function titled(x, y) {
  for (const [dx, dy] of NEAR) {
    for (let up = document.elementFromPoint(x + dx, y + dy); up && up.tagName !== "svg"; up = up.parentElement) {
      const title = up.querySelector?.(":scope > title");
      if (title) {
        up.dataset.tip = title.textContent;
        title.remove(); // or the browser would show it a second time
      }
      if (up.dataset?.tip) return up.dataset.tip;
    }
  }
  return "";
}
for (const figure of all("figure")) {
  const move = (event) => {
    const text = titled(event.clientX, event.clientY);
    tip.hidden = !text;
    if (!text) return;
    tip.textContent = text;
    const left = Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8);
    const below = event.clientY + 18 + tip.offsetHeight < innerHeight;
    tip.style.left = `${Math.max(left, 4)}px`;
    tip.style.top = `${below ? event.clientY + 18 : event.clientY - tip.offsetHeight - 10}px`;
  };
  figure.addEventListener("pointermove", move);
  figure.addEventListener("pointerdown", move);
  figure.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && (tip.hidden = true));
}
addEventListener("keydown", (event) => event.key === "Escape" && (tip.hidden = true));
addEventListener("scroll", () => (tip.hidden = true), { passive: true });

// Copying, where the browser lets a file do it.
for (const button of all(".copy")) {
  const code = button.parentElement.querySelector("code");
  button.hidden = false;
  button.setAttribute("aria-label", `copy ${code.textContent}`);
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(code.textContent);
      said.textContent = "copied";
    } catch {
      getSelection().selectAllChildren(code);
      said.textContent = "selected: copy it with the keyboard";
    }
    button.textContent = said.textContent === "copied" ? "copied" : "selected";
  });
}
