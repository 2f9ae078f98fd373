"use strict";
// Lays the first picture over the second and cuts it off at a line, which the slider, a drag and
// the buttons move. Without this script the two stand one below the other.
(() => {
  const byId = (id) => document.getElementById(id);
  const [view, stage, sheet, first, line, part, zoom] =
    ["view", "stage", "sheet", "first", "line", "part", "zoom"].map(byId);
  const wide = Number(first.getAttribute("width"));
  const high = Number(first.getAttribute("height"));
  const name = first.alt;
  const root = document.documentElement;
  let grip = null; // what a pointer holds: the line, or the sheet at a place

  const share = () => Number(part.value) / 100;

  // The part of the sheet that is seen, in pixels from the left and the top of the stage.
  const seen = () => {
    const box = sheet.getBoundingClientRect();
    const frame = stage.getBoundingClientRect();
    const left = box.left - frame.left, top = box.top - frame.top;
    return {
      start: left,
      left: Math.max(left, 0), right: Math.min(left + box.width, stage.clientWidth),
      top: Math.max(top, 0), bottom: Math.min(top + box.height, stage.clientHeight),
      width: box.width,
    };
  };

  const draw = () => {
    const area = seen();
    const x = area.left + share() * (area.right - area.left);
    first.style.clipPath = `inset(0 ${Math.max(0, area.width - (x - area.start))}px 0 0)`;
    line.style.left = `${x}px`;
    line.style.top = `${area.top}px`;
    line.style.height = `${area.bottom - area.top}px`;
    part.setAttribute("aria-valuetext", `${Math.round(Number(part.value))} % ${name}`);
  };

  const move = (value) => { part.value = String(100 * Math.min(Math.max(value, 0), 1)); draw(); };

  const follow = (x) => {
    const area = seen();
    move((x - stage.getBoundingClientRect().left - area.left) / (area.right - area.left || 1));
  };

  // How large a pixel of the picture is: as fits, but never enlarged, or so many of the screen's.
  const lay = (keep) => {
    const times = Number(zoom.value);
    root.classList.toggle("fitted", times === 0);
    stage.tabIndex = times === 0 ? -1 : 0;
    const room = Math.max(innerHeight - 190, 240);
    const scale = times === 0
      ? Math.min(view.clientWidth / wide, room / high, 1)
      : times / devicePixelRatio;
    const before = { x: sheet.offsetWidth || 1, y: sheet.offsetHeight || 1 };
    const at = keep
      ? { x: (stage.scrollLeft + stage.clientWidth / 2) / before.x, y: (stage.scrollTop + stage.clientHeight / 2) / before.y }
      : { x: 0.5, y: 0.5 };
    sheet.style.width = `${wide * scale}px`;
    sheet.style.height = `${high * scale}px`;
    stage.style.maxHeight = times === 0 ? "" : `${room}px`;
    stage.scrollLeft = at.x * sheet.offsetWidth - stage.clientWidth / 2;
    stage.scrollTop = at.y * sheet.offsetHeight - stage.clientHeight / 2;
    draw();
  };

  const fitted = () => root.classList.contains("fitted");

  view.addEventListener("pointerdown", (event) => {
    const onLine = line.contains(event.target);
    if (event.button !== 0 || !(onLine || sheet.contains(event.target))) return;
    if (onLine || fitted()) {
      grip = { line: true };
      follow(event.clientX);
    } else if (event.pointerType === "mouse") { // fingers scroll by themselves
      grip = { line: false, x: event.clientX + stage.scrollLeft, y: event.clientY + stage.scrollTop };
      stage.classList.add("held");
    } else return;
    view.setPointerCapture(event.pointerId);
    if (event.pointerType === "mouse") event.preventDefault();
    if (grip.line) part.focus({ preventScroll: true, focusVisible: false });
  });
  view.addEventListener("pointermove", (event) => {
    if (!grip) return;
    if (grip.line) follow(event.clientX);
    else stage.scrollTo(grip.x - event.clientX, grip.y - event.clientY);
  });
  for (const end of ["pointerup", "pointercancel", "lostpointercapture"]) {
    view.addEventListener(end, () => { grip = null; stage.classList.remove("held"); });
  }

  stage.addEventListener("scroll", draw, { passive: true });
  part.addEventListener("input", draw);
  byId("all-first").addEventListener("click", () => move(1));
  byId("all-second").addEventListener("click", () => move(0));
  zoom.addEventListener("change", () => lay(!fitted()));
  addEventListener("resize", () => lay(true));

  root.classList.add("live");
  lay(false);
})();
