
"use strict";
// Without this script the page shows everything, but cannot filter it.
(function () {
  const form = document.getElementById("filters");
  const status = document.getElementById("status");
  const all = (selector, root) => Array.from((root || document).querySelectorAll(selector));

  function apply() {
    const want = {};
    for (const field of all("select", form)) want[field.name] = field.value;
    const wanted = form.elements.recipe.value.trim().toLowerCase().split(/[\s,]+/).filter(Boolean);
    const fits = (element, name) => !want[name] || !(name in element.dataset) || element.dataset[name] === want[name];
    const matches = (element) => {
      const name = element.dataset.recipe.toLowerCase();
      return wanted.length === 0 || wanted.some((part) => name.includes(part));
    };
    const sections = all("[data-dataset]");
    for (const element of sections) {
      const budgets = all("table.main th[data-budget]", element).map((head) => head.dataset.budget);
      const lacks = budgets.length > 0 && want.budget && !budgets.includes(want.budget);
      element.hidden = lacks || !["dataset", "annotation", "schedule"].every((name) => fits(element, name));
    }
    for (const cell of all("th[data-budget], td[data-budget]")) cell.hidden = !fits(cell, "budget");
    for (const row of all("tr[data-recipe]")) {
      row.hidden = !fits(row, "budget") || !matches(row);
    }
    for (const mark of all("svg [data-recipe]")) mark.classList.toggle("other", !matches(mark));
    for (const figure of all("figure")) {
      const everyone = wanted.length > 0 && !figure.querySelector("svg [data-recipe]");
      const across = figure.closest("#together") !== null;
      const still = [
        everyone && "all recipes",
        want.budget && "all budgets",
        across && want.annotation && "all annotations",
        across && want.schedule && "all schedules",
      ].filter(Boolean);
      const note = figure.querySelector(".whole");
      note.hidden = still.length === 0;
      note.textContent = "Not filtered: this figure shows " + new Intl.ListFormat("en").format(still) + ".";
    }
    const together = document.getElementById("together");
    if (together) {
      together.hidden = all("figure", together).every((figure) => figure.hidden);
      document.querySelector('nav a[href="#together"]').parentElement.hidden = together.hidden;
    }
    const settings = all("section.setting");
    const shown = settings.filter((element) => !element.hidden);
    const rows = all("table.main tbody tr").filter((row) => !row.closest("[hidden]"));
    const whole = all("table.main tbody tr").length;
    status.textContent = shown.length + " of " + settings.length + " settings, " + rows.length + " of " + whole + " rows";
  }

  form.addEventListener("input", apply);
  form.addEventListener("reset", () => setTimeout(apply, 0));
  form.addEventListener("submit", (event) => event.preventDefault());
  window.addEventListener("beforeprint", () => all("details").forEach((element) => { element.open = true; }));
  form.hidden = false;
  apply();
})();
