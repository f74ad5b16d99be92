// A video with lanes below it: one for the whole picture, one for each person; what was done when, linked with the film.
// `data`: {stamp, url, film, save, outdated, seconds, k, colours: [css], classes: [name], unsure: p, lead: p | null, stills: n,
//   frames: image, vtt, mend: bool, seek: seconds | null, lanes: [{track, name, short, portrait, start, stop, unsure, top: [[class, p]],
//   segments: [[class, start, stop, p]], moments: base64 float32, tops: base64 uint16 [class, p / 1e4] * each}], each: n, trouble: why a fix failed}.
// State `unplayable`: url that the browser cannot play. Trigger `fix`: {stamp, what: "merge" | "split", track, other, seconds}.
const LEAST_VIEW = 2; // seconds: nothing is shown closer
const FIRST = 8; // people that are shown at first: those in view longest
const MORE = 40; // and with each press: a thousand cards at once take a minute to draw
const states = new WeakMap();

function fresh() {
  return { stamp: undefined, url: "", film: "", lanes: [], view: [0, 1], chosen: 0, annotated: false, said: true, track: "", vtt: "", hover: null, drawn: "", shown: FIRST, order: [], cards: [] };
}

export default function (component) {
  const { data, parentElement, setStateValue, setTriggerValue } = component;
  let s = states.get(parentElement);
  if (!s) states.set(parentElement, (s = fresh()));
  const $ = (name) => parentElement.querySelector(`.${name}`);
  const player = $("player"), film = $("film"), rows = $("rows"), ruler = $("ruler"), tip = $("tip");
  const length = Math.max(0.04, data.seconds);
  const now = () => Math.min(length, film.currentTime || 0);
  const say = (text, wrong = false) => { $("told").textContent = text; $("told").classList.toggle("wrong", wrong); };

  // ---- the film ----
  function seek(seconds) {
    // A little in, so that no rounding shows the frame before.
    film.currentTime = Math.max(0, Math.min(length - 0.01, seconds + 0.01));
    place(film.currentTime);
  }

  function jump(lane, segment) {
    s.chosen = s.lanes.indexOf(lane);
    seek(segment[1]);
    reveal(segment[1]);
    choose(s.chosen);
    say(`${lane.name}: ${name(data, segment[0])}, ${spoken(segment[1])} to ${spoken(segment[2])}, ${percent(segment[3])}.`);
  }

  function show(annotated) {
    const url = annotated ? data.film : data.url;
    if (!url || url === s.url) return;
    const keep = s.url ? film.currentTime : (data.seek ?? 0), playing = s.url && !film.paused;
    s.url = url;
    s.annotated = annotated;
    player.classList.remove("ready");
    film.src = new URL(url, location.origin).href;
    film.onloadedmetadata = () => {
      if (keep) film.currentTime = keep;
      if (playing) film.play().catch(() => {});
    };
    kinds();
  }

  function kinds() {
    $("original").setAttribute("aria-pressed", String(!s.annotated));
    $("annotated").setAttribute("aria-pressed", String(s.annotated));
    $("kinds").hidden = !data.film || !data.url;
  }

  film.onloadeddata = () => { player.classList.add("ready"); subtitles(); };
  film.onerror = () => { if (film.getAttribute("src")) setStateValue("unplayable", s.url); };
  film.ontimeupdate = film.onseeked = film.onseeking = () => place(now());
  const run = () => { place(now()); if (!film.paused && film.isConnected) requestAnimationFrame(run); };
  film.onplay = () => requestAnimationFrame(run);

  function subtitles() {
    if (s.vtt !== data.vtt) {
      film.querySelectorAll("track").forEach((track) => track.remove());
      if (s.track) URL.revokeObjectURL(s.track);
      s.vtt = data.vtt;
      s.track = data.vtt ? URL.createObjectURL(new Blob([data.vtt], { type: "text/vtt" })) : "";
      if (s.track) film.append(Object.assign(element("track"), { kind: "subtitles", label: "Actions", srclang: "en", src: s.track }));
    }
    const on = $("subtitles").getAttribute("aria-pressed") === "true";
    for (const track of film.textTracks) track.mode = on ? "showing" : "disabled";
  }

  // ---- what is drawn ----
  const across = (seconds) => share(s.view, seconds); // of the timeline

  // Where the film is: cheap, for it is done at every frame.
  function place(seconds) {
    const [low, high] = s.view;
    if (!film.paused && (seconds > high || seconds < low) && high - low < length - 1e-6) look(seconds - 0.1 * (high - low), high - low);
    const over = $("over"), head = over.querySelector(".head"), x = across(seconds);
    head.hidden = x < -0.001 || x > 1.001;
    head.style.transform = `translateX(${Math.min(1, x) * over.clientWidth}px)`;
    const lane = s.lanes[s.chosen];
    if (lane) {
      const [text, doubt] = verdict(lane, seconds, data.classes);
      $("who").textContent = lane.name;
      $("when").textContent = spoken(seconds);
      $("said").textContent = text;
      $("said").classList.toggle("doubt", doubt);
      drawBars(data, $("moment"), probable(lane, seconds, data.each));
    }
    $("clock").textContent = `${spoken(seconds)} / ${spoken(length, 0)}`;
    ruler.setAttribute("aria-valuenow", seconds.toFixed(1));
    ruler.setAttribute("aria-valuetext", spoken(seconds));
    for (const box of rows.querySelectorAll(".seg")) box.classList.toggle("on", +box.dataset.start <= seconds && seconds < +box.dataset.stop);
    for (const box of player.querySelectorAll(".cut")) {
      const one = s.lanes[+box.dataset.lane];
      box.disabled = !(seconds > one.start + 0.2 && seconds < one.stop - 0.2);
      box.textContent = `Split at ${spoken(seconds)}`;
    }
  }

  function look(from, wide) {
    wide = Math.max(Math.min(LEAST_VIEW, length), Math.min(length, wide));
    const low = Math.max(0, Math.min(length - wide, from));
    s.view = [low, low + wide];
    const before = s.order.slice(0, s.shown);
    s.order = ranked();
    if (s.order.slice(0, s.shown).some((n) => !before.includes(n))) fold();
    drawLanes();
    place(now());
  }
  const zoom = (by, around = now()) => look(around - across(around) * (s.view[1] - s.view[0]) * by, (s.view[1] - s.view[0]) * by);
  function reveal(seconds) {
    const [low, high] = s.view;
    if (seconds < low || seconds > high) look(seconds - 0.2 * (high - low), high - low);
  }

  const rule = () => drawRuler(data, ruler, s.view, length, s.image);

  function drawLanes() {
    rule();
    [...rows.children].forEach((row, n) => { if (!row.hidden) drawTrack(data, row.querySelector(".track"), s.view, s.lanes[n]); });
    const whole = s.view[1] - s.view[0] >= length - 1e-6;
    $("wider").disabled = whole;
    $("nearer").disabled = s.view[1] - s.view[0] <= Math.min(LEAST_VIEW, length) + 1e-6;
  }

  function choose(n) {
    s.chosen = n;
    [...rows.children].forEach((row, i) => { row.classList.toggle("chosen", i === n && s.lanes.length > 1); row.querySelector("button.name").setAttribute("aria-pressed", String(i === n)); });
    for (const card of player.querySelectorAll(".person")) card.classList.toggle("chosen", +card.dataset.lane === n);
    drawBars(data, $("overall"), s.lanes[n]?.top ?? []);
    place(now());
  }

  function buildRows() {
    rows.replaceChildren(...s.lanes.map((lane, n) => laneRow(lane, n, () => choose(n))));
    s.cards = [];
    const body = tableRows(data, s.lanes, jump);
    parentElement.querySelector("tbody").replaceChildren(...body);
    $("twin").hidden = !body.length;
    s.order = ranked();
    fold();
  }

  // People by how long they are in the part of the film that the lanes show; of those who are not in it, the nearest.
  function ranked() {
    const [low, high] = s.view, seen = s.lanes.map((lane) => Math.min(lane.stop, high) - Math.max(lane.start, low));
    return [...s.lanes.keys()].filter((n) => s.lanes[n].track !== null).sort((a, b) => seen[b] - seen[a]);
  }

  // Of a crowd only those in view longest are shown, until more are asked for.
  function fold() {
    const people = s.order.length, few = new Set(s.order.slice(0, s.shown)), away = (n) => s.lanes[n].track !== null && !few.has(n) && n !== s.chosen;
    [...rows.children].forEach((row, n) => { row.hidden = away(n); });
    // Made when first shown: an hour may have more than a thousand people.
    const shown = s.lanes.map((lane, n) => (lane.track === null || away(n) ? null : (s.cards[n] ??= person(lane, n)))).filter(Boolean);
    $("people").replaceChildren(...shown);
    const more = $("more");
    more.hidden = people <= FIRST;
    more.textContent = s.shown >= people ? `Show the ${FIRST} who are in view longest`
      : s.shown + MORE < people ? `Show ${MORE} more of ${people.toLocaleString("en")} people` : `Show all ${people} people`;
  }

  function person(lane, n) {
    const others = () => s.lanes.filter((one) => one.track !== null && one !== lane);
    return personCard(data, lane, n, data.lanes.length > 2 && others, {
      choose: () => { choose(n); seek(lane.start); reveal(lane.start); },
      merge: (other) => fix({ what: "merge", track: lane.track, other, seconds: 0 }),
      split: () => fix({ what: "split", track: lane.track, other: 0, seconds: now() }),
    });
  }

  function fix(what) {
    say(`${what.what === "merge" ? "Merging" : "Splitting"}. The first correction loads the model, which takes some seconds.`);
    setTriggerValue("fix", { stamp: data.stamp, ...what });
  }

  // ---- hands ----
  const timeAt = (track, event) => {
    const box = track.getBoundingClientRect();
    return s.view[0] + Math.max(0, Math.min(1, (event.clientX - box.left) / box.width)) * (s.view[1] - s.view[0]);
  };

  function hover(track, seconds) {
    const lane = track === ruler ? s.lanes[0] : s.lanes[+track.dataset.lane], ghost = $("over").querySelector(".ghost");
    ghost.hidden = false;
    ghost.style.transform = `translateX(${across(seconds) * $("over").clientWidth}px)`;
    tip.replaceChildren(...tipParts(data, lane, seconds, probable(lane, seconds, data.each).slice(0, 3)));
    tip.hidden = false;
    const frame = player.getBoundingClientRect(), box = track.getBoundingClientRect();
    const x = box.left - frame.left + across(seconds) * box.width, wide = tip.offsetWidth;
    tip.style.left = `${Math.max(0, Math.min(frame.width - wide, x - wide / 2))}px`;
    const above = box.top - frame.top - tip.offsetHeight - 8;
    tip.style.top = `${above}px`;
  }

  function leave() {
    tip.hidden = true;
    $("over").querySelector(".ghost").hidden = true;
  }

  const lanes = $("lanes");
  let drag = null;
  lanes.onpointerdown = (event) => {
    const track = event.target.closest(".track");
    if (!track || event.button) return;
    const box = event.target.closest(".seg");
    if (box) return; // a click on it jumps to its start
    drag = track;
    if (track === ruler) track.setPointerCapture(event.pointerId);
    else choose(+track.dataset.lane);
    seek(timeAt(track, event));
  };
  lanes.onpointermove = (event) => {
    if (drag === ruler) seek(timeAt(ruler, event));
    const track = event.target.closest(".track");
    if (track && event.pointerType === "mouse") hover(track, timeAt(track, event)); else if (event.pointerType === "mouse") leave();
  };
  lanes.onpointerup = lanes.onpointercancel = () => { drag = null; };
  lanes.onpointerleave = leave;
  lanes.onclick = (event) => {
    const box = event.target.closest(".seg");
    if (!box) return;
    const lane = s.lanes[+box.closest(".track").dataset.lane];
    lane.focus = +box.dataset.n;
    jump(lane, lane.segments[+box.dataset.n]);
  };
  lanes.onfocusin = (event) => {
    const box = event.target.closest?.(".seg");
    if (!box || !box.matches(":focus-visible")) return;
    const track = box.closest(".track"), lane = s.lanes[+track.dataset.lane], [, start, stop] = lane.segments[+box.dataset.n];
    hover(track, Math.max(s.view[0], Math.min(s.view[1], (start + stop) / 2)));
  };
  lanes.onfocusout = leave;
  lanes.onwheel = (event) => {
    if (!event.ctrlKey || !event.target.closest(".track")) return;
    event.preventDefault();
    zoom(event.deltaY > 0 ? 1.25 : 0.8, timeAt(event.target.closest(".track"), event));
  };

  // From one segment to another, within a lane or to the nearest of the next lane that has any.
  function step(box, key) {
    const track = box.closest(".track"), n = +track.dataset.lane, lane = s.lanes[n], at_ = +box.dataset.n;
    let to = lane, index = at_;
    if (key === "ArrowLeft" || key === "ArrowRight") index = Math.max(0, Math.min(lane.segments.length - 1, at_ + (key === "ArrowLeft" ? -1 : 1)));
    else if (key === "Home") index = 0;
    else if (key === "End") index = lane.segments.length - 1;
    else {
      const way = key === "ArrowUp" ? -1 : 1, middle = lane.segments[at_][1];
      let other = n + way;
      while (s.lanes[other] && (!s.lanes[other].segments.length || rows.children[other].hidden)) other += way;
      if (!s.lanes[other]) return;
      to = s.lanes[other];
      index = to.segments.reduce((best, one, i) => (Math.abs(one[1] - middle) < Math.abs(to.segments[best][1] - middle) ? i : best), 0);
    }
    to.focus = index;
    reveal(to.segments[index][1]);
    drawLanes();
    rows.children[s.lanes.indexOf(to)].querySelector(`.seg[data-n="${index}"]`)?.focus();
  }

  lanes.onkeydown = (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const box = event.target.closest(".seg"), key = event.key;
    if (box && /^(Arrow(Left|Right|Up|Down)|Home|End)$/.test(key)) step(box, key);
    else if (event.target === ruler && /^(Arrow(Left|Right)|Home|End)$/.test(key)) {
      const by = (key === "ArrowLeft" ? -1 : 1) * (event.shiftKey ? 5 : 1) * Math.min(1, length / 20);
      seek(key === "Home" ? 0 : key === "End" ? length : now() + by);
      reveal(now());
    } else if (event.target === ruler && key === " ") { if (film.paused) film.play().catch(() => {}); else film.pause(); }
    else if (key === "+" || key === "-") zoom(key === "+" ? 0.5 : 2);
    else return;
    event.preventDefault();
    event.stopPropagation(); // Streamlit has shortcuts of its own
  };
  $("nearer").onclick = () => zoom(0.5);
  $("wider").onclick = () => zoom(2);
  $("more").onclick = () => { s.shown = s.shown >= s.order.length ? FIRST : s.shown + MORE; fold(); drawLanes(); choose(s.chosen); };
  $("original").onclick = () => show(false);
  $("annotated").onclick = () => show(true);
  $("speed").onchange = (event) => { film.playbackRate = Number(event.target.value); };
  $("subtitles").onclick = () => {
    const button = $("subtitles"), on = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", String(on));
    subtitles();
  };

  // ---- what Python says ----
  const signature = JSON.stringify([data.stamp, data.lanes, data.k]);
  const another = s.stamp !== undefined && data.stamp !== s.stamp;
  if (data.stamp !== s.stamp) Object.assign(s, { stamp: data.stamp, view: [0, length], chosen: 0, url: "", shown: FIRST });
  if (signature !== s.drawn) {
    s.drawn = signature;
    const track = s.lanes[s.chosen]?.track;
    s.lanes = data.lanes.map(decoded);
    s.chosen = Math.max(0, s.lanes.findIndex((lane) => lane.track === (track ?? null)));
    s.image = null;
    say("");
    buildRows();
  }
  if (data.trouble) say(data.trouble, true);
  if (data.frames && !s.image) {
    s.image = new Image();
    s.image.onload = rule;
    s.image.src = data.frames;
  }
  const ahead = data.lead ? `, by less than ${Math.round(100 * data.lead)} points` : "";
  const short = data.lanes.length === 1 && data.lanes[0].segments.length < 2 && data.still;
  $("lanes").hidden = $("zooming").hidden = short;
  $("hint").hidden = short || !s.lanes.some((lane) => lane.segments.length);
  $("hint").textContent = `A bar names an action of which the model was at least ${percent(data.unsure)} sure at some moment. It goes on`
    + ` while at least half of that is left, so at single moments another action may be ahead${ahead}.`;
  $("annotated").textContent = data.outdated ? "Annotated, before your corrections" : "Annotated";
  $("subtitles").hidden = !data.vtt;
  $("save").hidden = !data.film;
  if (data.film) Object.assign($("save"), { href: new URL(data.film, location.origin).href, download: data.save });
  if (s.annotated && data.film !== s.url) s.url = "";
  if (!s.annotated && data.url !== s.url && s.url) s.url = "";
  show((s.annotated || !data.url) && Boolean(data.film));
  $("wait").textContent = data.url || data.film ? "Loading the video" : "There is no video to play";
  kinds();
  subtitles();
  ruler.setAttribute("aria-valuemax", length.toFixed(1));
  drawLanes();
  choose(s.chosen);
  if (another) player.scrollIntoView({ block: "center", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
  const watch = new ResizeObserver(() => drawLanes() ?? place(now()));
  watch.observe(lanes);
  return () => watch.disconnect();
}
