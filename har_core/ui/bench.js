// A cutting bench: a film that is stepped through frame by frame, and the cuts that are marked in it.
// `data`: {stamp, url, clock: {rate, count} | {gaps: [0.1 ms]}, cuts: [{start, stop, action}], made: ["start|stop|action"],
// actions: [name]}. States: `cuts` {stamp, cuts}, whole after each change; `unplayable` url, where the browser cannot.
// Frames count from 0; a cut is [start, stop). Python's cuts count only when `stamp` is new.
const COLOURS = ["#ea580c", "#0891b2", "#8b5cf6", "#16a34a", "#db2777", "#2563eb", "#ca8a04", "#0d9488", "#a16207", "#64748b"];
const CLOSE = [2, 5, 10, 30, 60]; // seconds on the close line
const states = new WeakMap();

// When each frame begins, in seconds.
function timesOf(clock) {
  if (clock.count) return Float64Array.from({ length: clock.count }, (_, n) => n / clock.rate);
  const times = new Float64Array(clock.gaps.length + 1);
  clock.gaps.forEach((gap, n) => { times[n + 1] = times[n] + gap / 1e4; });
  return times;
}

function fresh() {
  return {
    stamp: undefined, url: "", begun: "", clock: "", times: new Float64Array(1), cuts: [], past: [], typed: [], actions: [], made: new Set(),
    action: "", start: null, stop: null, picked: null, frame: 0, goal: null, asked: null, until: null, origin: null, zoom: 1, drag: null, keys: null,
  };
}

export default function (component) {
  const { data, parentElement, setStateValue } = component;
  let s = states.get(parentElement);
  if (!s) states.set(parentElement, (s = fresh()));
  const $ = (name) => parentElement.querySelector(`.${name}`);
  const bench = $("bench"), film = $("film");
  const last = () => s.times.length - 1;
  const clamp = (frame) => Math.max(0, Math.min(last(), frame));
  const gap = (frame) => (frame < last() ? s.times[frame + 1] - s.times[frame] : frame ? s.times[frame] - s.times[frame - 1] : 0.04);
  const length = () => s.times[last()] + gap(last());

  // The frame on display at an instant of the film; browsers round by a millisecond.
  function at(seconds) {
    let low = 0, high = last();
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (s.times[middle] <= seconds + 0.0015) low = middle; else high = middle - 1;
    }
    return low;
  }

  function spoken(seconds) {
    const whole = Math.floor(seconds + 1e-6), rest = Math.floor((seconds - whole + 1e-6) * 100);
    const hours = Math.floor(whole / 3600), two = (n) => String(n).padStart(2, "0");
    return `${hours ? `${hours}:${two(Math.floor(whole / 60) % 60)}` : Math.floor(whole / 60)}:${two(whole % 60)}.${two(Math.max(0, rest))}`;
  }

  function say(text) { $("told").textContent = text; }

  // ---- the film ----
  function seek() {
    const frame = (s.asked = s.goal);
    // Into the middle of the frame, where no rounding can reach a neighbour.
    film.currentTime = (s.origin ?? 0) + s.times[frame] + Math.min(gap(frame), 0.1) / 2;
  }

  function go(frame) {
    s.frame = clamp(frame);
    s.until = null;
    const waiting = s.goal !== null && film.seeking;
    s.goal = s.frame;
    if (!waiting) seek(); // else what was asked for last is looked for once this one is there
    place();
  }

  film.onseeked = () => {
    if (s.goal !== null && s.asked !== s.goal && film.paused) seek();
    else s.goal = null;
  };

  function seen(seconds) {
    if (s.goal !== null || film.seeking) return;
    s.frame = at(seconds);
    if (s.until !== null && s.frame >= s.until - 1) {
      const end = s.until - 1;
      film.pause();
      go(end);
    }
    place();
  }

  function listen() {
    if (!film.requestVideoFrameCallback || s.listening === film) return;
    s.listening = film;
    const next = (_, told) => {
      // Where a film's sound begins first, its first picture is not at 0.
      if (s.origin === null) s.origin = film.currentTime < 0.02 && told.mediaTime < 1 ? told.mediaTime : 0;
      seen(told.mediaTime - s.origin);
      if (film.isConnected) film.requestVideoFrameCallback(next); else s.listening = null;
    };
    film.requestVideoFrameCallback(next);
  }
  film.ontimeupdate = () => { if (!film.requestVideoFrameCallback) seen(film.currentTime); };
  film.onplay = film.onpause = () => { $("play").classList.toggle("on", !film.paused); $("play").ariaLabel = film.paused ? "Play" : "Pause"; };
  film.onerror = () => { if (film.getAttribute("src")) setStateValue("unplayable", s.url); };
  film.onloadeddata = () => {
    bench.classList.add("ready");
    if (s.begun !== s.url) bench.focus({ preventScroll: true }); // a film that was just chosen is to be worked on
    s.begun = s.url;
  };

  function play(cut) {
    if (cut) go(cut.start);
    else if (!film.paused) return film.pause();
    else if (s.frame >= last()) go(0);
    if (cut) s.until = cut.stop;
    film.play().catch(() => {});
  }

  function skip(seconds) { go(at(Math.max(0, s.times[s.frame] + seconds))); }

  // ---- cuts ----
  const name = (cut) => `${cut.start}|${cut.stop}|${cut.action}`;
  const colour = (action) => COLOURS[Math.max(0, s.actions.indexOf(action)) % COLOURS.length];

  function change(cuts, picked) {
    s.past.push(s.cuts);
    s.cuts = [...new Map(cuts.map((cut) => [name(cut), cut])).values()].sort((a, b) => a.start - b.start || a.stop - b.stop);
    s.picked = picked ? name(picked) : null;
    tell();
  }

  function tell() {
    draw();
    setStateValue("cuts", { stamp: s.stamp, cuts: s.cuts });
  }

  function swap(old, cut) {
    if (cut.start >= cut.stop) return say("A cut needs at least one frame: its stop must come after its start.");
    change(s.cuts.map((one) => (one === old ? cut : one)), cut);
  }

  function add() {
    const start = s.start, stop = s.stop ?? s.frame + 1;
    if (start === null) return say("Mark first where the action starts: Start, or the key I.");
    if (stop <= start) return say("The stop must come after the start.");
    if (!s.action) { $("new").focus(); return say("Which action is it? Type its name, then press Enter."); }
    const cut = { start, stop, action: s.action };
    s.start = s.stop = null;
    say(`${s.action}: ${stop - start} frames marked.`);
    change([...s.cuts, cut], cut);
  }

  function mark(which) {
    s[which] = which === "start" ? s.frame : s.frame + 1;
    if (which === "start" && s.stop !== null && s.stop <= s.start) s.stop = null;
    if (which === "stop" && s.start !== null && s.start >= s.stop) s.start = null;
    s.picked = null;
    say(which === "start" ? `Starts at frame ${s.frame}.` : `Frame ${s.frame} is the last one.`);
    draw();
  }

  function choose(action) {
    const cut = s.cuts.find((one) => name(one) === s.picked);
    s.action = action;
    if (cut && s.start === null) swap(cut, { ...cut, action }); else draw();
  }

  function remove(cut) {
    if (!cut) return;
    say("Taken away. Undo brings it back.");
    change(s.cuts.filter((one) => one !== cut), null);
  }

  function undo() {
    if (!s.past.length) return;
    s.cuts = s.past.pop();
    s.picked = null;
    tell();
  }

  function pick(cut) { s.picked = name(cut); s.start = s.stop = null; film.pause(); go(cut.start); draw(); }

  // ---- what is drawn ----
  function window_() {
    const wide = Math.min(length(), CLOSE[s.zoom]), now = s.times[s.frame];
    const from = Math.max(0, Math.min(length() - wide, now - wide / 2));
    return [from, from + wide];
  }
  const ends = (line) => (line === $("close") ? window_() : [0, length()]);
  const begin = (frame) => (frame > last() ? length() : s.times[frame]);

  function lay(box, from, to, ends_) {
    const [low, high] = ends_, wide = high - low;
    box.style.left = `${(100 * (from - low)) / wide}%`;
    box.style.width = `${(100 * (to - from)) / wide}%`;
  }

  // Where things are: cheap, for it is done at every frame.
  function place() {
    for (const line of [$("whole"), $("close")]) {
      const range = ends(line);
      for (const box of line.querySelectorAll(".cut")) lay(box, begin(+box.dataset.start), begin(+box.dataset.stop), range);
      lay(line.querySelector(".head"), s.times[s.frame], s.times[s.frame] + gap(s.frame), range);
      const open = line.querySelector(".open");
      open.hidden = s.start === null && s.stop === null;
      const from = s.start ?? Math.max(0, (s.stop ?? 1) - 1), to = s.stop ?? Math.max(s.frame + 1, from + 1);
      lay(open, begin(from), begin(Math.max(to, from + 1)), range);
    }
    const [low, high] = window_(), view = $("view");
    lay(view, low, high, [0, length()]);
    view.hidden = high - low >= length() - 1e-6;
    $("clock").textContent = `${spoken(s.times[s.frame])} / ${spoken(length())}`;
    $("number").textContent = `frame ${s.frame}`;
    $("whole").setAttribute("aria-valuenow", String(s.frame));
    $("whole").setAttribute("aria-valuetext", `${spoken(s.times[s.frame])}, frame ${s.frame}`);
  }

  function drawLine(line) {
    line.querySelectorAll(".cut").forEach((box) => box.remove());
    for (const cut of s.cuts) {
      const box = element("div", "cut");
      Object.assign(box.dataset, { start: cut.start, stop: cut.stop, name: name(cut) });
      box.style.setProperty("--tint", colour(cut.action));
      box.title = `${cut.action}: frames ${cut.start} to ${cut.stop - 1}`;
      box.append(element("span", "", cut.action));
      if (name(cut) === s.picked) {
        box.classList.add("picked");
        for (const edge of ["start", "stop"]) box.append(Object.assign(element("i", `edge ${edge}`), { title: `Drag the ${edge}` }));
      }
      line.append(box);
    }
  }

  function drawActions() {
    const chips = s.actions.map((action, n) => {
      const chip = element("button", "chip");
      chip.type = "button";
      chip.style.setProperty("--tint", colour(action));
      chip.setAttribute("aria-pressed", String(action === s.action));
      if (n < 9) chip.append(element("kbd", "", String(n + 1)));
      chip.append(element("span", "", action));
      chip.onclick = () => choose(action);
      return chip;
    });
    $("chips").replaceChildren(...chips);
  }

  function small(text, label, act) {
    const made = element("button", "small", text);
    made.type = "button";
    made.title = made.ariaLabel = label;
    made.onclick = (event) => { event.stopPropagation(); act(); };
    return made;
  }

  function row(cut) {
    const made = element("div", "row");
    made.setAttribute("role", "listitem");
    made.style.setProperty("--tint", colour(cut.action));
    if (name(cut) === s.picked) made.classList.add("picked");
    const which = element("select");
    which.ariaLabel = "Action";
    which.append(...s.actions.map((action) => new Option(action, action, false, action === cut.action)));
    which.onchange = () => swap(cut, { ...cut, action: which.value });
    which.onclick = (event) => event.stopPropagation();
    const when = element("span", "when", `${spoken(begin(cut.start))} – ${spoken(begin(cut.stop))}`);
    const many = element("span", "many", `${(begin(cut.stop) - begin(cut.start)).toFixed(2)} s · ${cut.stop - cut.start} frames`);
    if (s.made.has(name(cut))) many.append(element("b", "", " · clip made"));
    const words = element("div", "words");
    words.append(when, many);
    const tools = element("div", "tools");
    tools.append(
      small("▶", "Play this cut", () => { s.picked = name(cut); draw(); play(cut); }),
      small("[", "Start it at the frame shown", () => swap(cut, { ...cut, start: s.frame })),
      small("]", "Stop it after the frame shown", () => swap(cut, { ...cut, stop: s.frame + 1 })),
      small("✕", "Take it away", () => remove(cut)),
    );
    made.append(which, words, tools);
    made.onclick = () => pick(cut);
    return made;
  }

  function draw() {
    s.actions = [...new Set([...data.actions, ...s.cuts.map((cut) => cut.action), ...s.typed])];
    if (!s.actions.includes(s.action)) s.action = s.actions[0] ?? "";
    drawActions();
    drawLine($("whole"));
    drawLine($("close"));
    const list = $("list");
    list.replaceChildren(...s.cuts.map(row));
    list.querySelector(".picked")?.scrollIntoView({ block: "nearest" });
    $("none").hidden = s.cuts.length > 0;
    $("undo").hidden = !s.past.length;
    for (const which of ["start", "stop"]) $(which === "start" ? "in" : "out").classList.toggle("on", s[which] !== null);
    place();
  }

  // ---- hands ----
  function frameAt(line, event) {
    const box = line.getBoundingClientRect(), [low, high] = s.drag?.range ?? ends(line);
    return at(low + Math.max(0, Math.min(1, (event.clientX - box.left) / box.width)) * (high - low) - 0.0015);
  }

  for (const line of [$("whole"), $("close")]) {
    line.onpointerdown = (event) => {
      const edge = event.target.closest(".edge"), box = event.target.closest(".cut");
      // The close line follows the frame shown: while it is held, it stands still.
      s.drag = { range: ends(line), edge: edge && (edge.classList.contains("start") ? "start" : "stop"),
        cut: box && s.cuts.find((cut) => name(cut) === box.dataset.name), moved: false };
      line.setPointerCapture(event.pointerId);
      if (!edge) { film.pause(); go(frameAt(line, event)); }
    };
    line.onpointermove = (event) => {
      if (!s.drag) return;
      s.drag.moved = true;
      go(frameAt(line, event));
    };
    line.onpointerup = () => {
      const drag = s.drag;
      s.drag = null;
      if (drag?.edge && drag.cut && drag.moved) swap(drag.cut, { ...drag.cut, [drag.edge]: drag.edge === "start" ? s.frame : s.frame + 1 });
      else if (drag?.cut && !drag.moved) { s.picked = name(drag.cut); draw(); } else place();
    };
    line.onpointercancel = () => { s.drag = null; };
  }
  $("play").onclick = () => play();
  $("back").onclick = () => { film.pause(); go(s.frame - 1); };
  $("on").onclick = () => { film.pause(); go(s.frame + 1); };
  $("far-back").onclick = () => skip(-1);
  $("far-on").onclick = () => skip(1);
  $("in").onclick = () => mark("start");
  $("out").onclick = () => mark("stop");
  $("add").onclick = add;
  $("undo").onclick = undo;
  $("nearer").onclick = () => { s.zoom = Math.max(0, s.zoom - 1); place(); };
  $("farther").onclick = () => { s.zoom = Math.min(CLOSE.length - 1, s.zoom + 1); place(); };
  $("speed").onchange = (event) => { film.playbackRate = Number(event.target.value); };
  $("naming").onsubmit = (event) => {
    event.preventDefault();
    const action = $("new").value.trim().replace(/\s+/g, " ").slice(0, 80);
    if (!action) return;
    s.typed.push(action);
    $("new").value = "";
    choose(action);
    if (s.start !== null) add();
    bench.focus({ preventScroll: true });
  };
  // Whoever clicks a button goes on with keys: Space must not press it again.
  bench.onclick = (event) => { if (event.detail && event.target.closest("button")) bench.focus({ preventScroll: true }); };

  const keys = (event) => {
    const target = event.composedPath()[0];
    const here = event.composedPath().includes(bench);
    if (!here && document.activeElement !== document.body) return; // somebody types elsewhere
    if (/^(INPUT|SELECT|TEXTAREA)$/.test(target.tagName ?? "") || event.altKey) return;
    if (target.tagName === "BUTTON" && (event.key === " " || event.key === "Enter")) return;
    const cut = s.cuts.find((one) => name(one) === s.picked), row = s.cuts.indexOf(cut);
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (event.ctrlKey || event.metaKey) {
      if (key !== "z") return;
      undo();
    } else if (key === " ") play();
    else if (key === "ArrowLeft" || key === "ArrowRight") {
      const way = key === "ArrowLeft" ? -1 : 1;
      film.pause();
      if (event.shiftKey) skip(way); else go(s.frame + way);
    } else if ((key === "ArrowUp" || key === "ArrowDown") && s.cuts.length && here) {
      pick(s.cuts[Math.max(0, Math.min(s.cuts.length - 1, row < 0 ? 0 : row + (key === "ArrowUp" ? -1 : 1)))]);
    } else if (key === "Home") go(0);
    else if (key === "End") go(last());
    else if (key === "i") mark("start");
    else if (key === "o") mark("stop");
    else if (key === "Enter") add();
    else if (key === "p" && cut) play(cut);
    else if ((key === "Delete" || key === "Backspace") && cut) remove(cut);
    else if (key === "Escape") { s.start = s.stop = s.picked = null; say(""); draw(); }
    else if (/^[1-9]$/.test(key)) { const action = s.actions[Number(key) - 1]; if (action) choose(action); }
    else return;
    event.preventDefault();
    event.stopPropagation(); // Streamlit has shortcuts of its own
  };
  // Streamlit may draw anew before it has ended the drawing before: two listeners would do each key twice.
  document.removeEventListener("keydown", s.keys, true);
  document.addEventListener("keydown", (s.keys = keys), true);

  // ---- what Python says ----
  if (data.stamp !== s.stamp) {
    s.stamp = data.stamp;
    s.cuts = data.cuts;
    s.past = [];
  }
  const clock = JSON.stringify(data.clock);
  if (clock !== s.clock) { s.clock = clock; s.times = timesOf(data.clock); s.frame = clamp(s.frame); }
  s.made = new Set(data.made);
  if (data.url !== s.url) {
    s.url = data.url;
    s.origin = s.goal = null;
    s.frame = 0;
    bench.classList.remove("ready");
    film.src = new URL(data.url, location.origin).href;
  }
  $("whole").setAttribute("aria-valuemax", String(last()));
  listen();
  draw();
  return () => document.removeEventListener("keydown", keys, true);
}
