// PNG to RGB over white, byte for byte as Pillow and the program do it. A canvas would not do: it multiplies colours by
// their alpha and rounds. No DOM, so Node can run it too.

const START = [0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10];
const CHANNELS = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 }; // by the kind of colour: grey, RGB, palette, grey and alpha, RGBA
const PASSES = [[0, 0, 8, 8], [4, 0, 8, 8], [0, 4, 4, 8], [2, 0, 4, 4], [0, 2, 2, 4], [1, 0, 2, 2], [0, 1, 1, 2]];
export const MOST_PIXELS = 50e6; // as the program's own door

/** Whether a file begins as a PNG does. */
export function isPng(bytes) {
  return START.every((byte, index) => bytes[index] === byte);
}

/** What the chunks say: {width, height, depth, kind, interlaced, palette, clear, exif, packed}. */
export function chunksOf(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const found = { packed: [] };
  for (let at = 8; at + 12 <= bytes.length; ) {
    const length = view.getUint32(at);
    const name = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    const body = bytes.subarray(at + 8, at + 8 + length);
    if (body.length < length) break;
    if (name === "IHDR") {
      Object.assign(found, { width: view.getUint32(at + 8), height: view.getUint32(at + 12) });
      Object.assign(found, { depth: body[8], kind: body[9], interlaced: body[12] === 1 });
    } else if (name === "PLTE") found.palette = body;
    else if (name === "tRNS") found.clear = body;
    else if (name === "eXIf") found.exif = body;
    else if (name === "IDAT") found.packed.push(body);
    else if (name === "IEND") break;
    at += length + 12;
  }
  if (!found.width || !found.height || !(found.kind in CHANNELS)) throw new Error("damaged");
  if (found.width * found.height > MOST_PIXELS) throw new Error("too large");
  return found;
}

/** Exactly `length` bytes unpacked; never more, whatever a file claims. */
async function unpacked(parts, length) {
  const out = new Uint8Array(length);
  const reader = new Blob(parts).stream().pipeThrough(new DecompressionStream("deflate")).getReader();
  let filled = 0;
  try {
    while (filled < length) {
      const { done, value } = await reader.read();
      if (done) break;
      out.set(value.subarray(0, length - filled), filled);
      filled += value.length;
    }
  } catch {
    // what came before the damage may be all of it
  }
  reader.cancel().catch(() => {});
  if (filled < length) throw new Error("cut short");
  return out;
}

function nearest(left, up, corner) {
  const [a, b, c] = [Math.abs(up - corner), Math.abs(left - corner), Math.abs(left + up - 2 * corner)];
  if (a <= b && a <= c) return left;
  return b <= c ? up : corner;
}

/** Undo the filter of each row, in place; `step` is the number of bytes to the pixel on the left. */
function unfilter(rows, count, stride, step) {
  for (let y = 0; y < count; y++) {
    const start = y * (stride + 1) + 1;
    const kind = rows[start - 1];
    for (let x = 0; x < stride && kind; x++) {
      const i = start + x;
      const left = x >= step ? rows[i - step] : 0;
      const up = y ? rows[i - stride - 1] : 0;
      if (kind === 1) rows[i] += left;
      else if (kind === 2) rows[i] += up;
      else if (kind === 3) rows[i] += (left + up) >> 1;
      else if (kind === 4) rows[i] += nearest(left, up, y && x >= step ? rows[i - stride - 1 - step] : 0);
      else throw new Error("damaged");
    }
  }
}

/** A function from the samples of a pixel to its [red, green, blue, alpha] in bytes. */
function colours({ kind, depth, palette, clear }) {
  const named = (index) => (clear && clear.length >= 2 * index + 2 ? clear[2 * index] * 256 + clear[2 * index + 1] : -1);
  const byte = depth === 16 ? (value) => value >> 8 : (value) => value;
  if (kind === 3) {
    return ([index]) => [0, 1, 2].map((channel) => palette?.[3 * index + channel] ?? 0).concat(clear?.[index] ?? 255);
  }
  if (kind === 0) {
    const grey = depth === 16 ? (value) => Math.round(value / 257) : (value) => (value * 255) / (2 ** depth - 1);
    return ([value]) => [grey(value), grey(value), grey(value), value === named(0) ? 0 : 255];
  }
  if (kind === 2) {
    const gone = [0, 1, 2].map((channel) => byte(named(channel)));
    return (samples) => {
      const seen = samples.map(byte);
      return [...seen, clear && seen.every((value, channel) => value === gone[channel]) ? 0 : 255];
    };
  }
  return (samples) => {
    const seen = samples.map(byte);
    return kind === 4 ? [seen[0], seen[0], seen[0], seen[1]] : seen;
  };
}

/** One after another [x, y, samples] of a pass; `samples` is the same array each time. */
function* pixelsOf(rows, columns, count, stride, { depth, channels }) {
  const samples = new Array(channels);
  for (let y = 0; y < count; y++) {
    const start = y * (stride + 1) + 1;
    for (let x = 0; x < columns; x++) {
      for (let channel = 0; channel < channels; channel++) {
        const index = x * channels + channel;
        if (depth === 8) samples[channel] = rows[start + index];
        else if (depth === 16) samples[channel] = rows[start + 2 * index] * 256 + rows[start + 2 * index + 1];
        else {
          const bit = index * depth;
          samples[channel] = (rows[start + (bit >> 3)] >> (8 - depth - (bit & 7))) & (2 ** depth - 1);
        }
      }
      yield [x, y, samples];
    }
  }
}

/** The same for the usual PNG, RGB or RGBA in bytes, ten times as fast. */
function copied(rows, columns, count, stride, channels, rgba) {
  for (let y = 0, at = 0; y < count; y++) {
    for (let x = 0, i = y * (stride + 1) + 1; x < columns; x++, at += 4, i += channels) {
      rgba[at] = rows[i];
      rgba[at + 1] = rows[i + 1];
      rgba[at + 2] = rows[i + 2];
      rgba[at + 3] = channels === 4 ? rows[i + 3] : 255;
    }
  }
}

/** RGBA bytes over white, as Pillow pastes; where nothing at all is seen, alpha is a byte that nobody set. */
export function overWhite(rgba, area) {
  let seen = false;
  for (let i = 3; i < area * 4 && !seen; i += 4) seen = rgba[i] !== 0;
  const out = new Uint8ClampedArray(area * 3);
  for (let i = 0, at = 0; i < area * 4; i += 4) {
    const alpha = seen ? rgba[i + 3] : 255;
    for (let channel = 0; channel < 3; channel++) {
      const sum = 255 * (255 - alpha) + rgba[i + channel] * alpha + 128;
      out[at++] = ((sum >> 8) + sum) >> 8;
    }
  }
  return out;
}

/** The picture as stored. Throws an Error whose message is one or two words: damaged, cut short, too large. */
export async function decodePng(bytes) {
  const found = chunksOf(bytes);
  const { width, height, depth, kind, interlaced, clear } = found;
  const channels = CHANNELS[kind];
  const bits = channels * depth;
  const passes = (interlaced ? PASSES : [[0, 0, 1, 1]])
    .map(([left, top, stepX, stepY]) => {
      const [columns, count] = [Math.ceil((width - left) / stepX), Math.ceil((height - top) / stepY)];
      return { left, top, stepX, stepY, columns, count, stride: Math.ceil((columns * bits) / 8) };
    })
    .filter(({ columns, count }) => columns > 0 && count > 0);
  const size = passes.reduce((sum, { count, stride }) => sum + count * (stride + 1), 0);
  const all = await unpacked(found.packed, size);
  const colour = colours(found);
  const rgba = new Uint8ClampedArray(width * height * 4);
  let offset = 0;
  for (const { left, top, stepX, stepY, columns, count, stride } of passes) {
    const rows = all.subarray(offset, (offset += count * (stride + 1)));
    unfilter(rows, count, stride, Math.max(1, bits >> 3));
    if (depth === 8 && (kind === 6 || (kind === 2 && !clear)) && !interlaced) {
      copied(rows, columns, count, stride, channels, rgba);
      break;
    }
    for (const [x, y, samples] of pixelsOf(rows, columns, count, stride, { depth, channels })) {
      rgba.set(colour(samples), ((top + y * stepY) * width + left + x * stepX) * 4);
    }
  }
  return { width, height, data: overWhite(rgba, width * height), exif: found.exif };
}
