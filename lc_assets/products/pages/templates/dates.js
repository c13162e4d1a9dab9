// The slider over the dates of a season map: it puts the picture of a date into the viewer of report.js.
(() => {
"use strict";
const slider = document.getElementById("date"), layer = document.getElementById("layer-date"), shown = document.getElementById("date-shown");
const cards = [...document.querySelectorAll(".date")];
function show(n) {
  const card = cards[n], picture = card.querySelector("img"), title = card.dataset.title, sees = card.lastElementChild.textContent;
  slider.value = String(n);
  slider.setAttribute("aria-valuetext", `${title}, ${sees}, ${n + 1} of ${cards.length}`);
  shown.textContent = `${title}, ${sees}`;
  layer.src = picture.src;
  layer.alt = picture.alt;
  layer.dataset.title = title;
  cards.forEach((other, m) => other.setAttribute("aria-pressed", String(m === n)));
  layer.dispatchEvent(new Event("exchange"));
}
slider.addEventListener("input", () => show(Number(slider.value)));
cards.forEach((card, n) => card.addEventListener("click", () => show(n)));
show(0);
})();
