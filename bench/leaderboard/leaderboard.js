
"use strict";
// Without this script the page shows everything, but cannot filter it.
(function () {
  const form = document.getElementById("filters");
  const status = document.getElementById("status");
  const all = (selector, root) => Array.from((root || document).querySelectorAll(selector));

  function apply() {
    const value = (name) => (form.elements[name] ? form.elements[name].value : "");
    const strict = form.elements.strict.checked;
    const fits = (element, name) => !value(name) || element.dataset[name] === value(name);
    for (const element of all("[data-strict]")) {
      const kind = !("kind" in element.dataset) || "base" in element.dataset || fits(element, "kind");
      element.hidden = (strict && element.dataset.strict === "no") || !kind;
    }
    for (const section of all("section.setting")) {
      const rows = all("tbody tr", section);
      section.hidden = !fits(section, "dataset") || !fits(section, "annotation") || rows.every((row) => row.hidden);
      document.querySelector('nav.contents a[href="#' + section.id + '"]').parentElement.hidden = section.hidden;
    }
    const rows = all("section.setting tbody tr");
    const shown = rows.filter((row) => !row.closest("[hidden]"));
    status.textContent = shown.length + " of " + rows.length + " rows";
  }

  if (!form) return;
  form.addEventListener("input", apply);
  form.addEventListener("reset", () => setTimeout(apply, 0));
  form.addEventListener("submit", (event) => event.preventDefault());
  window.addEventListener("beforeprint", () => all("details").forEach((element) => { element.open = true; }));
  form.hidden = false;
  apply();
})();
