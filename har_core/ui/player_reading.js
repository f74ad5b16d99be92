// What the lanes of the player say at an instant, and how times and shares are spoken. Touches nothing of the page.
const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer;
const percent = (p) => `${Math.round(100 * p)}%`;

function spoken(seconds, digits = 1) {
  const scale = 10 ** digits, all = Math.max(0, Math.round(seconds * scale)), whole = Math.floor(all / scale);
  const hours = Math.floor(whole / 3600), two = (n) => String(n).padStart(2, "0");
  const rest = digits ? `.${all % scale}` : "";
  return `${hours ? `${hours}:${two(Math.floor(whole / 60) % 60)}` : Math.floor(whole / 60)}:${two(whole % 60)}${rest}`;
}

// A lane of `data` with its numbers in arrays: `when` of each moment, `tops` as [class, p / 1e4] * each.
const decoded = (lane) => ({ ...lane, when: new Float32Array(bytes(lane.moments)), tops: new Uint16Array(bytes(lane.tops)) });

// The `each` most probable actions of a lane at an instant, as [class, p]; nothing where the person is not in view.
function probable(lane, seconds, each) {
  const m = lane.when;
  if (!m.length || seconds < lane.start - 1 || seconds > lane.stop + 1) return [];
  let low = 0, high = m.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (m[middle] < seconds) low = middle + 1; else high = middle;
  }
  if (low && Math.abs(m[low - 1] - seconds) <= Math.abs(m[low] - seconds)) low -= 1;
  const found = [];
  for (let i = 0; i < each; i++) {
    const place = 2 * (low * each + i);
    found.push([lane.tops[place], lane.tops[place + 1] / 1e4]);
  }
  return found;
}

// What to say of a lane at an instant, and whether that is a doubt: the action of its segment, else unsure, or away.
function verdict(lane, seconds, classes) {
  const segment = lane.segments.find(([, start, stop]) => start <= seconds && seconds < stop);
  if (segment) return [classes[segment[0]] ?? "", false];
  if (seconds < lane.start - 0.05 || seconds > lane.stop + 0.05) return ["not in view", true];
  return ["unsure", true];
}
