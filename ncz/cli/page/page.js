"use strict";
// Shows what is known of a token: on hover for as long as it lasts, on focus, click and tap until
// something else is chosen or Escape is pressed.
(() => {
  const { words, rows, edges, changes } = JSON.parse(document.getElementById("data").textContent);
  const text = document.getElementById("text");
  const card = document.getElementById("card");
  const spans = Array.from(text.children);
  const number = new Map(spans.map((span, n) => [span, n]));
  const narrow = matchMedia("(max-width: 40rem)");
  let chosen = null; // by focus or tap
  let shown = null;
  let stop = spans[0]; // where Tab enters the text
  let leaving = 0;

  spans.forEach((span) => { span.tabIndex = -1; });
  if (stop) stop.tabIndex = 0;

  const make = (tag, parts, name) => {
    const element = document.createElement(tag);
    if (name) element.className = name;
    element.append(...[parts].flat());
    return element;
  };
  const bits = (n) => `${n.toFixed(2)} ${n.toFixed(2) === "1.00" ? "bit" : "bits"}`;
  const percent = (p) => (p >= 0.1 ? `${(100 * p).toFixed(0)} %` : p >= 0.001 ? `${(100 * p).toFixed(1)} %` : "< 0.1 %");
  const ordinal = (n) => {
    const tail = n % 100 > 10 && n % 100 < 14 ? "th" : ["th", "st", "nd", "rd"][n % 10] || "th";
    return n.toLocaleString("en") + tail;
  };

  const help = (cost, model) => {
    const saved = model - cost;
    const most = Math.max(model, cost);
    if (Math.abs(saved) < 0.005) return "Contexts changed nothing.";
    const part = `${((100 * Math.abs(saved)) / most).toFixed(0)} %`;
    return saved > 0
      ? `Contexts saved ${bits(saved)}, ${part} of that.`
      : `Contexts cost ${bits(-saved)}, ${part} of what was paid.`;
  };

  const describe = ([word, cost, model, rank, first]) => {
    const parts = [make("h3", [make("q", words[word]), ` ${bits(cost)}`])];
    if (model === null) {
      parts.push(make("p", "Coded by contexts alone; the language model was not asked."));
      return parts;
    }
    parts.push(make("p", `The model alone: ${bits(model)}. ${help(cost, model)}`));
    parts.push(make("p", rank === 0 ? "Its first choice." : `Its ${ordinal(rank + 1)} choice.`));
    parts.push(make("p", "What the model expected", "label"));
    parts.push(make("ol", first.map(([other, p], k) => {
      const bar = make("b", []);
      bar.style.width = `${100 * p}%`;
      return make("li", [bar, make("q", words[other]), make("span", percent(p))], k === rank ? "own" : "");
    })));
    return parts;
  };

  const place = (span, x, y) => {
    card.style.left = card.style.top = "";
    if (narrow.matches) return;
    const boxes = Array.from(span.getClientRects());
    const box = boxes.find((b) => x >= b.left && x <= b.right && y >= b.top && y <= b.bottom) || boxes[0];
    const { width, height } = card.getBoundingClientRect();
    const room = document.documentElement.clientWidth - width - 8;
    const below = box.bottom + 6;
    const fits = below + height <= innerHeight || box.top < height + 6;
    card.style.left = `${Math.max(8, Math.min(box.left, room))}px`;
    card.style.top = `${Math.max(8, fits ? Math.min(below, innerHeight - height - 8) : box.top - height - 6)}px`;
  };

  const show = (span, x = -1, y = -1) => {
    clearTimeout(leaving);
    if (shown === span) return;
    if (shown) { shown.classList.remove("on"); shown.removeAttribute("aria-describedby"); }
    shown = span;
    card.hidden = span === null;
    if (!span) return;
    const row = rows[number.get(span)];
    const parts = row.flatMap(describe);
    if (row.length > 1) {
      const sum = row.reduce((total, token) => total + token[1], 0);
      parts.unshift(make("p", `${row.length} tokens, ${bits(sum)} together`, "label"));
    }
    card.replaceChildren(...parts);
    card.scrollTop = 0;
    span.classList.add("on");
    span.setAttribute("aria-describedby", "card");
    place(span, x, y);
  };

  const choose = (span) => {
    chosen = span;
    show(span);
    if (!span) return;
    stop.tabIndex = -1;
    stop = span;
    stop.tabIndex = 0;
  };

  const go = (span) => {
    if (!span) return;
    span.focus({ preventScroll: true });
    span.scrollIntoView({ block: narrow.matches ? "start" : "nearest" });
    shown = null; // it may have moved
    choose(span);
  };

  const tokenAt = (event) => {
    const span = event.target.closest ? event.target.closest("#text > span") : null;
    return span && number.has(span) ? span : null;
  };

  // The token nearest to straight above or below.
  const vertical = (span, down) => {
    const from = span.getBoundingClientRect();
    const middle = span.getClientRects()[0];
    const x = (middle.left + middle.right) / 2;
    let best = null, line = null, distance = Infinity;
    for (let n = number.get(span) + (down ? 1 : -1); n >= 0 && n < spans.length; n += down ? 1 : -1) {
      const box = spans[n].getClientRects()[0];
      if (!box || (down ? box.top < from.bottom - 4 : box.bottom > middle.top + 4)) continue;
      if (line === null) line = box.top;
      if (Math.abs(box.top - line) > 8) break;
      const away = Math.abs((box.left + box.right) / 2 - x);
      if (away < distance) { best = spans[n]; distance = away; }
    }
    return best;
  };

  text.addEventListener("pointerover", (event) => {
    if (event.pointerType !== "mouse") return;
    const span = tokenAt(event);
    if (span) show(span, event.clientX, event.clientY);
  });
  for (const area of [text, card]) {
    area.addEventListener("pointerleave", () => {
      clearTimeout(leaving);
      leaving = setTimeout(() => show(chosen), 200);
    });
  }
  card.addEventListener("pointerenter", () => clearTimeout(leaving));
  text.addEventListener("focusin", (event) => { const span = tokenAt(event); if (span) choose(span); });
  text.addEventListener("click", (event) => { const span = tokenAt(event); if (span) span.focus({ preventScroll: true }); });
  document.addEventListener("click", (event) => {
    if (!event.target.closest("#text, #card, #strip, .dearest")) choose(null);
  });
  document.addEventListener("focusin", (event) => {
    if (!event.target.closest("#text, #card")) choose(null);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") choose(null);
  });
  text.addEventListener("keydown", (event) => {
    const span = tokenAt(event);
    if (!span || event.ctrlKey || event.metaKey || event.altKey) return;
    const n = number.get(span);
    const to = {
      ArrowRight: () => spans[n + 1], ArrowLeft: () => spans[n - 1],
      ArrowDown: () => vertical(span, true), ArrowUp: () => vertical(span, false),
      Home: () => spans[0], End: () => spans[spans.length - 1],
    }[event.key];
    if (!to) return;
    event.preventDefault();
    go(to());
  });
  addEventListener("scroll", () => { if (shown && !narrow.matches) place(shown); }, { passive: true });
  addEventListener("resize", () => { if (shown) place(shown); });

  for (const button of document.querySelectorAll("[data-to]")) {
    button.addEventListener("click", () => go(spans[Number(button.dataset.to)]));
  }
  const strip = document.getElementById("strip");
  if (strip) {
    strip.addEventListener("click", (event) => {
      const box = strip.getBoundingClientRect();
      const part = Math.max(0, Math.min(0.9999, (event.clientX - box.left) / box.width));
      let left = part * text.textContent.length;
      go(spans.find((span) => (left -= span.textContent.length) < 0));
    });
  }

  const classOf = (limits, n) => limits.filter((limit) => n >= limit).length;
  document.getElementById("by").addEventListener("change", (event) => {
    const by = event.target.value;
    for (const legend of document.querySelectorAll(".legend")) legend.hidden = legend.dataset.by !== by;
    spans.forEach((span, n) => {
      const cost = rows[n].reduce((sum, token) => sum + token[1], 0);
      const model = rows[n].reduce((sum, token) => sum + (token[2] === null ? token[1] : token[2]), 0);
      span.className = by === "saved" ? `d${classOf(changes, model - cost)}` : `c${classOf(edges, by === "file" ? cost : model)}`;
    });
  });
})();
