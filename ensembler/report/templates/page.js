"use strict";
(() => {
  const root = document.documentElement;
  const views = JSON.parse(document.getElementById("figures").textContent);
  const options = { displayModeBar: false, responsive: true };
  const drawn = new Set();
  let paper = false;

  // ---- colours -------------------------------------------------------------------------------------------------
  const systemDark = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme || (systemDark.matches ? "dark" : "light")) === "dark";
  const variable = (name) => getComputedStyle(root).getPropertyValue(name).trim();

  function resolved(value) {
    if (typeof value === "string") {
      return value.startsWith("var(") ? variable(value.slice(4, -1)) : value;
    }
    if (Array.isArray(value)) {
      // Long arrays are numbers; a step of a colour scale is a number and a colour.
      return typeof value[0] === "number" && typeof value[1] !== "string" ? value : value.map(resolved);
    }
    if (value && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, resolved(one)]));
    }
    return value;
  }

  // ---- figures -------------------------------------------------------------------------------------------------
  function axis(given) {
    const plain = {
      gridcolor: variable("--grid"), linecolor: variable("--edge"), zerolinecolor: variable("--muted"),
      tickfont: { size: 12 }, title: { font: { size: 12 }, standoff: 10 }, fixedrange: true, automargin: true,
    };
    return { ...plain, ...given, title: { ...plain.title, ...(given.title || {}) } };
  }

  function layoutOf(given, width) {
    const layout = {
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", margin: { l: 8, r: 12, t: 16, b: 44 },
      font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: variable("--ink") },
      hoverlabel: {
        bgcolor: variable("--surface"), bordercolor: variable("--edge"), align: "left", namelength: 0,
        font: { color: variable("--ink"), size: 12 },
      },
      legend: {
        orientation: "h", x: 0, xref: "container", y: 0, yref: "container", yanchor: "bottom", itemclick: false,
        itemdoubleclick: false, font: { size: 12 },
      },
      ...given,
    };
    for (const [key, value] of Object.entries(given)) {
      if (/^[xy]axis\d*$/.test(key)) layout[key] = axis(value);
    }
    if (width) Object.assign(layout, { width, autosize: false });
    return layout;
  }

  // What is made lower for paper has smaller names, so that they do not lie on one another.
  function shrink(layout, factor) {
    const small = { size: 9 };
    for (const [key, value] of Object.entries(layout)) {
      if (/^[xy]axis\d*$/.test(key)) {
        value.tickfont = key.startsWith("y") ? { size: Math.max(5, Math.floor(12 * factor)) } : small;
        value.title = { ...value.title, font: small };
      }
    }
    layout.legend = { ...layout.legend, font: small };
  }

  function named(traces, cells, narrow) {
    if (!cells) return traces;
    const [rows, columns] = cells;
    const hovertext = rows.map((row) => columns.map((column) => `${row}<br>${column}`));
    const crowded = narrow && rows.some((row) => row.length > 20);
    return traces.map((trace) => ({
      ...trace, hovertext, showscale: !narrow, texttemplate: crowded ? "" : trace.texttemplate,
    }));
  }

  function draw(figure) {
    const chosen = figure.querySelector("input:checked");
    const view = views[figure.dataset.figure][chosen ? Number(chosen.value) : 0];
    const plot = figure.querySelector(".plot");
    const narrow = !paper && plot.clientWidth < 560;
    const given = narrow && view.stacked ? view.stacked : view.layout;
    const summed = paper && root.dataset.print !== "all" && figure.dataset.printHeight;
    const height = summed ? Math.min(given.height, Number(figure.dataset.printHeight)) : given.height;
    plot.style.minHeight = `${height}px`;
    const layout = { ...layoutOf(resolved(given), paper ? 660 : 0), height };
    if (summed) shrink(layout, Math.min(0.75, height / given.height));
    drawn.add(figure);
    return Plotly.react(plot, named(resolved(view.data), view.cells, narrow), layout, options);
  }

  const figures = [...document.querySelectorAll("figure[data-figure]")];
  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (entry.isIntersecting) {
        seen.unobserve(entry.target);
        draw(entry.target);
      }
    }
  }, { rootMargin: "800px" });
  for (const figure of figures) {
    seen.observe(figure);
    figure.addEventListener("change", () => draw(figure));
  }

  // ---- theme and paper -----------------------------------------------------------------------------------------
  const button = document.getElementById("theme");
  function show() {
    button.textContent = isDark() ? "Light" : "Dark";
    drawn.forEach(draw);
  }
  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    show();
  });
  document.getElementById("print").addEventListener("click", () => {
    root.dataset.print = "all";
    print();
  });
  systemDark.addEventListener("change", show);
  button.textContent = isDark() ? "Light" : "Dark";

  let kept = null;
  addEventListener("beforeprint", () => {
    kept = { theme: root.dataset.theme, folded: [...document.querySelectorAll("details:not([open])")] };
    root.dataset.theme = "light";
    paper = true;
    kept.folded.forEach((one) => { one.open = true; });
    figures.filter((figure) => root.dataset.print === "all" || figure.dataset.printHeight).forEach(draw);
  });
  addEventListener("afterprint", () => {
    if (!kept) return;
    if (kept.theme) root.dataset.theme = kept.theme;
    else delete root.dataset.theme;
    delete root.dataset.print;
    paper = false;
    kept.folded.forEach((one) => { one.open = false; });
    kept = null;
    show();
  });

  // ---- words ---------------------------------------------------------------------------------------------------
  // Without this script a word has its title, which neither keys nor fingers reach.
  const tip = document.getElementById("tip");
  let shown = null;

  document.querySelectorAll("body [title]").forEach((one) => {
    one.dataset.tip = one.title;
    one.removeAttribute("title");
  });

  function explain(word) {
    if (shown === word) return;
    hush();
    shown = word;
    tip.textContent = word.dataset.tip;
    tip.hidden = false;
    word.setAttribute("aria-describedby", "tip");
    const place = word.getClientRects()[0] || word.getBoundingClientRect();
    const left = Math.min(place.left, document.documentElement.clientWidth - tip.offsetWidth - 8);
    const below = place.bottom + tip.offsetHeight + 8 < innerHeight;
    tip.style.left = `${Math.max(8, left) + scrollX}px`;
    tip.style.top = `${(below ? place.bottom + 4 : place.top - tip.offsetHeight - 4) + scrollY}px`;
  }

  function hush() {
    if (shown) shown.removeAttribute("aria-describedby");
    shown = null;
    tip.hidden = true;
  }

  const wordAt = (event) => event.target.closest && event.target.closest("[data-tip]");
  let finger = false;
  let before = null;
  addEventListener("pointerdown", (event) => {
    finger = event.pointerType !== "mouse";
    before = shown;
    if (finger && !wordAt(event)) hush();
  });
  document.addEventListener("mouseover", (event) => {
    if (tip.contains(event.target)) return;
    const word = wordAt(event);
    if (word) explain(word);
    else if (shown && shown !== document.activeElement) hush();
  });
  document.addEventListener("focusin", (event) => (wordAt(event) ? explain(wordAt(event)) : hush()));
  document.addEventListener("focusout", hush);
  document.addEventListener("click", (event) => {
    const word = wordAt(event);
    if (!word || !finger) return;
    // The first touch says what a word means, the next one goes to the glossary.
    if (word.matches("a") && before !== word) event.preventDefault();
    explain(word);
  });
  addEventListener("keydown", (event) => {
    if (event.key === "Escape") hush();
  });

  // ---- tables --------------------------------------------------------------------------------------------------
  const text = (row, column) => row.cells[column].textContent.trim();
  // A bound as "<.001" comes before the number itself; an interval is sorted by its lower end.
  const number = (told) =>
    parseFloat(told.replace(/[,<±\s]/g, "").replace("−", "-")) - (told.startsWith("<") ? 1e-9 : 0);

  function sort(table, head) {
    const column = head.cellIndex;
    const numeric = head.classList.contains("number");
    const was = head.getAttribute("aria-sort");
    const up = was ? was === "descending" : !numeric;
    table.querySelectorAll("thead th").forEach((one) => one.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    const body = table.tBodies[0];
    const rows = [...body.rows].map((row, place) => ({ row, place, told: text(row, column) }));
    const missing = (one) => (numeric ? Number.isNaN(number(one.told)) : one.told === "");
    const compare = (one, other) => (numeric ? number(one.told) - number(other.told) : one.told.localeCompare(other.told, undefined, { numeric: true }));
    rows.sort((one, other) => {
      if (missing(one) || missing(other)) return missing(one) - missing(other) || one.place - other.place;
      return (up ? 1 : -1) * compare(one, other) || one.place - other.place;
    });
    body.append(...rows.map((one) => one.row));
  }

  // A table that is wider than its card says so.
  const fits = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      target.closest(".panel").classList.toggle("scrolls", target.scrollWidth > target.clientWidth + 1);
    }
  });
  document.querySelectorAll(".panel .table").forEach((one) => fits.observe(one));

  document.querySelectorAll("thead button").forEach((one) => {
    one.addEventListener("click", () => sort(one.closest("table"), one.closest("th")));
  });

  document.querySelectorAll("input[data-table]").forEach((field) => {
    field.addEventListener("input", () => {
      const rows = [...document.getElementById(field.dataset.table).tBodies[0].rows];
      const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
      rows.forEach((row) => {
        const told = row.textContent.toLowerCase();
        row.hidden = !words.every((word) => told.includes(word));
      });
      const shown = rows.filter((row) => !row.hidden).length;
      field.parentElement.querySelector("[role=status]").textContent = words.length ? `${shown} of ${rows.length}` : "";
    });
  });
})();
