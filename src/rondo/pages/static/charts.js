// Draws the charts of a page. Expressions are interpreted, so that the page needs no right to evaluate code.
await import("/static/vega.js");
async function draw() {
  for (const place of document.querySelectorAll("[data-spec]:empty")) {
    const spec = JSON.parse(document.getElementById(place.dataset.spec).textContent);
    await window.vegaEmbed(place, spec, { renderer: "svg", actions: false, ast: true, defaultStyle: false, tooltip: false });
    place.querySelector("svg")?.setAttribute("aria-hidden", "true");
  }
  document.documentElement.dataset.drawn = "";
}
document.addEventListener("rondo:renewed", draw);
await draw();
