// Pillow's arithmetic, byte for byte: what the program does to a picture between its file and the network.
//
// A picture here is {width, height, data}: RGB bytes, row by row. No DOM, so Node can run it too.
// Canvas scaling is not good enough: up to 77 grey levels away, which moves answers near a threshold.

const BITS = 22; // of a weight behind the point; Pillow's PRECISION_BITS
const HALF = 1 << (BITS - 1);
const GAP = 3; // a picture is first averaged to this many times the wanted size (photos/pixels.py)

const FILTERS = {
  bilinear: { support: 1, at: (x) => Math.max(0, 1 - Math.abs(x)) },
  bicubic: {
    support: 2,
    at: (signed) => {
      const x = Math.abs(signed);
      if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
      return x < 2 ? (((x - 5) * x + 8) * x - 4) * -0.5 : 0;
    },
  },
};

/** Python's round: halves go to the even neighbour. */
export function pythonRound(number) {
  const below = Math.floor(number);
  const rest = number - below;
  if (rest !== 0.5) return rest < 0.5 ? below : below + 1;
  return below % 2 === 0 ? below : below + 1;
}

/** For each pixel of a line: where its window starts, and the window's weights as whole numbers. */
function windows(length, from, to, wanted, filter) {
  const scale = Math.fround(to - from) / wanted; // the box is float32 in Pillow
  const stretch = Math.max(1, scale);
  const support = filter.support * stretch;
  return Array.from({ length: wanted }, (_, index) => {
    const centre = from + (index + 0.5) * scale;
    const start = Math.max(0, Math.trunc(centre - support + 0.5));
    const end = Math.min(length, Math.trunc(centre + support + 0.5));
    const exact = [];
    let sum = 0;
    for (let at = 0; at < end - start; at++) {
      exact.push(filter.at((at + start - centre + 0.5) * (1 / stretch)));
      sum += exact[at];
    }
    const weights = exact.map((weight) => {
      const share = (sum ? weight / sum : weight) * (1 << BITS);
      return Math.trunc(share < 0 ? share - 0.5 : share + 0.5);
    });
    return { start, weights };
  });
}

function across(picture, from, to, wanted, filter) {
  const { width, height, data } = picture;
  const lines = windows(width, from, to, wanted, filter);
  const out = new Uint8ClampedArray(wanted * height * 3); // clamps as Pillow's clip8 does
  for (let y = 0, at = 0; y < height; y++) {
    for (const { start, weights } of lines) {
      let red = HALF, green = HALF, blue = HALF;
      for (let k = 0, i = (y * width + start) * 3; k < weights.length; k++, i += 3) {
        red += data[i] * weights[k];
        green += data[i + 1] * weights[k];
        blue += data[i + 2] * weights[k];
      }
      out[at++] = red >> BITS;
      out[at++] = green >> BITS;
      out[at++] = blue >> BITS;
    }
  }
  return { width: wanted, height, data: out };
}

function down(picture, from, to, wanted, filter) {
  const { width, height, data } = picture;
  const row = width * 3;
  const sums = new Int32Array(row);
  const out = new Uint8ClampedArray(row * wanted);
  windows(height, from, to, wanted, filter).forEach(({ start, weights }, y) => {
    sums.fill(HALF);
    weights.forEach((weight, k) => {
      for (let x = 0, i = (start + k) * row; x < row; x++, i++) sums[x] += data[i] * weight;
    });
    for (let x = 0, i = y * row; x < row; x++, i++) out[i] = sums[x] >> BITS;
  });
  return { width, height: wanted, data: out };
}

/** Image.resize: first along the rows, then along the columns, rounded to bytes in between. */
export function resize(picture, width, height, interpolation, right = picture.width, bottom = picture.height) {
  const filter = FILTERS[interpolation];
  const [toX, toY] = [Math.fround(right), Math.fround(bottom)];
  let out = picture;
  if (width !== out.width || toX !== width) out = across(out, 0, toX, width, filter);
  if (height !== out.height || toY !== height) out = down(out, 0, toY, height, filter);
  return out;
}

/** Image.reduce: the mean of whole blocks; blocks at the right and lower edge may be smaller. */
export function reduce(picture, acrossBy, downBy) {
  return blocks(picture, acrossBy, downBy, (sum, count) => {
    const share = Math.floor(2 ** 24 / count); // as Pillow divides
    return Math.floor(((sum + (count >> 1)) * share) / 2 ** 24);
  });
}

function blocks(picture, acrossBy, downBy, mean) {
  if (acrossBy === 1 && downBy === 1) return picture;
  const [width, height] = [Math.ceil(picture.width / acrossBy), Math.ceil(picture.height / downBy)];
  const out = new Uint8ClampedArray(width * height * 3);
  for (let y = 0, at = 0; y < height; y++) {
    const bottom = Math.min((y + 1) * downBy, picture.height);
    for (let x = 0; x < width; x++, at += 3) {
      const right = Math.min((x + 1) * acrossBy, picture.width);
      const count = (bottom - y * downBy) * (right - x * acrossBy);
      let red = 0, green = 0, blue = 0;
      for (let v = y * downBy; v < bottom; v++) {
        for (let u = x * acrossBy, i = (v * picture.width + u) * 3; u < right; u++, i += 3) {
          red += picture.data[i];
          green += picture.data[i + 1];
          blue += picture.data[i + 2];
        }
      }
      out[at] = mean(red, count);
      out[at + 1] = mean(green, count);
      out[at + 2] = mean(blue, count);
    }
  }
  return { width, height, data: out };
}

/** Upright, from how the camera was held: 1 to 8 as EXIF says. */
export function turned(picture, orientation) {
  const { width, height, data } = picture;
  const [right, bottom] = [width - 1, height - 1];
  const source = {
    2: (x, y) => [right - x, y],
    3: (x, y) => [right - x, bottom - y],
    4: (x, y) => [x, bottom - y],
    5: (x, y) => [y, x],
    6: (x, y) => [y, bottom - x],
    7: (x, y) => [right - y, bottom - x],
    8: (x, y) => [right - y, x],
  }[orientation];
  if (!source) return picture;
  const size = orientation > 4 ? [height, width] : [width, height];
  const out = new Uint8ClampedArray(data.length);
  for (let y = 0, at = 0; y < size[1]; y++) {
    for (let x = 0; x < size[0]; x++) {
      const [u, v] = source(x, y);
      const i = (v * width + u) * 3;
      out[at++] = data[i];
      out[at++] = data[i + 1];
      out[at++] = data[i + 2];
    }
  }
  return { width: size[0], height: size[1], data: out };
}

/** What undoes `turned`: only the two quarter turns are each other's opposite. */
export function opposite(orientation) {
  return { 6: 8, 8: 6 }[orientation] ?? orientation;
}

function shrunk(width, height, shortSide) {
  const scale = shortSide / Math.min(width, height);
  return [Math.max(1, pythonRound(width * scale)), Math.max(1, pythonRound(height * scale))];
}

/** The fraction that Pillow's `draft` decodes a JPEG of this size at: 8, 4, 2 or 1. */
export function draftFactor(width, height, shortSide) {
  const [wide, high] = shrunk(width, height, shortSide);
  const scale = Math.min(Math.floor(width / wide), Math.floor(height / high));
  return [8, 4, 2].find((factor) => scale >= factor) ?? 1;
}

/** As `open_image` leaves a picture as stored: upright, its short side at most `shortSide` pixels. */
export function opened(stored, { jpeg = false, orientation = 1 }, shortSide) {
  let picture = stored;
  if (jpeg) {
    // A browser does not decode at a fraction. A mean over the same blocks is as near as one gets, with halves to even
    // (the array does that): upwards, as `reduce` rounds, would make all photos 1/8 of a grey level lighter.
    const factor = draftFactor(picture.width, picture.height, shortSide);
    if (factor > 1) picture = blocks(picture, factor, factor, (sum, count) => sum / count);
  }
  const { width, height } = picture;
  if (Math.min(width, height) > shortSide) {
    const [wide, high] = shrunk(width, height, shortSide);
    const [byX, byY] = [width / wide, height / high].map((whole) => Math.max(1, Math.trunc(whole / GAP)));
    picture = resize(reduce(picture, byX, byY), wide, high, "bicubic", width / byX, height / byY);
  }
  return turned(picture, orientation);
}

function cut(picture, left, top, side) {
  const out = new Uint8ClampedArray(side * side * 3);
  for (let y = 0; y < side; y++) {
    const start = ((top + y) * picture.width + left) * 3;
    out.set(picture.data.subarray(start, start + side * 3), y * side * 3);
  }
  return { width: side, height: side, data: out };
}

/** ImageOps.pad: all of the picture in the middle of a square of one colour. */
function padded(picture, side, interpolation, colour) {
  const { width, height } = picture;
  let [wide, high] = [side, side];
  if (width > height) high = Math.max(1, pythonRound((height / width) * side));
  if (width < height) wide = Math.max(1, pythonRound((width / height) * side));
  const inner = resize(picture, wide, high, interpolation);
  const [left, top] = [pythonRound((side - wide) * 0.5), pythonRound((side - high) * 0.5)];
  const out = new Uint8ClampedArray(side * side * 3);
  for (let i = 0; i < out.length; i++) out[i] = colour[i % 3];
  for (let y = 0; y < high; y++) {
    out.set(inner.data.subarray(y * wide * 3, (y + 1) * wide * 3), ((top + y) * side + left) * 3);
  }
  return { width: side, height: side, data: out };
}

/** What the network sees, as `Square.view` makes it: `how` is the part `square` of classifier.json. */
export function square(picture, how) {
  const { crop: side, interpolation, fit } = how;
  if (fit === "stretch") return resize(picture, side, side, interpolation);
  if (fit === "pad") return padded(picture, side, interpolation, how.colour);
  const { width, height } = picture;
  const short = Math.min(width, height);
  const size = [width, height].map((whole) => Math.trunc((how.resize * whole) / short));
  const [left, top] = size.map((whole) => pythonRound((whole - side) / 2));
  return cut(resize(picture, ...size, interpolation), left, top, side);
}

/** The bytes in the order that the model takes: all red, all green, all blue. */
export function planes({ width, height, data }) {
  const area = width * height;
  const out = new Uint8Array(area * 3);
  for (let i = 0; i < area; i++) {
    for (let channel = 0; channel < 3; channel++) out[channel * area + i] = data[i * 3 + channel];
  }
  return out;
}
