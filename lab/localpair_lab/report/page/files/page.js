// The replay: a slider over the timeline's rows, which the drawing follows. Without scripts the page is whole, but still.
"use strict";
(() => {
  const slider = document.getElementById("moment");
  if (!slider) return;
  let rows = [];
  const play = document.getElementById("play");
  const clock = document.getElementById("clock");
  const told = document.getElementById("told");
  const timeline = document.querySelector(".timeline");
  const drawings = [...document.querySelectorAll(".state")];
  const wires = [...document.querySelectorAll(".wire")];
  const machines = [...document.querySelectorAll("[data-node]")];
  let passed = 0;
  let timer = 0;

  const isShown = (row) => row.getClientRects().length > 0;

  function mark(count) {
    for (let i = Math.min(count, passed); i < Math.max(count, passed); i++) rows[i].classList.toggle("later", i >= count);
    rows[passed - 1]?.classList.remove("now");
    passed = count;
    rows[passed - 1]?.classList.add("now");
  }

  // What each machine last said by then.
  function sayings() {
    const last = new Map();
    for (const row of rows.slice(0, passed)) if (row.dataset.says) last.set(row.dataset.who, row.dataset.says);
    return last;
  }

  function draw(row) {
    const state = row?.dataset.state ?? "0";
    for (const drawing of drawings) drawing.hidden = drawing.dataset.state !== state;
    const ports = new Set((row?.dataset.ports ?? "").split(" "));
    const isLost = row?.classList.contains("is-lost") ?? false;
    for (const wire of wires) {
      const isPassed = ports.has(wire.dataset.port);
      wire.classList.toggle("carrying", isPassed && !isLost);
      wire.classList.toggle("lost", isPassed && isLost);
    }
    const last = sayings();
    for (const machine of machines) {
      const says = last.get(machine.dataset.node) ?? "";
      const line = machine.querySelector(".status");
      const most = Number(line?.dataset.most ?? 0);
      if (line) line.textContent = says.length > most ? `${says.slice(0, most - 1)}…` : says;
      machine.classList.toggle("speaking", Boolean(row?.dataset.says) && row.dataset.who === machine.dataset.node);
    }
  }

  // Rows out of sight have a height that is only guessed: what comes into sight may move the row, so look again in the next frames.
  function reveal(row, tries = 6) {
    if (!row || timeline.scrollHeight <= timeline.clientHeight) return;
    const below = row.getBoundingClientRect().top - timeline.getBoundingClientRect().top;
    if (below < 60 || below > timeline.clientHeight - 60) timeline.scrollTop += below - timeline.clientHeight / 2;
    if (tries) requestAnimationFrame(() => reveal(row, tries - 1));
  }

  function show(count) {
    mark(count);
    const row = rows[passed - 1];
    slider.value = passed;
    const words = row ? row.querySelector(".words").textContent : "before the first program starts";
    const at = row ? `${row.querySelector(".at").textContent} s` : "0 s";
    slider.setAttribute("aria-valuetext", `${at}, ${words}`);
    clock.textContent = at;
    told.textContent = words;
    draw(row);
  }

  // The next row on the way that no filter hides.
  function stepped(count, by) {
    while (count > 0 && count < rows.length && !isShown(rows[count - 1])) count += by;
    return count;
  }

  function pause() {
    clearTimeout(timer);
    timer = 0;
    play.textContent = "Play";
  }

  function tick() {
    if (passed >= rows.length) return pause();
    const before = Number(rows[passed - 1]?.dataset.at ?? 0);
    show(stepped(passed + 1, 1));
    reveal(rows[passed - 1]);
    const gap = (Number(rows[passed - 1].dataset.at) - before) * 1000;
    timer = setTimeout(tick, Math.min(700, Math.max(60, gap)));
  }

  // The rows as they stand in the document now. At the end of them, the slider stays there, with what has come since.
  function load() {
    const isAtEnd = passed >= rows.length;
    rows = [...document.querySelectorAll(".row")];
    slider.max = rows.length;
    passed = Math.min(passed, rows.length);
    rows.forEach((row, number) => row.classList.toggle("later", number >= passed));
    document.querySelector(".replay").hidden = !rows.length;
    if (!rows.length) return false;
    show(isAtEnd ? rows.length : passed);
    return isAtEnd;
  }

  slider.addEventListener("input", () => {
    pause();
    const wanted = Number(slider.value);
    show(stepped(wanted, wanted < passed ? -1 : 1));
    reveal(rows[passed - 1]);
  });
  play.addEventListener("click", () => {
    if (timer) return pause();
    if (passed >= rows.length) show(0);
    play.textContent = "Pause";
    tick();
  });
  timeline.addEventListener("click", (event) => {
    const number = rows.indexOf(event.target.closest(".row"));
    if (number >= 0) { pause(); show(number + 1); }
  });
  document.addEventListener("rows-changed", () => { if (load()) reveal(rows[passed - 1]); });
  load();
})();
