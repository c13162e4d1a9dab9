// What the maps of all pages have: their scale bar, and pointers on them.
function showScale(metres, room) { // metres of a pixel, and the pixels that the bar may have
  const bar = document.getElementById("scale");
  let length = 1;
  for (let ten = 1; ten < 1e7; ten *= 10) for (const n of [1, 2, 5]) if ((n * ten) / metres <= room) length = n * ten;
  bar.firstElementChild.textContent = length >= 1000 ? `${length / 1000} km` : `${length} m`;
  bar.lastElementChild.style.width = `${length / metres}px`;
}
function positionIn(stage, event) {
  const box = stage.getBoundingClientRect();
  return [event.clientX - box.left, event.clientY - box.top];
}
function pinch(touching, event, before, now) { // of two pointers: how much further apart they are, and the middle between them
  const [other] = [...touching].filter(([id]) => id !== event.pointerId).map(([, place]) => place);
  const apart = (place) => Math.hypot(place[0] - other[0], place[1] - other[1]) || 1;
  return [apart(now) / apart(before), (now[0] + other[0]) / 2, (now[1] + other[1]) / 2];
}
