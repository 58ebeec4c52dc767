// The conversation in the chat's page: says who the visitor is, sends, and shows what comes.
(function () {
  "use strict";
  var root = document.getElementById("talk");
  var facts = JSON.parse(root.dataset.facts);
  var words = facts.words;
  var here = "/chat/" + encodeURIComponent(facts.channel);
  var log = document.getElementById("log");
  var form = document.getElementById("say");
  var box = document.getElementById("message");
  var picker = document.getElementById("files");
  var picked = document.getElementById("picked");
  var note = document.getElementById("note");
  var framed = window.parent !== window;
  var known = {};       // ids of messages that stand in the log
  var newest = null;    // our last message, by the id of its delivery
  var unread = 0;
  var wait = 1000;
  var socket = null;

  function random() {
    return Array.from(crypto.getRandomValues(new Uint8Array(24)), function (n) { return n.toString(16).padStart(2, "0"); }).join("");
  }
  var secret = (function () {
    var name = "forebay-visitor-" + facts.channel;
    try {
      var kept = localStorage.getItem(name);
      if (!kept) localStorage.setItem(name, kept = random());
      return kept;
    } catch (error) {
      return random();  // a browser that keeps nothing for us: the conversation lasts as long as the page
    }
  })();

  function element(tag, className, text) {
    var made = document.createElement(tag);
    if (className) made.className = className;
    if (text) made.textContent = text;
    return made;
  }
  function bubble(from, text, files, at) {
    var item = element("li", "said " + from);
    item.append(element("span", "who", from === "office" ? words.office : words.you));
    if (text) item.append(element("div", "text", text));
    (files || []).forEach(function (file) {
      var link = element(file.url ? "a" : "span", "file", file.name + (file.size ? " · " + file.size : ""));
      if (file.url) { link.href = file.url; link.download = ""; link.rel = "noopener"; }
      item.append(link);
    });
    if (at) {
      var time = element("time", "", new Date(at).toLocaleString(document.documentElement.lang, { dateStyle: "short", timeStyle: "short" }));
      time.dateTime = at;
      item.append(time);
    }
    log.append(item);
    log.parentElement.scrollTop = log.parentElement.scrollHeight;
    return item;
  }
  function show(messages) {
    messages.forEach(function (one) {
      if (known[one.id]) return;
      known[one.id] = true;
      // What the visitor said stands there already when this page sent it.
      if (one.from === "visitor" && mine(one)) return;
      bubble(one.from, one.text, one.files, one.at);
      if (one.delivery) newest = one.delivery;
      if (one.from === "office" && !visible()) unread += 1;
    });
    seen();
  }
  var sent = [];        // what this page sent and has not yet found in what the server tells
  function mine(one) {
    var at = sent.indexOf(one.text);
    if (at >= 0) sent.splice(at, 1);
    return at >= 0;
  }
  var opened = !framed;
  function visible() { return opened && document.visibilityState === "visible"; }
  function seen() {
    if (visible()) {
      unread = 0;
      if (newest && socket && socket.readyState === 1) { socket.send(JSON.stringify({ seen: newest })); newest = null; }
    }
    if (framed) parent.postMessage({ forebay: "unread", count: unread }, "*");  // a number, nobody's words
  }

  // ---- what comes

  function connect() {
    socket = new WebSocket(location.origin.replace(/^http/, "ws") + here + "/live");
    socket.onopen = function () { socket.send(JSON.stringify({ visitor: secret })); };
    socket.onmessage = function (event) { wait = 1000; status(""); show(JSON.parse(event.data).messages); };
    socket.onclose = function () {
      status(words.offline);
      setTimeout(function () { look(); connect(); }, wait + Math.random() * 1000);
      wait = Math.min(wait * 2, 60000);
    };
  }
  function look() {
    return fetch(here + "/talk", { headers: { Authorization: "Bearer " + secret } })
      .then(function (answer) { return answer.ok ? answer.json() : { messages: [] }; })
      .then(function (told) { show(told.messages); }, function () {});
  }
  function status(text) { note.textContent = text; }

  // ---- what is said

  function send(parts, item) {
    var state = item.querySelector(".state") || item.appendChild(element("span", "state"));
    state.textContent = words.sending;
    var body = new FormData();
    Object.keys(parts.fields).forEach(function (name) { body.append(name, parts.fields[name]); });
    parts.files.forEach(function (file) { body.append("files", file, file.name); });
    fetch("/in/" + encodeURIComponent(facts.channel), {
      method: "POST", body: body, headers: { Authorization: "Bearer " + secret, "Idempotency-Key": parts.key }
    }).then(function (answer) {
      return answer.json().then(function (told) {
        if (answer.ok) {
          state.textContent = words.reference.replace("{reference}", told.reference);
          if (told.message && !known[told.message.id]) {
            known[told.message.id] = true;
            bubble("office", told.message.text);
          }
        } else if (answer.status === 429 || answer.status >= 500) again(parts, item, state);
        else state.textContent = words.refused + " " + (told.detail || "");
      });
    }).catch(function () { again(parts, item, state); });
  }
  function again(parts, item, state) {
    state.textContent = words.failed + " ";
    var button = element("button", "quiet", words.again);
    button.type = "button";
    // The same key: if the first try arrived after all, this one is known as its repeat.
    button.addEventListener("click", function () { send(parts, item); });
    state.append(button);
  }
  function chosen() { return picker ? Array.from(picker.files) : []; }
  function tooMuch(files) {
    if (files.length > facts.files) return words.too_many.replace("{count}", facts.files);
    return files.some(function (file) { return file.size > facts.bytes; }) ? words.too_large : "";
  }
  form.addEventListener("submit", function (event) {
    event.preventDefault();
    var files = chosen(), text = box.value.trim(), wrong = tooMuch(files);
    if (wrong) { status(wrong); return; }
    if (!text && !files.length) { box.focus(); return; }
    var fields = { message: text };
    ["name", "contact"].forEach(function (name) { var field = form.elements[name]; if (field.value.trim()) fields[name] = field.value.trim(); });
    if (document.referrer) fields.page = document.referrer;
    sent.push(text);
    send({ key: random(), fields: fields, files: files }, bubble("visitor", text, files.map(function (file) { return { name: file.name }; })));
    box.value = "";
    if (picker) { picker.value = ""; picked.textContent = ""; }
    status("");
    box.focus();
  });
  box.addEventListener("keydown", function (event) {
    // Enter ends a word while an input method composes one.
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); form.requestSubmit(); }
  });
  if (picker) picker.addEventListener("change", function () {
    picked.textContent = tooMuch(chosen()) || chosen().map(function (file) { return file.name; }).join(", ");
  });
  document.addEventListener("keydown", function (event) {
    if (event.key === "Escape" && framed) parent.postMessage({ forebay: "close" }, "*");
  });
  document.addEventListener("visibilitychange", seen);
  window.addEventListener("message", function (event) {
    if (!framed || event.source !== parent || !event.data) return;
    if (event.data.forebay === "closed") opened = false;
    if (event.data.forebay !== "opened") return;
    opened = true;
    seen();
    box.focus();
  });
  if (framed) parent.postMessage({ forebay: "ready" }, "*");
  look().then(connect);
})();
