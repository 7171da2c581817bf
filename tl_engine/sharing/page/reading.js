// From a file to its RGB bytes as stored. Errors are whole sentences that the page shows as they are.

import { opposite, turned } from "./pillow.js";
import { MOST_PIXELS, decodePng, isPng } from "./png.js";

const STRIP = 4e6; // pixels that a canvas holds at a time: phones allow few
const [SMALLEST, MOST_ELONGATED, MOST_BYTES] = [8, 50, 50e6]; // as the program's own door
const ORIENTATION = 0x0112;

const text = (bytes, from, to) => String.fromCharCode(...bytes.subarray(from, to));

/** "JPEG", "PNG", ... by the first bytes, whatever the file is called; null for what is no picture. */
export function formatOf(bytes) {
  if (bytes[0] === 0xff && bytes[1] === 0xd8 && bytes[2] === 0xff) return "JPEG";
  if (isPng(bytes)) return "PNG";
  if (text(bytes, 8, 12) === "WEBP") return "WebP";
  if (text(bytes, 0, 4) === "GIF8") return "GIF";
  if (text(bytes, 0, 2) === "BM") return "BMP";
  if (text(bytes, 4, 8) === "ftyp") return /avi[fs]/.test(text(bytes, 8, 32)) ? "AVIF" : "HEIC";
  return null;
}

/** How the camera was held, 1 to 8, from EXIF without its "Exif" mark; 1 where nothing says it. */
export function orientationIn(exif) {
  try {
    const view = new DataView(exif.buffer, exif.byteOffset, exif.byteLength);
    const little = view.getUint16(0) === 0x4949;
    const at = view.getUint32(4, little);
    const count = Math.min(view.getUint16(at, little), 500);
    for (let entry = at + 2; entry < at + 2 + 12 * count; entry += 12) {
      if (view.getUint16(entry, little) !== ORIENTATION) continue;
      const long = view.getUint16(entry + 2, little) === 4;
      const found = long ? view.getUint32(entry + 8, little) : view.getUint16(entry + 8, little);
      return found >= 1 && found <= 8 ? found : 1;
    }
  } catch {
    // a directory that points outside says nothing
  }
  return 1;
}

/** What a JPEG's segments say: {width, height, orientation} as stored. */
export function jpegHeader(bytes) {
  let orientation = 1;
  for (let at = 2; at + 10 < bytes.length && bytes[at] === 0xff; ) {
    const marker = bytes[at + 1];
    if (marker === 0xff) {
      at += 1; // padding
      continue;
    }
    const length = bytes[at + 2] * 256 + bytes[at + 3];
    if (marker === 0xe1 && text(bytes, at + 4, at + 8) === "Exif") {
      orientation = orientationIn(bytes.subarray(at + 10, at + 2 + length));
    } else if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)) {
      const [height, width] = [5, 7].map((offset) => bytes[at + offset] * 256 + bytes[at + offset + 1]);
      return { width, height, orientation };
    } else if (marker === 0xda) break;
    at += 2 + length;
  }
  return null;
}

/** RGB over white of anything that a canvas draws, strip by strip. */
export function drawn(source, width, height) {
  const canvas = document.createElement("canvas");
  const rows = Math.max(1, Math.floor(STRIP / width));
  [canvas.width, canvas.height] = [width, Math.min(rows, height)];
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  const data = new Uint8ClampedArray(width * height * 3);
  for (let top = 0, at = 0; top < height; top += rows) {
    pen.fillStyle = "#fff";
    pen.fillRect(0, 0, width, canvas.height);
    pen.drawImage(source, 0, -top);
    const rgba = pen.getImageData(0, 0, width, Math.min(rows, height - top)).data;
    for (let i = 0; i < rgba.length; i += 4) {
      data[at++] = rgba[i];
      data[at++] = rgba[i + 1];
      data[at++] = rgba[i + 2];
    }
  }
  return { width, height, data };
}

async function decodedByBrowser(blob) {
  const bitmap = await createImageBitmap(blob, {
    colorSpaceConversion: "none", // the program looks at the stored numbers too
    premultiplyAlpha: "none",
    imageOrientation: "from-image",
  });
  try {
    checkSize(bitmap.width, bitmap.height);
    return drawn(bitmap, bitmap.width, bitmap.height);
  } finally {
    bitmap.close();
  }
}

function checkSize(width, height) {
  const [short, long] = [Math.min(width, height), Math.max(width, height)];
  if (width * height > MOST_PIXELS) throw new Refused("it has more than 50 million pixels; save it smaller");
  if (short < SMALLEST) throw new Refused(`it is only ${width} x ${height} pixels; take a larger one`);
  if (long > MOST_ELONGATED * short) throw new Refused("it is more than 50 times as long as wide; cut it");
}

class Refused extends Error {}

async function read(blob) {
  if (blob.size > MOST_BYTES) throw new Refused("it has more than 50 MB; save it smaller");
  const bytes = new Uint8Array(await blob.arrayBuffer());
  const format = formatOf(bytes);
  if (!format) throw new Refused("it is no picture; choose a JPEG, PNG, WebP, GIF or BMP");
  if (format === "PNG") {
    const { exif, ...stored } = await decodePng(bytes);
    checkSize(stored.width, stored.height);
    return { stored, jpeg: false, orientation: exif ? orientationIn(exif) : 1 };
  }
  let upright;
  try {
    upright = await decodedByBrowser(blob);
  } catch (error) {
    if (error instanceof Refused || format !== "HEIC") throw error;
    throw new Refused("this browser cannot open HEIC; save it as a JPEG");
  }
  const header = format === "JPEG" ? jpegHeader(bytes) : null;
  const [width, height] = header && header.orientation > 4 ? [header.height, header.width] : [header?.width, header?.height];
  // The program makes a photo small before it turns it, which moves pixels a little: so turn it back first.
  const orientation = width === upright.width && height === upright.height ? header.orientation : 1;
  return { stored: turned(upright, opposite(orientation)), jpeg: format === "JPEG", orientation };
}

/** {stored, jpeg, orientation} of a file. Throws an Error that names the file, the reason and the remedy. */
export async function readPicture(blob, name) {
  try {
    return await read(blob);
  } catch (error) {
    const reason = error instanceof Refused ? error.message : "it is damaged; save or copy it again";
    throw new Error(`${name} cannot be used: ${reason}.`);
  }
}
