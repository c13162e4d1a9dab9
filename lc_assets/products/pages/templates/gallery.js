// The gallery: filter, order, and highlighting of a scene on the map and among the cards.
(() => {
"use strict";
const el = (id) => document.getElementById(id);
document.documentElement.classList.add("js");

const list = el("cards"), filter = el("filter"), order = el("order");
const cards = [...list.children].map((node, n) => ({
  node, n, time: Number(node.dataset.time), tile: node.dataset.tile, text: node.dataset.text, spot: node.dataset.spot,
  shares: new Map(node.dataset.shares.split(",").filter(Boolean).map((part) => part.split(":").map(Number))),
}));
const at = new Map();
for (const card of cards) at.has(card.spot) ? at.get(card.spot).push(card) : at.set(card.spot, [card]);
const spots = new Map([...document.querySelectorAll(".spot")].map((node) => [node.dataset.spot, node]));

const share = (card) => card.shares.get(Number(order.value)) || 0;
const by = {
  newest: (a, b) => b.time - a.time || a.n - b.n,
  oldest: (a, b) => a.time - b.time || a.n - b.n,
  tile: (a, b) => a.tile.localeCompare(b.tile) || b.time - a.time || a.n - b.n,
};
function show() {
  const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
  const fit = cards.filter((card) => words.every((word) => card.text.includes(word)));
  fit.sort(by[order.value] || ((a, b) => share(b) - share(a) || a.n - b.n));
  list.replaceChildren(...fit.map((card) => card.node)); // with thousands of cards this is much faster than hiding each
  const seen = new Set(fit.map((card) => card.spot));
  for (const [key, spot] of spots) spot.classList.toggle("out", !seen.has(key));
  count(fit.length);
}
function count(n) { el("count").textContent = n === cards.length ? `${n} shown` : `${n} of ${cards.length} shown`; }

function highlight(key) {
  for (const node of document.querySelectorAll(".lit")) node.classList.remove("lit");
  if (!key) return;
  spots.get(key)?.classList.add("lit");
  for (const card of at.get(key) || []) card.node.classList.add("lit");
}
const keyOf = (event) => event.target.closest?.("[data-spot]")?.dataset.spot;
for (const kind of ["mouseover", "focusin"]) document.addEventListener(kind, (event) => highlight(keyOf(event)));

// A marker of several scenes filters the cards; a marker of one scene is a plain link to it.
document.addEventListener("click", (event) => {
  const spot = event.target.closest?.(".spot");
  const found = spot && at.get(spot.dataset.spot);
  if (!found || found.length < 2) return;
  event.preventDefault();
  filter.value = found[0].tile || found[0].node.id.replace(/^scene-/, "");
  show();
  el("scenes").scrollIntoView();
});

let soon;
filter.addEventListener("input", () => { clearTimeout(soon); soon = setTimeout(show, 120); });
order.addEventListener("change", show);
if (filter.value || order.value !== "newest") show(); // the browser may restore the values of an earlier visit
else count(cards.length);
})();
