// The note that is typed while talking: one key saves it, and who may be meant appears while somebody types.
"use strict";
(() => {
  const form = document.getElementById("note");
  const meant = document.getElementById("meant");
  if (!form || !meant) return;
  const wait = 250;
  let timer = 0;
  let asked = 0;

  document.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      form.requestSubmit();
    }
  });
  let sent = false;
  form.addEventListener("submit", (event) => {
    if (sent) event.preventDefault();
    sent = true;
  });
  window.addEventListener("pageshow", () => { sent = false; });

  const made = (name, text, parent) => {
    const one = document.createElement(name);
    one.textContent = text;
    if (parent) parent.append(one);
    return one;
  };

  const choice = (value, text, checked) => {
    const label = document.createElement("label");
    label.className = "check";
    const radio = document.createElement("input");
    radio.type = "radio";
    radio.name = "continues";
    radio.value = value;
    radio.checked = checked;
    label.append(radio, ` ${text}`);
    return label;
  };

  const take = (person) => {
    for (const name of ["name", "company", "email", "phone", "language"]) {
      const field = form.elements[name];
      if (field && person[name] && !(name === "phone" && field.value)) field.value = person[name];
    }
    meant.replaceChildren();
    const list = made("ul", "", meant);
    list.className = "files";
    made("li", "", list).append(choice("", form.dataset.new, true));
    for (const row of person.records) {
      made("li", "", list).append(choice(row.reference, `${row.reference} · ${row.state} · ${row.at} · ${row.subject}`, false));
    }
    form.elements.text.focus();
  };

  const show = (people) => {
    meant.replaceChildren();
    for (const person of people) {
      const button = made("button", "", meant);
      button.type = "button";
      button.className = "meant";
      made("strong", person.name || "–", button);
      made("span", ` ${[person.company, person.phone, person.email].filter(Boolean).join(" · ")}`, button).className = "hint";
      const latest = person.records[0];
      if (latest) made("span", ` ${latest.reference} ${latest.state}`, button).className = "hint";
      button.addEventListener("click", () => take(person));
    }
  };

  const look = async (words) => {
    const mine = ++asked;
    if (words.trim().length < 2) {
      meant.replaceChildren();
      return;
    }
    try {
      const body = new URLSearchParams({ q: words, channel: form.dataset.channel, csrf: form.elements.csrf.value });
      const answer = await fetch("/desk/note/people", { method: "POST", body, redirect: "error" });
      if (answer.ok && mine === asked) show((await answer.json()).people);
    } catch (_) { /* the note can be saved without it */ }
  };

  for (const name of ["phone", "name", "email"]) {
    const field = form.elements[name];
    field.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(() => look(field.value), wait);
    });
    field.addEventListener("keydown", (event) => {
      const first = meant.querySelector("button");
      if (event.key === "ArrowDown" && first) {
        event.preventDefault();
        first.focus();
      }
    });
  }
  meant.addEventListener("keydown", (event) => {
    if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
    const all = [...meant.querySelectorAll("button")];
    const next = all[all.indexOf(document.activeElement) + (event.key === "ArrowDown" ? 1 : -1)];
    if (all.length) {
      event.preventDefault();
      (next || form.elements.phone).focus();
    }
  });
  if (form.elements.phone.value) look(form.elements.phone.value);
})();
