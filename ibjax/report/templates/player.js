// The player of information planes. It stands behind its markup and its data, a JSON
// element (see player_data). Frames are recorded snapshots; none are interpolated. What
// is shown is kept in the page's address, behind the "#".
(function () {
  const store = document.currentScript.previousElementSibling;
  const root = store.previousElementSibling;
  const data = JSON.parse(store.textContent);
  const find = name => root.querySelector("[data-part=" + name + "]");
  const slider = find("time"), output = find("epoch"), speed = find("speed");
  const seedChoice = find("seed"), estimatorChoice = find("estimator");
  const trail = find("trail"), inset = find("inset"), button = find("play");
  const tip = find("tip"), layers = find("layers"), curves = find("strips");
  const last = data.epochs.length - 1;
  const state = { frame: 0, estimator: data.chosen, seed: null, faded: new Set(),
                  trail: true, inset: true, active: 0 };
  let playing = false, clock = 0, hovered = null;

  function decoded(text) {
    const bytes = atob(text), out = new Uint16Array(bytes.length / 2);
    for (let n = 0; n < out.length; n++) {
      out[n] = bytes.charCodeAt(2 * n) + 256 * bytes.charCodeAt(2 * n + 1);
    }
    return out;
  }
  const none = 65535, count = data.seeds.length;
  data.panels.forEach(function (panel) {
    panel.num_seeds = count;
    const cache = new Map();
    const arrays = panel.values.map(v => [decoded(v.x), decoded(v.y), v.unit_x, v.unit_y]);
    panel.at = function (estimator, e, l, s) {
      const [x, y, ux, uy] = arrays[estimator];
      const n = (e * panel.layers.length + l) * count + s;
      return x[n] === none || y[n] === none ? null : [x[n] * ux, y[n] * uy];
    };
    // Of the seeds that have both; of one alone where one is chosen.
    panel.mean = function (estimator, e, l, seed) {
      if (seed !== null) return panel.at(estimator, e, l, seed);
      const key = (estimator * panel.epochs.length + e) * panel.layers.length + l;
      if (!cache.has(key)) {
        let n = 0, x = 0, y = 0;
        for (let s = 0; s < count; s++) {
          const p = panel.at(estimator, e, l, s);
          if (p) { n++; x += p[0]; y += p[1]; }
        }
        cache.set(key, n ? [x / n, y / n] : null);
      }
      return cache.get(key);
    };
    // The last snapshot of a cell up to an epoch of another one.
    panel.frames = data.epochs.map(epoch =>
      Math.max(0, panel.epochs.filter(own => own <= epoch).length - 1));
  });

  function theme() {
    const style = getComputedStyle(root);
    const value = name => style.getPropertyValue(name).trim();
    const dark = value("--dark") === "1";
    return { ink: value("--ink"), muted: value("--muted"), page: value("--page"),
             accent: value("--accent"),
             layers: data.layers.map(layer => dark ? layer.dark : layer.color) };
  }

  const own = panel => ({ ...state, frame: panel.frames[state.frame] });
  const canvases = [...root.querySelectorAll("canvas[data-panel]")];
  let drawn = [], strip = null;

  function draw() {
    const colors = theme();
    drawn = canvases.map(function (canvas, n) {
      const width = canvas.clientWidth, height = canvas.clientHeight;
      if (!width || !height) return null;
      const pen = planeFigures.canvasPen(canvas, width, height), panel = data.panels[n];
      const found = planeFigures.plane(pen, width, height, panel, own(panel), data, colors, "");
      if (hovered && hovered.panel === n) highlight(pen, panel, found.scale, colors);
      return found;
    });
    const panel = data.panels[state.active];
    if (curves.clientWidth) {
      const size = [curves.clientWidth, curves.clientHeight];
      strip = planeFigures.strips(planeFigures.canvasPen(curves, ...size), ...size, panel,
        own(panel), data, colors, true);
    }
    layers.querySelectorAll("button").forEach(function (chip, l) {
      chip.setAttribute("aria-pressed", String(!state.faded.has(l)));
      chip.style.setProperty("--layer", colors.layers[l]);
    });
    output.textContent = "epoch " + data.epochs[state.frame];
    slider.value = state.frame;
    slider.setAttribute("aria-valuetext", output.textContent);
  }

  function highlight(pen, panel, scale, colors) {
    const { layer, seed } = hovered, points = [];
    for (let e = 0; e <= panel.frames[state.frame]; e++) {
      const p = panel.at(state.estimator, e, layer, seed);
      if (p) points.push([scale.px(p[0]), scale.py(p[1])]);
    }
    pen.path(points, { stroke: colors.ink, width: 1.2 });
    const [x, y] = points[points.length - 1] ?? [-9, -9];
    pen.circle(x, y, 6, { stroke: colors.ink, width: 1.5 });
  }

  // The address keeps what differs from how the page begins.
  function remember() {
    const parts = [];
    if (state.frame) parts.push("frame=" + state.frame);
    if (state.estimator !== data.chosen) parts.push("estimator=" + data.estimators[state.estimator].name);
    if (state.seed !== null) parts.push("seed=" + data.seeds[state.seed]);
    if (state.faded.size) parts.push("faded=" + [...state.faded].sort((a, b) => a - b).map(l => l + 1));
    if (!state.trail) parts.push("trail=0");
    if (!state.inset) parts.push("inset=0");
    history.replaceState(null, "", "#" + parts.join("&"));
  }
  function recall() {
    const given = new URLSearchParams(location.hash.slice(1));
    const bounded = Math.min(last, Math.max(0, Math.round(Number(given.get("frame"))) || 0));
    state.frame = bounded;
    const named = data.estimators.findIndex(e => e.name === given.get("estimator"));
    state.estimator = named < 0 ? data.chosen : named;
    const seed = given.has("seed") ? data.seeds.map(String).indexOf(given.get("seed")) : -1;
    state.seed = seed < 0 ? null : seed;
    const faded = (given.get("faded") ?? "").split(",").map(n => Number(n) - 1);
    state.faded = new Set(faded.filter(l => l >= 0 && l < data.layers.length));
    state.trail = given.get("trail") !== "0";
    state.inset = given.get("inset") !== "0";
    estimatorChoice.value = state.estimator;
    seedChoice.value = state.seed ?? "";
    trail.checked = state.trail;
    inset.checked = state.inset;
  }

  function show(frame) {
    state.frame = Math.max(0, Math.min(last, frame));
    draw();
    if (!playing) remember();
  }
  function tick() {
    if (state.frame >= last) { play(false); return; }
    show(state.frame + 1);
    clock = setTimeout(tick, 1000 / Number(speed.value));
  }
  function play(on) {
    playing = on;
    clearTimeout(clock);
    button.textContent = on ? "Pause" : "Play";
    if (!on) { remember(); return; }
    if (state.frame >= last) show(0);
    clock = setTimeout(tick, 1000 / Number(speed.value));
  }
  function changed() { draw(); remember(); }

  function option(select, value, words) {
    const item = document.createElement("option");
    item.value = value;
    item.textContent = words;
    select.append(item);
  }
  data.estimators.forEach((estimator, n) => option(estimatorChoice, n, estimator.label));
  option(seedChoice, "", "all, " + data.count);
  data.seeds.forEach((seed, n) => option(seedChoice, n, "seed " + seed));
  data.layers.forEach(function (layer, l) {
    const chip = document.createElement("button");
    chip.type = "button";
    chip.textContent = layer.name;
    chip.title = "Fade this layer; with Shift, all others";
    chip.addEventListener("click", function (event) {
      if (event.shiftKey) {
        const others = data.layers.map((_, n) => n).filter(n => n !== l);
        const alone = others.every(n => state.faded.has(n)) && !state.faded.has(l);
        state.faded = new Set(alone ? [] : others);
      } else if (!state.faded.delete(l)) state.faded.add(l);
      changed();
    });
    layers.append(chip);
  });

  // What is nearest to a pointer, if it is near.
  function nearest(n, event) {
    const found = drawn[n];
    if (!found) return null;
    const box = canvases[n].getBoundingClientRect();
    const x = event.clientX - box.left, y = event.clientY - box.top;
    let best = null, distance = 14 * 14;
    for (const [px, py, layer, seed, bits] of found.places) {
      if (state.seed !== null && seed !== state.seed) continue;
      const d = (px - x) ** 2 + (py - y) ** 2;
      if (d < distance) { distance = d; best = { panel: n, layer, seed, bits, x: px, y: py }; }
    }
    return best;
  }
  canvases.forEach(function (canvas, n) {
    function point(event) {
      const found = nearest(n, event);
      if (!found && !hovered) return;
      hovered = found;
      tip.hidden = !found;
      if (found) {
        const panel = data.panels[n], [x, y] = found.bits;
        tip.textContent = "layer " + panel.layers[found.layer] + ", seed " +
          data.seeds[found.seed] + ", epoch " + panel.epochs[panel.frames[state.frame]] +
          "\nI(X;T) " + x.toFixed(3) + " bits\nI(T;Y) " + y.toFixed(3) + " bits";
        const outer = root.getBoundingClientRect(), box = canvas.getBoundingClientRect();
        const left = box.left - outer.left + found.x;
        tip.style.left = Math.max(0, Math.min(left + 12, outer.width - tip.offsetWidth)) + "px";
        tip.style.top = box.top - outer.top + found.y + 14 + "px";
      }
      draw();
    }
    canvas.addEventListener("pointermove", point);
    canvas.addEventListener("pointerdown", function (event) {
      state.active = n;
      point(event);
      draw();
    });
    canvas.addEventListener("pointerleave", function () {
      hovered = null;
      tip.hidden = true;
      draw();
    });
    canvas.addEventListener("click", function (event) {
      const found = nearest(n, event);
      if (!found) return;
      state.seed = state.seed === found.seed ? null : found.seed;
      seedChoice.value = state.seed ?? "";
      changed();
    });
  });
  function scrub(event) {
    if (!event.buttons && event.type !== "pointerdown") return;
    const box = curves.getBoundingClientRect();
    const share = (event.clientX - box.left - strip.left) / (strip.right - strip.left);
    const panel = data.panels[state.active];
    const frame = Math.round(Math.max(0, Math.min(1, share)) * strip.last);
    play(false);
    show(data.epochs.indexOf(panel.epochs[frame]));
  }
  curves.addEventListener("pointerdown", function (event) {
    curves.setPointerCapture?.(event.pointerId);
    scrub(event);
  });
  curves.addEventListener("pointermove", scrub);

  function save(kind) {
    const panel = data.panels[state.active], width = 760, height = 480, colors = theme();
    const words = output.textContent;
    const title = data.estimators[state.estimator].label;
    const titled = { ...panel, title: [panel.title, title].filter(t => t).join("; ") };
    const figure = pen => planeFigures.plane(pen, width, height, titled, own(panel), data, colors, words);
    function offer(url) {
      const link = document.createElement("a");
      link.download = "information-plane-" + words.replace(" ", "-") + "." + kind;
      link.setAttribute("href", url);
      link.click();
      root.dispatchEvent(new CustomEvent("saved", { detail: url }));
    }
    if (kind === "svg") {
      const pen = planeFigures.svgPen(width, height, colors.page);
      figure(pen);
      offer(URL.createObjectURL(new Blob([pen.document()], { type: "image/svg+xml" })));
      return;
    }
    const canvas = document.createElement("canvas");
    const pen = planeFigures.canvasPen(canvas, width, height);
    pen.rect(0, 0, width, height, { fill: colors.page });
    figure(pen);
    canvas.toBlob(blob => offer(URL.createObjectURL(blob)));
  }
  find("png").addEventListener("click", () => save("png"));
  find("svg").addEventListener("click", () => save("svg"));

  button.addEventListener("click", () => play(!playing));
  slider.max = last;
  slider.addEventListener("input", function () { play(false); show(Number(slider.value)); });
  estimatorChoice.addEventListener("change", function () {
    state.estimator = Number(estimatorChoice.value);
    changed();
  });
  seedChoice.addEventListener("change", function () {
    state.seed = seedChoice.value === "" ? null : Number(seedChoice.value);
    changed();
  });
  trail.addEventListener("change", function () { state.trail = trail.checked; changed(); });
  inset.addEventListener("change", function () { state.inset = inset.checked; changed(); });
  (data.whole_page ? document : root).addEventListener("keydown", function (event) {
    const kind = event.target.tagName, key = event.key;
    if (event.ctrlKey || event.metaKey || event.altKey || kind === "SELECT") return;
    const step = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[key];
    if (key === " ") {
      if (kind === "BUTTON" || event.target.type === "checkbox") return;
      play(!playing);
    } else if (step) {
      play(false);
      show(state.frame + step);
    } else if (key === "Home" || key === "End") {
      play(false);
      show(key === "Home" ? 0 : last);
    } else return;
    event.preventDefault();
  });
  if (window.ResizeObserver) {
    const watch = new ResizeObserver(draw);
    [...canvases, curves].forEach(canvas => watch.observe(canvas));
  }
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener?.("change", draw);
  window.addEventListener("hashchange", function () { recall(); draw(); });
  recall();
  draw();
})();
