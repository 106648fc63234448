// The player of the information plane. It stands behind its markup and its data, a
// JSON element: informations are whole thousandths of a bit, -1 for a value that does
// not exist, in the order [epoch][layer][seed]. Frames are the recorded snapshots; none
// are interpolated.
(function () {
  const store = document.currentScript.previousElementSibling;
  const root = store.previousElementSibling;
  const data = JSON.parse(store.textContent);
  const canvas = root.querySelector("canvas");
  const button = root.querySelector("button");
  const slider = root.querySelector("input[type=range]");
  const output = root.querySelector("output");
  const speed = root.querySelector("select");
  const trail = root.querySelector("input[type=checkbox]");
  const last = data.epochs.length - 1;
  let frame = 0, playing = false, due = 0;
  slider.max = last;

  function ticks(end) {
    const rough = end / 7, power = Math.pow(10, Math.floor(Math.log10(rough)));
    const step = [1, 2, 5, 10].map(x => x * power).find(x => x >= rough);
    const out = [];
    for (let k = 0; k * step <= end * 1.0001; k++) out.push(k * step);
    return { at: out, digits: Math.max(0, -Math.floor(Math.log10(step) + 1e-9)) };
  }

  function draw() {
    const ratio = window.devicePixelRatio || 1;
    const width = canvas.clientWidth, height = canvas.clientHeight;
    if (!width || !height) return;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    const pen = canvas.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    const small = width < 480, font = (small ? 11 : 13) + "px system-ui, sans-serif";
    const box = { left: 58, right: width - (small ? 92 : 130),
                  top: 30, bottom: height - 46 };
    const px = v => box.left + (0.01 + 0.99 * v / data.limits[0]) *
      (box.right - box.left);
    const py = v => box.bottom - (0.01 + 0.99 * v / data.limits[1]) *
      (box.bottom - box.top);
    pen.font = font;
    pen.lineWidth = 1;
    pen.strokeStyle = "#444";
    pen.fillStyle = "#222";
    pen.beginPath();
    pen.moveTo(box.left, box.top);
    pen.lineTo(box.left, box.bottom);
    pen.lineTo(box.right, box.bottom);
    pen.stroke();
    const xs = ticks(data.limits[0]), ys = ticks(data.limits[1]);
    pen.textAlign = "center";
    pen.textBaseline = "top";
    for (const v of xs.at) {
      pen.fillRect(px(v) - .5, box.bottom, 1, 4);
      pen.fillText(v.toFixed(xs.digits), px(v), box.bottom + 7);
    }
    pen.fillText("I(X;T) (bits)", (box.left + box.right) / 2, box.bottom + 26);
    pen.textAlign = "right";
    pen.textBaseline = "middle";
    for (const v of ys.at) {
      pen.fillRect(box.left - 4, py(v) - .5, 4, 1);
      pen.fillText(v.toFixed(ys.digits), box.left - 7, py(v));
    }
    pen.save();
    pen.translate(14, (box.top + box.bottom) / 2);
    pen.rotate(-Math.PI / 2);
    pen.textAlign = "center";
    pen.fillText("I(T;Y) (bits)", 0, 0);
    pen.restore();
    pen.strokeStyle = "#aaa";
    pen.fillStyle = "#555";
    pen.setLineDash([1, 3]);
    pen.beginPath();
    if (data.ceilings[0] !== null) {
      pen.moveTo(px(data.ceilings[0]), box.top);
      pen.lineTo(px(data.ceilings[0]), box.bottom);
      pen.textAlign = "right";
      pen.fillText("log\u2082 N", px(data.ceilings[0]) - 4, box.bottom - 10);
    }
    if (data.ceilings[1] !== null) {
      pen.moveTo(box.left, py(data.ceilings[1]));
      pen.lineTo(box.right, py(data.ceilings[1]));
      pen.textAlign = "left";
      pen.fillText("I(X;Y)", box.left + 5, py(data.ceilings[1]) - 9);
    }
    pen.stroke();
    pen.setLineDash([]);
    pen.textAlign = "left";
    pen.fillStyle = "#222";
    pen.fillText(data.title, box.left, 12);

    data.layers.forEach(function (layer, l) {
      pen.fillStyle = layer.color;
      const y = box.top + 24 + 20 * l;
      pen.beginPath();
      pen.arc(box.right + 18, y, 4.5, 0, 2 * Math.PI);
      pen.fill();
      pen.fillStyle = "#222";
      pen.fillText(layer.name, box.right + 28, y);
    });
    pen.fillText("layer", box.right + 13, box.top + 4);

    if (trail.checked) {
      pen.lineWidth = 1.5;
      data.layers.forEach(function (layer, l) {
        pen.strokeStyle = layer.color;
        pen.globalAlpha = 0.6;
        pen.beginPath();
        let down = false;
        for (let e = 0; e <= frame; e++) {
          const x = data.mean_x[e][l], y = data.mean_y[e][l];
          if (x < 0 || y < 0) { down = false; continue; }
          pen[down ? "lineTo" : "moveTo"](px(x / 1000), py(y / 1000));
          down = true;
        }
        pen.stroke();
      });
    }
    pen.globalAlpha = 0.75;
    const radius = small ? 2.5 : 3.5;
    data.layers.forEach(function (layer, l) {
      pen.fillStyle = layer.color;
      const x = data.x[frame][l], y = data.y[frame][l];
      for (let s = 0; s < x.length; s++) {
        if (x[s] < 0 || y[s] < 0) continue;
        pen.beginPath();
        pen.arc(px(x[s] / 1000), py(y[s] / 1000), radius, 0, 2 * Math.PI);
        pen.fill();
      }
    });
    pen.globalAlpha = 1;
    output.textContent = "epoch " + data.epochs[frame];
    slider.value = frame;
    slider.setAttribute("aria-valuetext", output.textContent);
  }

  function show(next) {
    frame = Math.max(0, Math.min(last, next));
    draw();
  }
  function tick(now) {
    if (!playing) return;
    if (now >= due) {
      due = now + 1000 / Number(speed.value);
      if (frame >= last) { play(false); return; }
      show(frame + 1);
    }
    requestAnimationFrame(tick);
  }
  function play(on) {
    playing = on;
    button.textContent = on ? "Pause" : "Play";
    if (!on) return;
    if (frame >= last) show(0);
    due = 0;
    requestAnimationFrame(tick);
  }
  button.addEventListener("click", () => play(!playing));
  slider.addEventListener("input", function () {
    play(false);
    show(Number(slider.value));
  });
  trail.addEventListener("change", draw);
  (data.whole_page ? document : root).addEventListener("keydown", function (event) {
    const kind = event.target.tagName, key = event.key;
    if (event.ctrlKey || event.metaKey || event.altKey || kind === "SELECT") return;
    if (key === " ") {
      if (kind === "BUTTON" || event.target.type === "checkbox") return;
      play(!playing);
    } else if (key === "ArrowRight" || key === "ArrowUp") {
      play(false);
      show(frame + 1);
    } else if (key === "ArrowLeft" || key === "ArrowDown") {
      play(false);
      show(frame - 1);
    } else if (key === "Home" || key === "End") {
      play(false);
      show(key === "Home" ? 0 : last);
    } else {
      return;
    }
    event.preventDefault();
  });
  if (window.ResizeObserver) new ResizeObserver(draw).observe(canvas);
  window.addEventListener("resize", draw);
  draw();
})();
