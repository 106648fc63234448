// Marks of the player on a canvas or in an SVG, and the figures made of them.
const planeFigures = (function () {
  function canvasPen(canvas, width, height) {
    const ratio = window.devicePixelRatio || 1;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    const pen = canvas.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    function begin(style) {
      pen.globalAlpha = style.alpha ?? 1;
      pen.lineWidth = style.width ?? 1;
      pen.setLineDash(style.dash ?? []);
      if (style.stroke) pen.strokeStyle = style.stroke;
      if (style.fill) pen.fillStyle = style.fill;
      pen.beginPath();
    }
    function end(style) {
      if (style.fill) pen.fill();
      if (style.stroke) pen.stroke();
      pen.globalAlpha = 1;
    }
    return {
      path(points, style) {
        begin(style);
        points.forEach((p, n) => pen[n ? "lineTo" : "moveTo"](p[0], p[1]));
        end(style);
      },
      rect(x, y, w, h, style) { begin(style); pen.rect(x, y, w, h); end(style); },
      circle(x, y, r, style) { begin(style); pen.arc(x, y, r, 0, 7); end(style); },
      text(x, y, words, style) {
        pen.save();
        pen.translate(x, y);
        if (style.turned) pen.rotate(-Math.PI / 2);
        pen.fillStyle = style.fill;
        pen.font = (style.size ?? 13) + "px system-ui, sans-serif";
        pen.textAlign = style.align ?? "left";
        pen.textBaseline = "middle";
        pen.fillText(words, 0, 0);
        pen.restore();
      },
    };
  }

  function svgPen(width, height, background) {
    const out = [];
    const number = v => (Math.round(v * 100) / 100).toString();
    const escaped = s => s.replace(/[&<>"]/g, c => "&#" + c.charCodeAt(0) + ";");
    const paint = s => ' fill="' + (s.fill ?? "none") + '"' +
      (s.stroke ? ' stroke="' + s.stroke + '" stroke-width="' + (s.width ?? 1) + '"' : "") +
      (s.dash?.length ? ' stroke-dasharray="' + s.dash.join(" ") + '"' : "") +
      (s.alpha !== undefined ? ' opacity="' + s.alpha + '"' : "");
    const anchors = { left: "start", center: "middle", right: "end" };
    return {
      path(points, s) {
        const places = points.map(p => number(p[0]) + "," + number(p[1])).join(" ");
        out.push('<polyline points="' + places + '"' + paint(s) + "/>");
      },
      rect(x, y, w, h, s) {
        out.push('<rect x="' + number(x) + '" y="' + number(y) + '" width="' +
          number(w) + '" height="' + number(h) + '"' + paint(s) + "/>");
      },
      circle(x, y, r, s) {
        out.push('<circle cx="' + number(x) + '" cy="' + number(y) + '" r="' + r + '"' +
          paint(s) + "/>");
      },
      text(x, y, words, s) {
        out.push('<text transform="translate(' + number(x) + " " + number(y) + ")" +
          (s.turned ? " rotate(-90)" : "") + '" fill="' + s.fill + '" font-size="' +
          (s.size ?? 13) + '" text-anchor="' + anchors[s.align ?? "left"] +
          '" dominant-baseline="central">' + escaped(words) + "</text>");
      },
      // The name of the namespace, in parts: pages of this package load nothing.
      document: () => '<svg xmlns="' + "http:" + "//www.w3.org/2000/svg" +
        '" width="' + width + '" height="' + height + '" viewBox="0 0 ' + width + " " +
        height + '" font-family="system-ui, sans-serif"><rect width="100%" ' +
        'height="100%" fill="' + background + '"/>' + out.join("") + "</svg>",
    };
  }

  function ticks(end, most) {
    const rough = end / most, power = Math.pow(10, Math.floor(Math.log10(rough)));
    const step = [1, 2, 5, 10].map(x => x * power).find(x => x >= rough * 0.999);
    const out = [];
    for (let k = 0; k * step <= end * 1.0001; k++) out.push(k * step);
    return { at: out, digits: Math.max(0, -Math.floor(Math.log10(step) + 1e-9)) };
  }

  // Places of the window [x0, x1] x [y0, y1] of a plane in a box of pixels.
  function scales(box, window) {
    const [x0, x1, y0, y1] = window;
    return {
      px: v => box.left + (v - x0) / (x1 - x0) * (box.right - box.left),
      py: v => box.bottom - (v - y0) / (y1 - y0) * (box.bottom - box.top),
      holds: (x, y) => x >= x0 && x <= x1 && y >= y0 && y <= y1,
    };
  }

  function marks(pen, panel, state, theme, scale, radius) {
    const { frame, estimator } = state;
    panel.layers.forEach(function (_, l) {
      const color = theme.layers[l], faded = state.faded.has(l);
      if (!state.trail) return;
      let run = [];
      for (let e = 0; e <= frame + 1; e++) {
        const p = e <= frame ? panel.mean(estimator, e, l, state.seed) : null;
        if (p && scale.holds(p[0], p[1])) {
          run.push([scale.px(p[0]), scale.py(p[1])]);
          continue;
        }
        if (run.length > 1) {
          pen.path(run, { stroke: color, width: 1.5, alpha: faded ? 0.12 : 0.65 });
        }
        run = [];
      }
    });
    panel.layers.forEach(function (_, l) {
      const color = theme.layers[l], faded = state.faded.has(l);
      for (let s = 0; s < panel.num_seeds; s++) {
        const p = panel.at(estimator, frame, l, s);
        if (!p || !scale.holds(p[0], p[1])) continue;
        const other = state.seed !== null && state.seed !== s;
        pen.circle(scale.px(p[0]), scale.py(p[1]), other ? radius * 0.7 : radius,
          { fill: color, alpha: faded || other ? 0.12 : 0.8 });
      }
    });
  }

  // Where several layers lie on top of each other: a window around most of them.
  function pile(panel, state, limits) {
    const places = panel.layers.map((_, l) => state.faded.has(l) ? null :
      panel.mean(state.estimator, state.frame, l, state.seed)).filter(p => p);
    let best = [];
    for (const p of places) {
      const near = places.filter(q => Math.abs(p[0] - q[0]) < 0.06 * limits[0] &&
        Math.abs(p[1] - q[1]) < 0.06 * limits[1]);
      if (near.length > best.length) best = near;
    }
    if (best.length < 2) return null;
    const xs = best.map(p => p[0]), ys = best.map(p => p[1]);
    const pad = [0.025 * limits[0], 0.025 * limits[1]];
    return [Math.max(0, Math.min(...xs) - pad[0]), Math.max(...xs) + pad[0],
            Math.max(0, Math.min(...ys) - pad[1]), Math.max(...ys) + pad[1]];
  }

  // Draws a plane; returns the places of its points, for who points at them.
  function plane(pen, width, height, panel, state, data, theme, legend) {
    const small = width < 420, size = small ? 11 : 13;
    const limits = data.estimators[state.estimator].limits;
    const box = { left: small ? 44 : 54, right: width - (legend ? 150 : 12),
                  top: panel.title || legend ? 30 : 12, bottom: height - 42 };
    const scale = scales(box, [-0.01 * limits[0], limits[0], -0.01 * limits[1], limits[1]]);
    const ink = { fill: theme.ink, size }, muted = { fill: theme.muted, size: size - 1 };
    pen.path([[box.left, box.top], [box.left, box.bottom], [box.right, box.bottom]],
      { stroke: theme.muted });
    const xs = ticks(limits[0], small ? 5 : 8), ys = ticks(limits[1], small ? 5 : 8);
    for (const v of xs.at) {
      pen.path([[scale.px(v), box.bottom], [scale.px(v), box.bottom + 4]],
        { stroke: theme.muted });
      pen.text(scale.px(v), box.bottom + 13, v.toFixed(xs.digits), { ...ink, align: "center" });
    }
    for (const v of ys.at) {
      pen.path([[box.left - 4, scale.py(v)], [box.left, scale.py(v)]], { stroke: theme.muted });
      pen.text(box.left - 7, scale.py(v), v.toFixed(ys.digits), { ...ink, align: "right" });
    }
    pen.text((box.left + box.right) / 2, height - 10, "I(X;T) (bits)", { ...ink, align: "center" });
    pen.text(9, (box.top + box.bottom) / 2, "I(T;Y) (bits)", { ...ink, align: "center", turned: true });
    const guide = { stroke: theme.muted, dash: [1, 3] };
    const [most, known] = panel.ceilings;
    if (most !== null && most < limits[0]) {
      pen.path([[scale.px(most), box.top], [scale.px(most), box.bottom]], guide);
      pen.text(scale.px(most) - 4, box.bottom - 10, "log\u2082 N", { ...muted, align: "right" });
    }
    if (known !== null && known < limits[1]) {
      pen.path([[box.left, scale.py(known)], [box.right, scale.py(known)]], guide);
      pen.text(box.left + 5, scale.py(known) - 9, "I(X;Y)", muted);
    }
    if (panel.title) pen.text(box.left, 14, panel.title, ink);
    const radius = small ? 2.5 : 3.5;
    marks(pen, panel, state, theme, scale, radius);
    const window = state.inset ? pile(panel, state, limits) : null;
    let inner = null;
    if (window) {
      const w = 0.4 * (box.right - box.left), h = 0.42 * (box.bottom - box.top);
      // Layers lie above the diagonal, so that the lower right corner is free, unless
      // the pile itself is there.
      const low = window[2] > 0.5 * limits[1];
      const top = low ? box.bottom - h - 20 : box.top + 8;
      inner = { left: box.right - w - 8, right: box.right - 8, top, bottom: top + h };
      pen.rect(scale.px(window[0]), scale.py(window[3]), scale.px(window[1]) - scale.px(window[0]),
        scale.py(window[2]) - scale.py(window[3]), { stroke: theme.muted });
      pen.rect(inner.left, inner.top, w, h, { fill: theme.page, stroke: theme.muted });
      marks(pen, panel, state, theme, scales(inner, window), radius + 0.5);
      const times = Math.round(limits[0] * w / (window[1] - window[0]) / (box.right - box.left));
      pen.text(inner.left + 5, inner.top + 10, "\u00d7 " + Math.max(times, 1), muted);
    }
    if (legend) {
      data.layers.forEach(function (layer, l) {
        const y = box.top + 10 + 19 * l, alpha = state.faded.has(l) ? 0.25 : 1;
        pen.circle(box.right + 18, y, 4.5, { fill: theme.layers[l], alpha });
        pen.text(box.right + 28, y, layer.name, ink);
      });
      pen.text(box.right + 13, height - 10, legend, muted);
    }
    const places = [];
    panel.layers.forEach(function (_, l) {
      for (let s = 0; s < panel.num_seeds; s++) {
        const p = panel.at(state.estimator, state.frame, l, s);
        if (p && !state.faded.has(l)) places.push([scale.px(p[0]), scale.py(p[1]), l, s, p]);
      }
    });
    return { places, scale, box };
  }

  // Losses and both informations against the snapshots, with a cursor.
  function strips(pen, width, height, panel, state, data, theme, cursor) {
    const small = width < 420, size = 11, last = panel.epochs.length - 1;
    const left = small ? 44 : 54, right = width - 12, bottom = height - 20;
    const rows = [];
    const bits = d => (e, l) => panel.mean(state.estimator, e, l, state.seed)?.[d];
    const layers = panel.layers.map((_, l) => l);
    if (panel.losses) {
      const of = split => e => panel.losses[split]?.[e];
      rows.push([panel.losses.label + (panel.losses.test ? ", test dashed" : ""), [[of("train"), theme.ink, []], [of("test"), theme.ink, [4, 3]]]]);
    }
    rows.push(["I(X;T)", layers.map(l => [e => bits(0)(e, l), theme.layers[l], [], l])]);
    rows.push(["I(T;Y)", layers.map(l => [e => bits(1)(e, l), theme.layers[l], [], l])]);
    const tall = bottom / rows.length;
    const px = e => left + (last ? e / last : 0.5) * (right - left);
    rows.forEach(function ([name, lines], row) {
      const low = (row + 1) * tall - 6, high = row * tall + 16;
      const known = lines.flatMap(([f]) => panel.epochs.map((_, e) => f(e)))
        .filter(v => v !== null && v !== undefined);
      const top = Math.max(1e-6, ...known);
      pen.path([[left, low], [right, low]], { stroke: theme.muted, alpha: 0.6 });
      pen.text(left, row * tall + 8, name, { fill: theme.ink, size });
      pen.text(left - 6, high, top.toPrecision(2), { fill: theme.muted, size: 10, align: "right" });
      pen.text(left - 6, low, "0", { fill: theme.muted, size: 10, align: "right" });
      for (const [f, color, dash, l] of lines) {
        const points = panel.epochs.map((_, e) => [e, f(e)])
          .filter(p => p[1] !== null && p[1] !== undefined)
          .map(([e, v]) => [px(e), low - v / top * (low - high)]);
        pen.path(points, { stroke: color, width: 1.4, dash, alpha: state.faded.has(l) ? 0.12 : 0.9 });
      }
    });
    const marked = [...new Set([0, .25, .5, .75, 1].map(f => Math.round(f * last)))];
    for (const e of marked) {
      const align = e === 0 ? "left" : e === last ? "right" : "center";
      pen.text(px(e), height - 8, (e === 0 ? "epoch " : "") + panel.epochs[e],
        { fill: theme.muted, size: 10, align });
    }
    if (cursor) {
      pen.path([[px(state.frame), 4], [px(state.frame), bottom]], { stroke: theme.accent, width: 2 });
    }
    return { left, right, last };
  }

  return { canvasPen, svgPen, plane, strips };
})();
