// The page of a network that stands: looks again and again for what has come, and leaves alone what is there already.
"use strict";
(() => {
  const status = document.getElementById("live");
  const timeline = document.querySelector(".timeline");
  const MOST_OFTEN_MS = 1000;
  let version = "";
  let known = []; // each row as it came, without what the replay has marked since

  function replaceRows(list, fresh) {
    const came = fresh.map((row) => row.outerHTML);
    let same = 0;
    while (same < known.length && same < came.length && known[same] === came[same]) same++;
    for (const row of [...list.children].slice(same)) row.remove();
    list.append(...fresh.slice(same));
    known = came;
  }

  function replaceTimeline(fresh) {
    const list = timeline.querySelector("ol");
    const lanes = timeline.querySelector(".lanes");
    const next = fresh.querySelector(".lanes");
    if (list && lanes && next && lanes.outerHTML === next.outerHTML) {
      replaceRows(list, [...fresh.querySelectorAll(".row")]);
      return;
    }
    timeline.className = fresh.className;
    known = [...fresh.querySelectorAll(".row")].map((row) => row.outerHTML);
    timeline.replaceChildren(...fresh.childNodes);
  }

  function replaceFilters(fresh) {
    const filters = document.querySelector(".filters");
    const inputs = (set) => [...set.querySelectorAll("input")];
    const before = new Map(inputs(filters).map((input) => [input.id, input.checked]));
    if (inputs(fresh).every((input) => before.has(input.id))) return;
    for (const input of inputs(fresh)) input.checked = before.get(input.id) ?? input.checked;
    filters.replaceChildren(...fresh.childNodes);
  }

  function replaceNotes(fresh) {
    document.querySelector("header .facts").replaceWith(fresh.querySelector("header .facts"));
    document.querySelector(".story > .soft")?.remove();
    const note = fresh.querySelector(".story > .soft");
    if (note) document.querySelector(".story").append(note);
  }

  async function look() {
    const began = performance.now();
    try {
      const answer = await fetch("/", { headers: { "If-None-Match": version }, cache: "no-store" });
      if (answer.status === 200) {
        version = answer.headers.get("ETag") ?? "";
        const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
        replaceFilters(fresh.querySelector(".filters"));
        replaceTimeline(fresh.querySelector(".timeline"));
        replaceNotes(fresh);
        document.dispatchEvent(new Event("rows-changed"));
      } else if (answer.status !== 304) throw new Error(answer.statusText);
    } catch {
      status.textContent = "The network is gone; this is the last of it.";
      return;
    }
    status.textContent = "Live: packets appear as they come.";
    setTimeout(look, Math.max(MOST_OFTEN_MS, 2 * (performance.now() - began)));
  }

  look();
})();
