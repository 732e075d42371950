// Filters and the order of the grid. Without scripts everything is shown, by name.
"use strict";
(() => {
  const rows = [...document.querySelectorAll("tr.cell")];
  const bodies = [...document.querySelectorAll("tbody")];
  const search = document.getElementById("search");
  const flaky = document.getElementById("flaky");
  const order = document.getElementById("order");
  const count = document.getElementById("count");
  const words = [...document.querySelectorAll(".word")];

  function filter() {
    const text = search.value.trim().toLowerCase();
    const wanted = new Set(words.filter((box) => box.checked).map((box) => box.value));
    let shown = 0;
    for (const row of rows) {
      const fits = row.dataset.text.includes(text) && row.dataset.words.split("|").some((word) => wanted.has(word))
        && (!flaky.checked || row.dataset.flaky === "yes");
      row.hidden = !fits;
      shown += fits;
    }
    for (const body of bodies) body.hidden = !body.querySelector("tr.cell:not([hidden])");
    count.textContent = `${shown} of ${rows.length}`;
  }

  // Slowest first: within each theme, and the theme with the slowest first.
  function sort() {
    const byTime = order.value === "time";
    const time = (row) => Number(row.dataset.time);
    const key = new Map(rows.map((row, number) => [row, byTime ? -time(row) : number]));
    const least = (body) => Math.min(...[...body.querySelectorAll("tr.cell")].map((row) => key.get(row)));
    for (const body of bodies)
      body.append(...[...body.querySelectorAll("tr.cell")].sort((one, other) => key.get(one) - key.get(other)));
    const table = document.querySelector("table");
    table.append(...[...bodies].sort((one, other) => least(one) - least(other)));
  }

  for (const one of [search, flaky, ...words]) one.addEventListener("input", filter);
  order.addEventListener("input", sort);
  document.querySelector(".filters").hidden = false;
  filter();
})();
