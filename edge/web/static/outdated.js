// Sends browsers that are too old for the page to the plain one. JavaScript of 2009, on purpose.

(function () {
  function usePlainPage() {
    if (!document.documentElement.hasAttribute("data-started")) location.replace("plain");
  }

  window.onerror = usePlainPage; // a script that it cannot read, or a function that it lacks
  setTimeout(usePlainPage, 15000); // a script that never came, as from a device that restarts
  var script = document.createElement("script");
  if (!("noModule" in script && "replaceChildren" in script)) usePlainPage();
})();
