// What pages gain from a script: times in the reader's zone, parts that change by themselves, a grid to walk by keyboard.
// Every page reads the same without it. Nothing here builds markup from data: the server's own is put in place.
"use strict";

(() => {
  const body = document.body;
  const here = "en-GB";
  const forms = {
    clock: new Intl.DateTimeFormat(here, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" }),
    weekday: new Intl.DateTimeFormat(here, { weekday: "short" }),
    month: new Intl.DateTimeFormat(here, { month: "short" }),
    zone: new Intl.DateTimeFormat(here, { timeZoneName: "short" }),
  };

  // --- times ---------------------------------------------------------------------------------------------------

  // As `wording.span` says it.
  function span(seconds) {
    if (seconds < 60) return `${Math.max(0, Math.floor(seconds))} s`;
    if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
    return seconds < 48 * 3600 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86400)} d`;
  }

  function told(time) {
    const moment = new Date(time.dateTime);
    if (time.dataset.form === "ago") {
      const gone = (Date.now() - moment) / 1000;
      return gone < 45 ? "just now" : `${span(gone)} ago`;
    }
    const clock = forms.clock.format(moment);
    if (time.dataset.form === "clock") return clock;
    if (time.dataset.form === "weekday") return `${forms.weekday.format(moment)} ${clock}`;
    return `${forms.weekday.format(moment)} ${moment.getDate()} ${forms.month.format(moment)} ${clock}`;
  }

  function say(element, words) {
    if (element.textContent !== words) element.textContent = words;
  }

  function tell(root) {
    for (const time of root.querySelectorAll("time[data-form]")) {
      say(time, told(time));
      if (time.dataset.form === "ago") time.title = new Date(time.dateTime).toLocaleString(here);
    }
    const zone = forms.zone.formatToParts(new Date()).find((part) => part.type === "timeZoneName");
    for (const name of root.querySelectorAll(".zone")) say(name, zone ? zone.value : "");
  }

  // A logo that does not come leaves no broken picture behind.
  document.addEventListener("error", (event) => {
    if (event.target instanceof HTMLImageElement) event.target.remove();
  }, true);

  // --- parts that change ---------------------------------------------------------------------------------------

  const shown = new Map();

  function place(name, markup) {
    if (shown.get(name) === markup) return;
    shown.set(name, markup);
    const region = document.querySelector(`[data-region="${name}"]`);
    if (!region) return;
    const focused = region.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    region.innerHTML = markup;
    tell(region);
    if (focused !== null) region.querySelector(`[href="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
  }

  function listen(address) {
    const sign = document.getElementById("live");
    let source = null;
    let doubt = 0;

    function open() {
      if (source || document.hidden) return;
      source = new EventSource(address);
      source.onopen = () => {
        clearTimeout(doubt);
        say(sign, "Live");
      };
      source.onmessage = (event) => {
        const news = JSON.parse(event.data);
        for (const [name, markup] of Object.entries(news.regions)) place(name, markup);
        if (news.mark !== body.dataset.mark) moved(news.mark);
      };
      // A response ends by itself now and then, and the browser asks again: only a longer silence is worth a word.
      source.onerror = () => {
        clearTimeout(doubt);
        doubt = setTimeout(() => say(sign, "Not live: no answer"), 8000);
        if (source.readyState === EventSource.CLOSED) {
          close();
          setTimeout(open, 30000);
        }
      };
    }

    function close() {
      source?.close();
      source = null;
    }

    document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
    addEventListener("pagehide", close);
    addEventListener("pageshow", open);
    open();
  }

  // Another generation is served: the status page has its parts already, a grid has to be read anew.
  function moved(mark) {
    if (body.dataset.live === "status") {
      body.dataset.mark = mark;
      return;
    }
    if (document.getElementById("moved")) return;
    const notice = document.createElement("p");
    notice.id = "moved";
    notice.className = "notice warn";
    notice.setAttribute("role", "status");
    const again = document.createElement("a");
    again.href = location.href;
    again.textContent = "Show the new one";
    notice.append("The guide has changed. ", again);
    document.querySelector(".tools")?.after(notice);
  }

  // --- the grid ------------------------------------------------------------------------------------------------

  function walk(grid) {
    const rows = [...grid.tBodies[0].rows];
    const begin = Number(grid.dataset.begin);
    const end = Number(grid.dataset.end);
    grid.setAttribute("role", "grid");
    grid.closest(".scroller").removeAttribute("tabindex");
    for (const row of rows) row.cells[0].firstElementChild.tabIndex = -1;

    let current = null;
    let moment = Math.min(Math.max(Date.now() / 1000, begin), end - 1);

    const stops = (row) => [...row.querySelectorAll("a")];
    const middle = (link) =>
      (Math.max(Number(link.dataset.b), begin) + Math.min(Number(link.dataset.e), end)) / 2;

    function settle(link) {
      if (current) current.tabIndex = -1;
      current = link;
      current.tabIndex = 0;
    }

    function go(link) {
      if (!link) return;
      settle(link);
      link.focus({ preventScroll: true });
      (link.closest("td") ?? link.closest("tr")).scrollIntoView({ block: "nearest", inline: "nearest" });
    }

    // What is on at the remembered time in that row; the channel itself where nothing is.
    function inRow(row) {
      const links = stops(row);
      if (current.closest("th")) return links[0];
      return links.find((a) => Number(a.dataset.b) <= moment && moment < Number(a.dataset.e)) ?? links[0];
    }

    settle(stops(rows[0])[0]);

    grid.addEventListener("focusin", (event) => {
      const link = event.target.closest("a");
      if (link && link !== current) settle(link);
      if (link?.dataset.b && !(Number(link.dataset.b) <= moment && moment < Number(link.dataset.e))) {
        moment = middle(link);
      }
    });

    grid.addEventListener("keydown", (event) => {
      if (event.altKey || event.metaKey || event.shiftKey) return;
      const row = current.closest("tr");
      const at = rows.indexOf(row);
      const links = stops(row);
      const place = links.indexOf(current);
      const to = (index) => inRow(rows[Math.min(Math.max(index, 0), rows.length - 1)]);
      const whole = event.ctrlKey;
      const target = {
        ArrowRight: () => links[place + 1],
        ArrowLeft: () => links[place - 1],
        ArrowDown: () => to(at + 1),
        ArrowUp: () => to(at - 1),
        PageDown: () => to(at + 10),
        PageUp: () => to(at - 10),
        Home: () => (whole ? stops(rows[0])[0] : links[0]),
        End: () => (whole ? stops(rows.at(-1)).at(-1) : links.at(-1)),
      }[event.key];
      if (!target || (whole && event.key !== "Home" && event.key !== "End")) return;
      event.preventDefault();
      go(target());
    });
  }

  function move(grid) {
    const now = Date.now() / 1000;
    const begin = Number(grid.dataset.begin);
    const end = Number(grid.dataset.end);
    const line = document.querySelector(".line");
    if (line) {
      line.toggleAttribute("hidden", now < begin || now >= end);
      const mark = line.querySelector("line");
      for (const name of ["x1", "x2"]) mark.setAttribute(name, String(Math.round(now - begin)));
    }
    for (const link of grid.querySelectorAll("td > a")) {
      const on = Number(link.dataset.b) <= now && now < Number(link.dataset.e);
      link.parentElement.classList.toggle("now", on);
    }
  }

  // --- begin ---------------------------------------------------------------------------------------------------

  tell(document);
  setInterval(() => tell(document), 20000);
  if (body.dataset.events) listen(body.dataset.events);
  const grid = document.getElementById("grid");
  if (grid) {
    walk(grid);
    move(grid);
    setInterval(() => move(grid), 20000);
  }
  // The chosen DVR and day may lie outside of their strips.
  for (const strip of document.querySelectorAll(".dvrs, .days")) {
    const chosen = strip.querySelector("[aria-current]");
    if (chosen) strip.scrollLeft = chosen.offsetLeft - strip.offsetLeft - (strip.clientWidth - chosen.clientWidth) / 2;
  }
})();
