"use strict";
const search = document.getElementById("search");
const menu = document.getElementById("menu");
const entries = [...document.querySelectorAll(".entry")];
const links = [...document.querySelectorAll("nav li")];

function filter() {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  const shown = new Set();
  for (const entry of entries) {
    const text = entry.dataset.text.toLowerCase();
    entry.hidden = !words.every((word) => text.includes(word));
    if (!entry.hidden) shown.add(entry.id);
  }
  for (const link of links) link.hidden = !shown.has(link.dataset.find);
  for (const part of document.querySelectorAll(".part")) {
    part.hidden = words.length > 0 && !part.querySelector(".entry:not([hidden])");
  }
  for (const group of document.querySelectorAll(".group")) {
    group.hidden = words.length > 0 && !group.querySelector("li:not([hidden])");
  }
  document.getElementById("nothing").hidden = shown.size > 0;
}

function unfold() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target || !target.classList.contains("entry")) return;
  if (target.hidden) { search.value = ""; filter(); }
  target.open = true;
  target.scrollIntoView();
}

const narrow = window.matchMedia("(max-width: 60rem)");
menu.open = !narrow.matches;
narrow.addEventListener("change", () => { menu.open = !narrow.matches; });
search.addEventListener("input", filter);
window.addEventListener("hashchange", unfold);
window.addEventListener("keydown", (event) => {
  if (event.key === "/" && document.activeElement !== search) { event.preventDefault(); search.focus(); }
});
unfold();
