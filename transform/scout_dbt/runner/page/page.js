"use strict";
{
  const field = document.querySelector("header input"), results = document.querySelector("#results");
  const MOST = 200;
  const entry = (href, name, text) => {
    const item = document.createElement("li"), link = document.createElement("a");
    link.href = href;
    link.textContent = name;
    item.append(link, " ", text);
    return item;
  };
  const search = () => {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    results.hidden = !words.length;
    results.replaceChildren();
    if (!words.length) return;
    const fits = text => words.every(word => text.toLowerCase().includes(word));
    let found = 0;
    const add = (element, name, text) => {
      if (fits(`${name} ${text}`) && found++ < MOST) {
        results.append(entry(`#${element.id.split("/").map(encodeURIComponent).join("/")}`, name, text));
      }
    };
    for (const section of document.querySelectorAll("section")) {
      const table = section.querySelector("h2").textContent;
      add(section, table, section.querySelector("p").textContent);
      for (const row of section.querySelectorAll("tbody tr")) {
        add(row, `${table}.${row.cells[0].firstChild.data}`, row.cells[2].textContent);
      }
    }
    const last = document.createElement("li");
    last.textContent = found > MOST ? `${found - MOST} more: type more words` : `${found} found`;
    results.append(last);
  };
  const close = () => {
    field.value = "";
    search();
  };
  field.hidden = false;
  field.addEventListener("input", search);
  addEventListener("hashchange", () => {
    close();
    const shown = document.querySelector(":target");
    if (shown) {
      shown.tabIndex = -1;
      shown.focus({ preventScroll: true });
    }
  });
  results.addEventListener("click", event => event.target.closest("a") && close());
  addEventListener("keydown", event => {
    if (event.key === "/" && !event.target.matches("input")) {
      event.preventDefault();
      field.focus();
    } else if (event.key === "Escape" && field.value) {
      close();
      field.focus();
    }
  });
  for (const code of document.querySelectorAll("pre")) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "Copy";
    button.addEventListener("click", async () => {
      getSelection().selectAllChildren(code);
      try {
        await navigator.clipboard.writeText(code.textContent);
      } catch {
        document.execCommand("copy");
      }
      button.textContent = "Copied";
    });
    code.after(button);
  }
}
