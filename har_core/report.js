// Draws the figures that stand in the page as JSON, and links the matrix with the list of clips. Nothing is fetched.
"use strict";
for (const place of document.querySelectorAll(".plot")) {
  const figure = JSON.parse(document.getElementById(`${place.id}-figure`).textContent);
  figure.layout.width = undefined;
  const settings = { displayModeBar: false, responsive: true, plotlyServerURL: "", topojsonURL: "" };
  Plotly.newPlot(place, figure.data, figure.layout, settings).then(() => place.classList.add("drawn"));
}

const rows = [...document.querySelectorAll("#clips tbody tr")];
const told = document.getElementById("which");
function choose(cell) {
  let shown = 0;
  for (const row of rows) {
    row.hidden = Boolean(cell) && !(row.dataset.action === cell[0] && row.dataset.said === cell[1]);
    shown += row.hidden ? 0 : 1;
  }
  told.textContent = cell ? `${cell[0]} ${cell[0] === cell[1] ? "recognised" : `taken for ${cell[1]}`}: ${shown}` : told.dataset.all;
  document.getElementById("all").hidden = !cell;
}
document.getElementById("all")?.addEventListener("click", () => choose(null));
for (const place of document.querySelectorAll(".matrix")) {
  place.on("plotly_click", (event) => {
    const cell = event.points.map((point) => point.customdata).find(Array.isArray);
    if (!cell) return;
    choose(cell);
    document.getElementById("clips").scrollIntoView({ block: "nearest" });
  });
}
for (const button of document.querySelectorAll("[data-shows]")) {
  button.addEventListener("click", () => {
    for (const other of button.parentElement.children) {
      other.setAttribute("aria-pressed", String(other === button));
      document.getElementById(other.dataset.shows).hidden = other !== button;
    }
    Plotly.Plots.resize(document.getElementById(button.dataset.shows));
  });
}
window.addEventListener("beforeprint", () => {
  for (const place of document.querySelectorAll(".plot:not([hidden])")) Plotly.Plots.resize(place);
});
