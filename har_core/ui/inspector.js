// One clip and what a model makes of it: player, Top-K, frames, and how much each moment matters, all linked.
// `data`: {url, clip, still, top: [{name, share, kind: "said" | "true" | "both" | ""}], heading, quiet, ratio, of: "said" | "true",
// ticks: [s], step: s, share, hidden: [share], effects: [], frames: [{tick, picture}], overlays: [picture] | null, summary}.
// Nothing comes back. A click or an arrow key shows that moment in the player; the bar on display follows the player.
const states = new WeakMap();
const percent = (share) => (share > 0.9995 ? "100" : (100 * share).toFixed(share > 0.1 && share < 0.95 ? 0 : 1));

export default function (component) {
  const { data, parentElement } = component;
  let s = states.get(parentElement);
  if (!s) states.set(parentElement, (s = { url: null, now: -1 }));
  const $ = (name) => parentElement.querySelector(`.${name}`);
  const root = $("inspector"), film = $("film"), bars = $("bars"), strip = $("strip");
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;

  function load() {
    if (s.url === data.url) return; // drawn anew for another reason: what plays goes on
    s.url = data.url;
    s.now = -1;
    $("trouble").hidden = true;
    film.setAttribute("aria-label", `The clip ${data.clip}`);
    if (!data.url) { film.removeAttribute("src"); return; }
    film.src = data.url;
    if (!calm && !data.still) film.play().catch(() => {}); // a browser may want a click first
  }
  film.onerror = () => {
    $("trouble").textContent = "This browser cannot play the clip.";
    $("trouble").hidden = false;
  };

  function answer() {
    $("answer").replaceChildren(...data.top.map((one) => {
      const first = one.kind === "said" || one.kind === "both", right = one.kind === "true" || one.kind === "both";
      const row = element("div", `row${first ? " said" : ""}${right ? " true" : ""}`);
      const name = element("div", "name", one.name);
      if (right) name.append(element("span", "tag is-true", "label"));
      else if (first) name.append(element("span", "tag", "wrong"));
      name.title = one.name;
      const rail = element("div", "rail"), fill = element("span", "fill");
      fill.style.width = `${Math.max(0.6, 100 * one.share)}%`;
      rail.append(fill);
      row.append(name, element("div", "share", `${percent(one.share)}%`), rail);
      return row;
    }));
  }

  // Which moment is on display at an instant: the last that has begun.
  function at(seconds) {
    let found = 0;
    for (let n = 0; n < data.ticks.length; n++) if (data.ticks[n] <= seconds + 0.002) found = n;
    return found;
  }

  function mark(tick) {
    if (tick === s.now) return;
    s.now = tick;
    moments.forEach((moment, n) => moment.classList.toggle("on", n === tick));
    let near = -1;
    data.frames.forEach((frame, n) => { if (near < 0 || Math.abs(frame.tick - tick) < Math.abs(data.frames[near].tick - tick)) near = n; });
    shots.forEach((shot, n) => shot.classList.toggle("now", n === near));
    bars.setAttribute("aria-valuenow", String(tick));
    bars.setAttribute("aria-valuetext", words(tick));
  }

  function words(tick) {
    const time = `${data.ticks[tick].toFixed(1)} s`;
    if (!data.effects.length) return time;
    const effect = data.effects[tick];
    const side = Math.abs(effect) < 0.02 ? "makes no difference" : effect > 0 ? "speaks for it" : "speaks against it";
    return `${time}: ${side}. With it hidden, ${percent(data.share)}% becomes ${percent(data.hidden[tick])}%.`;
  }

  function say(tick) { $("told").textContent = tick === null ? data.summary : words(tick); }

  // Where it looked in one frame, over the player, until that goes on.
  function enlarge(n) {
    $("large").hidden = n === null || !data.overlays;
    if (!$("large").hidden) $("large").src = data.overlays[n];
  }

  function go(tick) {
    enlarge(null);
    tick = Math.max(0, Math.min(data.ticks.length - 1, tick));
    film.pause();
    film.currentTime = Math.min(data.ticks[tick] + 0.01, Math.max(0, (film.duration || 1e9) - 0.01));
    mark(tick);
    say(tick);
  }

  function build() {
    const number = data.ticks.length, wide = 100 / number;
    const most = Math.max(0.05, ...data.effects.map(Math.abs));
    const up = Math.max(0, ...data.effects) / most, down = Math.max(0, ...data.effects.map((effect) => -effect)) / most;
    const low = down > 0.04, zero = low ? 14 + 72 * up / (up + down) : 92; // % from the top; 14 is room for the words
    const scale = low ? 72 / (up + down) : 78;
    bars.style.setProperty("--zero", `${zero}%`);
    bars.setAttribute("aria-valuemin", "0");
    bars.setAttribute("aria-valuemax", String(number - 1));
    root.classList.toggle("of-true", data.of === "true");
    root.classList.toggle("looked", Boolean(data.overlays));
    const made = data.ticks.map((second, n) => {
      const moment = element("div", "moment"), effect = data.effects[n] ?? 0, bar = element("i");
      moment.style.left = `${n * wide}%`;
      moment.style.width = `${wide}%`;
      if (n && second - data.ticks[n - 1] > 1.5 * data.step) moment.classList.add("jump");
      if (effect >= 0) bar.style.bottom = `${100 - zero}%`;
      else { bar.style.top = `${zero}%`; bar.className = "against"; }
      bar.style.height = `${scale * Math.abs(effect) / most}%`;
      moment.append(bar);
      return moment;
    });
    bars.replaceChildren(...made, element("small", "up", "for it"), ...(low ? [element("small", "down", "against")] : []));
    const pictures = data.frames.map((frame, n) => {
      const shot = element("button", "shot"), plain = element("img", "plain");
      shot.type = "button";
      shot.style.setProperty("--ratio", String(data.ratio));
      shot.setAttribute("aria-label", `Show the clip at ${data.ticks[frame.tick].toFixed(1)} seconds`);
      plain.src = frame.picture;
      plain.alt = "";
      shot.append(plain);
      if (data.overlays) {
        const glow = element("img", "glow");
        glow.src = data.overlays[n];
        glow.alt = "";
        shot.append(glow);
      }
      shot.append(element("span", "", `${data.ticks[frame.tick].toFixed(1)} s`));
      shot.onclick = () => { go(frame.tick); enlarge(n); };
      return shot;
    });
    strip.replaceChildren(...pictures);
    const heading = $("heading");
    heading.replaceChildren(document.createTextNode(data.heading), element("span", "quiet", ` ${data.quiet}`));
    bars.hidden = !data.effects.length;
    return [made, pictures];
  }

  load();
  answer();
  enlarge(null);
  const [moments, shots] = build();
  const kept = s.now;
  s.now = -1;
  mark(kept < 0 || kept >= data.ticks.length ? 0 : kept);
  say(null);

  const under = (event) => {
    const box = bars.getBoundingClientRect();
    return Math.max(0, Math.min(data.ticks.length - 1, Math.floor((event.clientX - box.left) / box.width * data.ticks.length)));
  };
  bars.onpointermove = (event) => say(under(event));
  bars.onpointerleave = () => say(null);
  bars.onclick = (event) => go(under(event));
  bars.onkeydown = (event) => {
    const steps = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 };
    if (event.key in steps) go(s.now + steps[event.key]);
    else if (event.key === "Home") go(0);
    else if (event.key === "End") go(data.ticks.length - 1);
    else if (event.key === " " || event.key === "Enter") film.paused ? film.play().catch(() => {}) : film.pause();
    else return;
    event.preventDefault();
    event.stopPropagation(); // Streamlit has shortcuts of its own
  };
  film.onplay = () => enlarge(null);
  film.ontimeupdate = () => { if (!film.seeking) mark(at(film.currentTime)); };
}
