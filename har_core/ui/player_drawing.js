// Draws the parts of the player from what it is given; what a click on them does is said by who calls.
// `data` is that of player.js, `view` the [from, to] seconds that the timeline shows.
const STEPS = [0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600];
const ROWS = 800; // of the table: more makes the page slow

const colour = (data, n) => data.colours[n] ?? "#64748b";
const name = (data, n) => data.classes[n] ?? "";
const share = ([low, high], seconds) => (seconds - low) / (high - low);

// Bars of [class, p]: done at every frame, so what is there is used again.
function drawBars(data, box, found) {
  const old = [...box.children];
  found.slice(0, data.k).forEach(([which, p], n) => {
    let bar = old[n];
    if (!bar) {
      bar = element("div", "bar");
      bar.append(element("i"), element("span"), element("b"));
      box.append(bar);
    }
    bar.style.setProperty("--tint", colour(data, which));
    bar.children[0].style.width = `${100 * p}%`;
    if (bar.children[1].textContent !== name(data, which)) bar.children[1].textContent = bar.children[1].title = name(data, which);
    bar.children[2].textContent = percent(p);
  });
  old.slice(Math.min(found.length, data.k)).forEach((bar) => bar.remove());
}

// Marks of time and small stills; `image` holds these side by side.
function drawRuler(data, ruler, view, length, image) {
  const [low, high] = view, width = Math.max(80, ruler.clientWidth), parts = [];
  if (data.frames && image?.complete && image.naturalWidth) {
    const each = (image.naturalWidth / data.stills) * (34 / image.naturalHeight);
    const room = ((length / data.stills) / (high - low)) * width, stride = Math.max(1, Math.ceil(each / room));
    for (let n = Math.floor(stride / 2); n < data.stills; n += stride) {
      const x = share(view, ((n + 0.5) * length) / data.stills) * width;
      if (x < -each || x > width + each) continue;
      const still = element("div", "still");
      Object.assign(still.style, { left: `${x}px`, width: `${each}px`, backgroundImage: `url(${data.frames})`,
        backgroundSize: `${each * data.stills}px 34px`, backgroundPosition: `${-n * each}px 0` });
      parts.push(still);
    }
  }
  const step = STEPS.find((one) => (one / (high - low)) * width >= 58) ?? 7200;
  for (let n = Math.ceil(low / step); n * step <= high; n++) {
    if (share(view, n * step) * width > width - 30) break;
    const mark = element("div", "mark", spoken(n * step, step < 1 ? 1 : 0));
    mark.style.left = `${100 * share(view, n * step)}%`;
    parts.push(mark);
  }
  ruler.replaceChildren(...parts);
}

function drawTrack(data, track, view, lane) {
  const [low, high] = view, width = Math.max(80, track.clientWidth), parts = [];
  const lay = (box, from, to) => {
    const left = Math.max(-0.01, share(view, from)), right = Math.min(1.01, share(view, to));
    box.style.left = `${100 * left}%`;
    box.style.width = `${100 * Math.max(0, right - left)}%`;
    return box;
  };
  parts.push(lay(element("div", "span"), lane.start, lane.stop));
  let end = -1;
  lane.segments.forEach((segment, n) => {
    const [which, start, stop, p] = segment;
    if (stop <= low || start >= high) return;
    const from = share(view, start) * width, to = share(view, stop) * width;
    if (to - from < 1.5 && from < end + 0.5) return; // so close that nobody could tell them apart: zoom in
    end = to;
    const box = lay(element("button", "seg"), start, stop);
    box.type = "button";
    box.style.setProperty("--tint", colour(data, which));
    Object.assign(box.dataset, { start, stop, n });
    box.tabIndex = n === (lane.focus ?? 0) ? 0 : -1; // one stop of the Tab key for each lane
    box.ariaLabel = `${lane.name}: ${name(data, which)}, ${spoken(start)} to ${spoken(stop)}, ${percent(p)}`;
    if (Math.min(to, width) - Math.max(from, 0) > 34) { box.classList.add("wide"); box.textContent = name(data, which); }
    parts.push(box);
  });
  const focused = track.getRootNode().activeElement?.closest?.(".seg");
  const again = focused && track.contains(focused) ? focused.dataset.n : null;
  track.replaceChildren(...parts);
  const boxes = [...track.querySelectorAll(".seg")];
  if (boxes.length && !boxes.some((box) => box.tabIndex === 0)) boxes[0].tabIndex = 0;
  if (again !== null) boxes.find((box) => box.dataset.n === again)?.focus({ preventScroll: true });
}

// The name of a lane, its track, and a face where there is one.
function laneRow(lane, n, choose) {
  const row = element("div", "row"), label = element("button", "name"), track = element("div", "track");
  label.type = "button";
  label.ariaLabel = `${lane.name}: show its probabilities`;
  if (lane.portrait) label.append(Object.assign(element("img"), { src: lane.portrait, alt: "" }));
  label.append(element("span", "", lane.short));
  if (lane.track === null) label.append(element("span", "long", "picture"));
  label.onclick = choose;
  track.dataset.lane = n;
  track.setAttribute("role", "group");
  track.ariaLabel = `${lane.name}: ${lane.segments.length} segments`;
  row.append(label, track);
  return row;
}

// The card of a person: a portrait, the answer for all of it, and how to mend who it is.
function personCard(data, lane, n, others, { choose, merge, split }) {
  const card = element("div", "person"), picture = element(lane.portrait ? "img" : "div", "portrait"), head = element("h4");
  card.setAttribute("role", "listitem");
  card.dataset.lane = n;
  if (lane.portrait) { picture.src = lane.portrait; picture.alt = lane.name; }
  picture.title = "Show this person's probabilities";
  picture.onclick = choose;
  head.append(element("span", "", lane.name), element("small", "", `${spoken(lane.start)} – ${spoken(lane.stop)}`));
  const box = element("div", "bars");
  drawBars(data, box, lane.top.slice(0, 3));
  card.append(picture, head, box);
  if (data.mend) card.append(mending(lane, n, others, merge, split));
  return card;
}

function mending(lane, n, others, merge, split) {
  const box = element("div", "mend");
  if (others) {
    const select = element("select", "small");
    select.ariaLabel = `${lane.name} is the same as`;
    select.append(new Option("Same person as …", ""));
    // Not before they are asked for: of a crowd each could be each other, which makes millions.
    select.onfocus = select.onpointerdown = () => {
      if (select.options.length === 1) select.append(...others().map((one) => new Option(one.name, String(one.track))));
    };
    select.onchange = () => { if (select.value) merge(Number(select.value)); select.value = ""; };
    box.append(select);
  }
  const cut = element("button", "small cut", "Split");
  cut.type = "button";
  cut.dataset.lane = n;
  cut.title = "From here on it is somebody else";
  cut.onclick = split;
  box.append(cut);
  return box;
}

// A row for each segment; `jump(lane, segment)` goes there.
function tableRows(data, lanes, jump) {
  const made = [];
  for (const lane of lanes) for (const segment of lane.segments) {
    if (made.length >= ROWS) break;
    const [which, start, stop, p] = segment, row = element("tr"), go = element("button", "jump", spoken(start));
    go.type = "button";
    go.ariaLabel = `Go to ${spoken(start)}`;
    go.onclick = () => jump(lane, segment);
    const cells = [element("td", "", lane.name), element("td", "", name(data, which)), element("td"), element("td", "", spoken(stop)), element("td", "", percent(p))];
    cells[2].append(go);
    row.append(...cells);
    made.push(row);
  }
  if (made.length >= ROWS) made.push(Object.assign(element("tr"), { innerHTML: "<td colspan='5'>The rest is in the CSV.</td>" }));
  return made;
}

// What the pointer is at: the time, what is said of it, and the most probable actions as [class, p].
function tipParts(data, lane, seconds, found) {
  const head = element("div", "title"), lines = found.map(([which, p]) => {
    const line = element("p");
    line.style.setProperty("--tint", colour(data, which));
    line.append(element("span", "", name(data, which)), element("b", "", percent(p)));
    return line;
  });
  head.append(element("span", "", lane.name), element("span", "", spoken(seconds)));
  const [text, doubt] = verdict(lane, seconds, data.classes);
  return [head, ...(doubt ? [element("div", "", text)] : []), ...lines];
}
