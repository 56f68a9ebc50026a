// Read boarding codes with the camera: the browser's own reader, else the one we ship. A typed code always works too.
const PAUSE_MS = 120;
const AGAIN_MS = 3000; // The same code twice within this time is one scan.

async function nativeReader() {
  if (!globalThis.BarcodeDetector) return null;
  const formats = await BarcodeDetector.getSupportedFormats().catch(() => []);
  if (!formats.includes("qr_code")) return null;
  const detector = new BarcodeDetector({ formats: ["qr_code"] });
  return async (video) => (await detector.detect(video))[0]?.rawValue;
}

async function shippedReader(box) {
  if (!globalThis.ZXingWASM) {
    await new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = box.dataset.zxing;
      script.onload = resolve;
      script.onerror = reject;
      document.head.append(script);
    });
  }
  const { prepareZXingModule, readBarcodes } = globalThis.ZXingWASM;
  await prepareZXingModule({ overrides: { locateFile: () => box.dataset.zxingWasm }, fireImmediately: true });
  const canvas = document.createElement("canvas");
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  return async (video) => {
    const scale = Math.min(1, 960 / video.videoWidth);
    canvas.width = Math.round(video.videoWidth * scale);
    canvas.height = Math.round(video.videoHeight * scale);
    pen.drawImage(video, 0, 0, canvas.width, canvas.height);
    const found = await readBarcodes(pen.getImageData(0, 0, canvas.width, canvas.height), {
      formats: ["QRCode"],
      maxNumberOfSymbols: 1,
    });
    return found[0]?.text;
  };
}

/** The code in what was read: passes hold an address such as https://…/pass/CODE/. */
function codeOf(text) {
  return /\/pass\/([^/?#]+)/.exec(text)?.[1] ?? text.trim();
}

function setUp(box) {
  const field = document.querySelector(box.dataset.scanInto);
  const word = box.querySelector(".scan-word") || box.appendChild(document.createElement("p"));
  const start = document.createElement("button");
  let stream = null;
  let last = { code: "", at: 0 };
  word.classList.add("scan-word");
  word.setAttribute("role", "status");
  start.type = "button";
  start.className = "btn btn-seat";
  start.textContent = box.dataset.scanStart || "Scan with the camera";
  if (!navigator.mediaDevices?.getUserMedia) {
    word.textContent = box.dataset.scanNone || "This browser shows us no camera. Type the code below.";
    return;
  }
  word.replaceChildren(start);

  function stop() {
    for (const track of stream?.getTracks() ?? []) track.stop();
    stream = null;
    box.classList.remove("is-reading");
    box.querySelector("video")?.remove();
    box.querySelector(".scan-frame")?.remove();
    word.replaceChildren(start);
  }

  function found(code) {
    const now = Date.now();
    if (code === last.code && now - last.at < AGAIN_MS) return;
    last = { code, at: now };
    navigator.vibrate?.(60);
    field.value = code;
    const said = new CustomEvent("code-scanned", { bubbles: true, cancelable: true, detail: { code } });
    // A page that handles the code itself (offline queue) cancels the event; otherwise the form is sent.
    if (box.dispatchEvent(said)) field.form?.requestSubmit();
  }

  start.addEventListener("click", async () => {
    word.textContent = box.dataset.scanWait || "Starting the camera…";
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment", width: { ideal: 1280 } } });
    } catch {
      word.textContent = box.dataset.scanRefused || "The camera may not be used. Allow it, or type the code below.";
      word.append(" ", start);
      return;
    }
    const video = document.createElement("video");
    const frame = document.createElement("div");
    video.muted = true;
    video.playsInline = true;
    video.srcObject = stream;
    frame.className = "scan-frame";
    box.prepend(video, frame);
    await video.play();
    let read;
    try {
      read = (await nativeReader()) ?? (await shippedReader(box));
    } catch {
      stop();
      word.textContent = box.dataset.scanNone || "Codes cannot be read here. Type the code below.";
      return;
    }
    box.classList.add("is-reading");
    word.textContent = box.dataset.scanHold || "Hold the code in the frame";
    while (stream) {
      if (!document.hidden && video.readyState >= 2) {
        const text = await read(video).catch(() => undefined);
        if (text) found(codeOf(text));
      }
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  });
  addEventListener("pagehide", stop);
}

for (const box of document.querySelectorAll("[data-scan]")) setUp(box);
