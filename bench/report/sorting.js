
"use strict";
// Headings of tables of the class "sortable" sort their rows, by data-value where cells have one, "" last.
(function () {
  function sort(head) {
    const table = head.closest("table");
    const down = head.getAttribute("aria-sort") !== "descending";
    for (const other of table.querySelectorAll("thead th")) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const body = table.tBodies[0];
    const cellOf = (row) => {
      let left = head.cellIndex;
      return Array.from(row.cells).find((cell) => (left -= cell.colSpan) < 0);
    };
    const key = (row) => {
      const cell = cellOf(row);
      if (!("value" in cell.dataset)) return cell.textContent.trim();
      return cell.dataset.value === "" ? null : Number(cell.dataset.value);
    };
    const rows = Array.from(body.rows).map((row) => [key(row), row]);
    rows.sort((a, b) => {
      if (a[0] === null || b[0] === null) return (a[0] === null) - (b[0] === null);
      const order = typeof a[0] === "number" ? a[0] - b[0] : a[0].localeCompare(b[0], "en", { numeric: true });
      return down ? -order : order;
    });
    for (const [, row] of rows) body.append(row);
  }

  for (const head of document.querySelectorAll("table.sortable thead th")) {
    head.tabIndex = 0;
    head.addEventListener("click", () => sort(head));
    head.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === " ") { event.preventDefault(); sort(head); }
    });
  }
})();
