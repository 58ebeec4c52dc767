// Shows a Forebay form where this script stands:
//   <script src="https://forebay.example/form.js" data-channel="form" data-height="820"></script>
(function () {
  "use strict";
  var facts = __FACTS__;
  var script = document.currentScript;
  var channel = script.dataset.channel || facts.channels[0];
  if (facts.channels.indexOf(channel) < 0) return;
  var frame = document.createElement("iframe");
  frame.src = facts.url + "/form/" + encodeURIComponent(channel) + "?embed";
  frame.title = script.dataset.title || "Feedback";
  frame.loading = "lazy";
  frame.style.cssText = "border:0;width:100%;height:" + (parseInt(script.dataset.height, 10) || 860) + "px";
  script.parentNode.insertBefore(frame, script.nextSibling);
})();
