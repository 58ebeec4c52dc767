// A record's page: keeps the draft while somebody writes, and shows who else is here and that it has changed.
"use strict";
(() => {
  const page = document.getElementById("attending");
  if (!page) return;
  const text = document.getElementById("text");
  const kept = document.getElementById("draft-kept");
  const every = Number(page.dataset.every) * 1000;
  const pause = 1500;
  let said = text ? text.value : "";
  let timer = 0;
  let leaving = false;

  const show = (told) => {
    const others = document.getElementById("others");
    others.hidden = told.others.length === 0;
    others.querySelector("strong").textContent = told.others.join(", ");
    document.getElementById("changed").hidden = told.state === page.dataset.state;
  };

  const tell = async () => {
    if (leaving) return;
    const body = new URLSearchParams({ csrf: page.dataset.csrf });
    const now = text ? text.value : "";
    const fresh = text && now !== said;
    if (fresh) body.set("text", now);
    try {
      const answer = await fetch(page.dataset.here, { method: "POST", body });
      if (!answer.ok) return;
      if (fresh) {
        said = now;
        if (kept) kept.hidden = now.trim() === "";
      }
      show(await answer.json());
    } catch {
      // The next time will do: nothing is lost but this telling.
    }
  };

  if (text) {
    text.addEventListener("input", () => {
      if (kept) kept.hidden = true;
      clearTimeout(timer);
      timer = setTimeout(tell, pause);
    });
    // What is sent is no draft any more.
    text.form.addEventListener("submit", () => { leaving = true; clearTimeout(timer); });
    window.addEventListener("pageshow", () => { leaving = false; });
  }
  setInterval(tell, every);
})();
