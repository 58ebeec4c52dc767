// Puts a button on the page that opens the chat:
//   <script src="https://forebay.example/chat.js" data-channel="chat" async></script>
(function () {
  "use strict";
  var facts = __FACTS__;
  var script = document.currentScript || document.querySelector('script[src*="/chat.js"]');
  var channel = (script && script.dataset.channel) || facts.channels[0];
  if (facts.channels.indexOf(channel) < 0 || document.getElementById("forebay-chat")) return;
  var chinese = (document.documentElement.lang || navigator.language || "").toLowerCase().indexOf("zh") === 0;
  var label = facts.open[chinese ? "zh-CN" : "en"];

  var frame = document.createElement("iframe");
  frame.id = "forebay-chat";
  frame.title = label;
  frame.hidden = true;
  frame.style.cssText = "border:0;position:fixed;right:1rem;bottom:5.5rem;z-index:2147483000;width:min(24rem,calc(100vw - 2rem));" +
    "height:min(38rem,calc(100vh - 7rem));border-radius:.9rem;box-shadow:0 8px 40px rgb(0 0 0 / .25);background:#fff;color-scheme:light dark";

  var button = document.createElement("button");
  button.type = "button";
  button.textContent = label;
  button.setAttribute("aria-expanded", "false");
  button.setAttribute("aria-controls", frame.id);
  button.style.cssText = "position:fixed;right:1rem;bottom:1rem;z-index:2147483000;font:600 1rem/1 system-ui,sans-serif;color:#fff;" +
    "background:#0b6b74;border:0;border-radius:2rem;padding:1.05rem 1.4rem;box-shadow:0 4px 20px rgb(0 0 0 / .25);cursor:pointer";

  var ready = false;  // the page in the frame listens

  function show(open) {
    // Loaded at the first opening: a page that nobody talks on asks us for nothing but this script.
    if (open && !frame.src) frame.src = facts.url + "/chat/" + encodeURIComponent(channel);
    frame.hidden = !open;
    button.setAttribute("aria-expanded", String(open));
    tell({ forebay: open ? "opened" : "closed" });
    if (open) mark(0); else button.focus();
  }
  function tell(what) {
    if (ready) frame.contentWindow.postMessage(what, facts.url);
  }
  function mark(unread) {
    button.textContent = unread ? label + " (" + unread + ")" : label;
  }
  button.addEventListener("click", function () { show(frame.hidden); });
  window.addEventListener("message", function (event) {
    if (event.origin !== new URL(facts.url).origin || event.source !== frame.contentWindow || !event.data) return;
    if (event.data.forebay === "ready") { ready = true; if (!frame.hidden) tell({ forebay: "opened" }); }
    if (event.data.forebay === "close") show(false);
    if (event.data.forebay === "unread" && frame.hidden) mark(Number(event.data.count) || 0);
  });
  document.body.append(button, frame);
})();
