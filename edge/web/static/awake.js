// Keeps a kiosk's screen on while the page is visible. Browsers allow this only on the device's
// own screen (localhost), and end it by themselves when the page is hidden.

async function stayAwake() {
  if (document.hidden || !("wakeLock" in navigator)) return;
  try {
    await navigator.wakeLock.request("screen");
  } catch {
    // not allowed here: the screen turns off as usual
  }
}

document.addEventListener("visibilitychange", stayAwake);
stayAwake();
