// Keeps a kiosk's screen lit while the page is in sight. Browsers allow it on the device's own
// screen alone (localhost), and let go of it by themselves when the page is hidden.

export async function stayAwake() {
  if (document.hidden || !("wakeLock" in navigator)) return;
  try {
    await navigator.wakeLock.request("screen");
  } catch {
    // not allowed here: the screen goes dark as it always did
  }
}
