// The page: loads the network, takes photos, shows answers. Nothing is sent anywhere, and once loaded it needs nobody.

import { opened, planes, square } from "./pillow.js";
import { drawn, readPicture } from "./reading.js";

const FORMAT = 1; // of classifier.json that this page reads
const MOST_BARS = 5;
const MODULE = "ort.wasm.bundle.min.mjs";
const WASM = "ort-wasm-simd-threaded.wasm";
const part = (id) => document.getElementById(id);
const say = (text) => (part("status").textContent = text);
const breath = () => new Promise((done) => setTimeout(done)); // lets the browser draw
const megabytes = (bytes) => Math.round(bytes / 1e6);

let about; // classifier.json
let network;
let ort;

/* Loading: from beside the page, or out of the page itself where it is one file. */

async function inside(id) {
  const packed = Uint8Array.from(atob(part(id).textContent.trim()), (letter) => letter.charCodeAt(0));
  part(id).remove(); // megabytes that nobody needs twice
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

async function beside(name, arrived) {
  const answer = await fetch(name);
  if (!answer.ok) throw new Error(`${name} is missing`);
  const chunks = [];
  for (const reader = answer.body.getReader(); ; ) {
    const { done, value } = await reader.read();
    if (done) break;
    chunks.push(value);
    arrived(value.length);
  }
  return new Uint8Array(await new Blob(chunks).arrayBuffer());
}

function counter() {
  let here = 0;
  return (bytes) => {
    here += bytes;
    part("progress").value = here;
    say(`Loading ${megabytes(here)} of ${megabytes(part("progress").max)} MB`);
  };
}

async function load() {
  const single = part("classifier") !== null;
  const arrived = counter();
  arrived(0);
  await breath();
  about = single ? JSON.parse(part("classifier").textContent) : await (await fetch("classifier.json")).json();
  if (about.format !== FORMAT) throw new Error(`classifier.json has format ${about.format}, not ${FORMAT}`);
  describe();
  const [wasm, model] = single
    ? [await inside("wasm"), await inside("model")]
    : [await beside(WASM, arrived), await beside(encodeURIComponent(about.model), arrived)];
  say("Getting ready …");
  part("progress").removeAttribute("value");
  await breath();
  const address = single ? URL.createObjectURL(new Blob([await inside("ort")], { type: "text/javascript" })) : `./${MODULE}`;
  ort = await import(address);
  ort.env.wasm.numThreads = 1; // more would need headers that a school's server does not send
  ort.env.wasm.wasmBinary = wasm.buffer;
  network = await ort.InferenceSession.create(model, { executionProviders: ["wasm"] });
}

function describe() {
  document.title = part("title").textContent = about.title;
  if (about.sentence) show("good", `How good it is: ${about.sentence}.`.replace("..", "."));
  part("ask").textContent = about.classes.length > 6 ? "What is in a photo?" : `Which is it: ${listed(about.classes)}?`;
  const checked = about.verified;
  if (!checked) return;
  const same = `${checked.same_class} of ${checked.photos} photos`;
  show("verified", `Checked when it was made: the same answer as the program it comes from on ${same}.`);
}

const listed = (names) => [names.slice(0, -1).join(", "), names.at(-1)].filter(Boolean).join(" or ");

function show(id, text) {
  part(id).textContent = text;
  part(id).hidden = false;
}

/* Answering */

/** {pixels, probabilities, likeness, verdict} of a picture as `readPicture` gives it. */
async function answered({ stored, ...how }) {
  const upright = opened(stored, how, about.short_side);
  const pixels = planes(square(upright, about.square));
  const input = new ort.Tensor("uint8", pixels, [1, 3, about.side, about.side]);
  const out = await network.run({ pixels: input });
  const probabilities = Array.from(out.probabilities.data);
  const likeness = about.least_likeness === null ? null : out.likeness.data[0];
  return { upright, pixels, probabilities, likeness, verdict: verdictOf(probabilities, likeness) };
}

function verdictOf(probabilities, likeness) {
  if (likeness !== null && likeness < about.least_likeness) return "unlike";
  return Math.max(...probabilities) < about.least_sure ? "not sure" : "ok";
}

function percent(share) {
  if (share > 0.995 && share < 1) return "over 99\u00a0%";
  if (share < 0.005 && share > 0) return "under 1\u00a0%";
  return `${Math.round(100 * share)}\u00a0%`;
}

function words(verdict, name, share) {
  if (verdict === "unlike") {
    return ["Unlike anything it was shown", `It only knows ${listed(about.classes.slice(0, 12))}, so do not trust this.`];
  }
  if (verdict === "not sure") return ["Not sure", `Perhaps ${name}, but it could well be something else.`];
  return [`${name}, ${percent(share)}`, ""];
}

function card(name, { upright, probabilities, verdict }) {
  const made = part("card").content.cloneNode(true).firstElementChild;
  const best = probabilities.map((share, index) => [share, index]).sort((a, b) => b[0] - a[0] || a[1] - b[1]);
  const [answer, why] = words(verdict, about.classes[best[0][1]], best[0][0]);
  made.dataset.verdict = verdict;
  made.querySelector(".file").textContent = name;
  made.querySelector(".answer").textContent = answer;
  made.querySelector(".why").textContent = why;
  made.querySelector(".why").hidden = !why;
  for (const [share, index] of best.slice(0, MOST_BARS)) {
    made.querySelector(".bars").append(bar(about.classes[index], share));
  }
  paint(made.querySelector("canvas"), upright, name);
  return made;
}

function bar(name, share) {
  const made = document.createElement("li");
  const [fill, label, number] = ["fill", "label", "share"].map((kind) => {
    const piece = document.createElement("span");
    piece.className = kind;
    return piece;
  });
  fill.style.width = `${100 * share}%`;
  label.textContent = name;
  number.textContent = percent(share);
  made.append(fill, label, number);
  return made;
}

function paint(canvas, { width, height, data }, name) {
  [canvas.width, canvas.height] = [width, height];
  const image = new ImageData(width, height);
  for (let i = 0, at = 0; at < image.data.length; i += 3, at += 4) {
    image.data.set([data[i], data[i + 1], data[i + 2], 255], at);
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
  canvas.setAttribute("aria-label", name);
}

/* What people do */

let before = Promise.resolve(); // photos are answered one after another, however they come

function take(photos) {
  before = before.then(() => answerAll(photos)).catch((error) => problem(String(error.message ?? error)));
  return before;
}

async function answerAll(photos) {
  const next = part("answers").firstChild; // the newest come first, in the order they were chosen
  part("problems").replaceChildren();
  let good = 0;
  for (const [index, { name, picture }] of photos.entries()) {
    say(`Looking at photo ${index + 1} of ${photos.length} …`);
    await breath();
    try {
      part("answers").insertBefore(card(name, await answered(await picture())), next);
      good += 1;
    } catch (error) {
      problem(error.message);
    }
  }
  part("clear").hidden = !part("answers").firstChild;
  const latest = part("answers").firstChild;
  const first = good === 1 ? `: ${latest.querySelector(".answer").textContent}` : "";
  say(`${good} ${good === 1 ? "photo" : "photos"} answered${first}.`);
}

function problem(sentence) {
  const line = document.createElement("p");
  line.textContent = sentence;
  part("problems").append(line);
}

function takeFiles(files) {
  return take(Array.from(files, (file) => ({ name: file.name, picture: () => readPicture(file, file.name) })));
}

function connectFiles() {
  const [input, zone] = [part("files"), part("drop")];
  input.addEventListener("change", () => {
    takeFiles(input.files);
    input.value = ""; // the same file may be chosen again
  });
  for (const kind of ["dragenter", "dragover", "dragleave", "drop"]) {
    window.addEventListener(kind, (event) => {
      event.preventDefault(); // anywhere: else the browser leaves the page to show the file
      zone.classList.toggle("over", network !== undefined && (kind === "dragenter" || kind === "dragover"));
      if (kind === "drop" && network && event.dataTransfer.files.length) takeFiles(event.dataTransfer.files);
    });
  }
  part("clear").addEventListener("click", () => {
    part("answers").replaceChildren();
    part("problems").replaceChildren();
    part("clear").hidden = true;
    say("Cleared. Ready.");
    input.focus();
  });
}

/* The camera */

let shots = 0;

async function startCamera() {
  try {
    const wanted = { facingMode: "environment", width: { ideal: 1280 }, height: { ideal: 960 } };
    part("video").srcObject = await navigator.mediaDevices.getUserMedia({ video: wanted });
  } catch (error) {
    const refused = error.name === "NotAllowedError";
    const why = refused ? "may not be used: allow it for this page in the browser" : "does not answer: is one connected, and free?";
    show("no-camera", `The camera ${why}${refused ? "." : ""}`);
    return;
  }
  part("no-camera").hidden = true;
  part("camera").hidden = true;
  part("live").hidden = false;
  part("take").focus();
}

function stopCamera() {
  part("video").srcObject?.getTracks().forEach((track) => track.stop());
  part("video").srcObject = null;
  part("live").hidden = true;
  part("camera").hidden = false;
  part("camera").focus();
}

function shoot() {
  const video = part("video");
  if (!video.videoWidth) return; // it shows nothing yet
  const stored = drawn(video, video.videoWidth, video.videoHeight);
  shots += 1;
  take([{ name: `Camera, photo ${shots}`, picture: async () => ({ stored }) }]);
}

function connectCamera() {
  part("camera").addEventListener("click", startCamera);
  part("take").addEventListener("click", shoot);
  part("stop").addEventListener("click", stopCamera);
  if (navigator.mediaDevices) return;
  part("camera").hidden = true;
  show("no-camera", "No camera here: browsers allow it only on pages whose address begins with https, or on this very computer.");
}

async function start() {
  connectFiles();
  connectCamera();
  try {
    await load();
  } catch (error) {
    part("progress").hidden = true;
    say("");
    problem(`This page could not be loaded (${error.message}): open it again in a new browser, with all files it came with.`);
    return;
  }
  part("progress").hidden = true;
  part("files").disabled = part("camera").disabled = false;
  say("Ready.");
}

// For tests, and for whoever builds on this page.
globalThis.classifier = {
  ready: start(),
  answer: async (blob, name = "photo") => answered(await readPicture(blob, name)),
};
