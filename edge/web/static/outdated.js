// Sends browsers that are too old for the page to the plain one. JavaScript of 2009, on purpose.

(function () {
  function usePlainPage() {
    if (!document.documentElement.hasAttribute("data-started")) location.replace("/plain");
  }

  window.onerror = usePlainPage; // a script that it cannot read, or a function that it lacks
  if (!("noModule" in document.createElement("script"))) usePlainPage();
})();
