"use strict";
(() => {
  const settings = JSON.parse(document.getElementById("settings").textContent);
  const MIDDLE = (settings.colours.length / 3 - 1) / 2;
  const cards = [...document.querySelectorAll(".card")].map((element) => ({
    element,
    slider: element.querySelector("input[type=range]"),
    pictures: null,
    /* Parsed when first needed: a page may hold hundreds of walks. */
    get frames() {
      const text = element.querySelector("script").textContent;
      const value = JSON.parse(text);
      Object.defineProperty(this, "frames", { value });
      return value;
    },
  }));

  const signed = (value, digits) =>
    (value < 0 ? "−" : "+") + Math.abs(value).toFixed(digits);

  /* The RGBA bytes of a decoded image. */
  function pixels(image) {
    const scratch = document.createElement("canvas");
    scratch.width = image.naturalWidth;
    scratch.height = image.naturalHeight;
    const context = scratch.getContext("2d", { willReadFrequently: true });
    context.drawImage(image, 0, 0);
    return context.getImageData(0, 0, scratch.width, scratch.height);
  }

  /* Some browsers blur what a page reads back, against fingerprinting; a
     difference map made of that would be wrong. */
  function pixelsAreExact() {
    const scratch = document.createElement("canvas");
    scratch.width = scratch.height = 16;
    const context = scratch.getContext("2d", { willReadFrequently: true });
    const sent = context.createImageData(16, 16);
    sent.data.forEach((_, i) => {
      sent.data[i] = i % 4 === 3 ? 255 : (i * 37) % 256;
    });
    context.putImageData(sent, 0, 0);
    const got = context.getImageData(0, 0, 16, 16).data;
    return sent.data.every((value, i) => value === got[i]);
  }

  /* The twin of jaxstyle.report.colours.difference_map. */
  function paintDifference(canvas, image, reference) {
    const a = pixels(image);
    const b = pixels(reference).data;
    for (let i = 0; i < b.length; i += 4) {
      let sum = 0;
      for (let c = i; c < i + 3; c += 1) sum += a.data[c] - b[c];
      const share = sum / (3 * 255 * settings.limit);
      const row =
        Math.round(Math.max(-1, Math.min(1, share)) * MIDDLE) + MIDDLE;
      for (let c = 0; c < 3; c += 1) {
        a.data[i + c] = settings.colours[3 * row + c];
      }
      a.data[i + 3] = 255;
    }
    canvas.width = a.width;
    canvas.height = a.height;
    canvas.getContext("2d").putImageData(a, 0, 0);
  }

  function paintFrame(canvas, image) {
    canvas.width = image.naturalWidth;
    canvas.height = image.naturalHeight;
    canvas.getContext("2d").drawImage(image, 0, 0);
  }

  function decoded(source) {
    const image = new Image();
    image.src = source;
    return image.decode().then(() => image);
  }

  /* Decodes a walk's images once, when it is first needed. */
  function picturesOf(card) {
    card.pictures ??= Promise.all([
      decoded(card.element.querySelector("img.reconstruction").src),
      ...card.frames.map((frame) => decoded(frame.src)),
    ]);
    return card.pictures;
  }

  function write(card, index) {
    const find = (query) => card.element.querySelector(query);
    const frame = card.frames[index];
    const decision = settings.classes[frame.decision];
    const place = `Frame ${index + 1} of ${card.frames.length}`;
    const f = `f = ${frame.shown}`;
    find(".frame-name").textContent = place;
    find(".frame-value").textContent = `${f}, ${decision}`;
    find(".frame").ariaLabel = `${place}, ${f}, ${decision}`;
    find(".difference").ariaLabel =
      `Difference of ${place} to the reconstruction, mean absolute change ` +
      frame.distance.toFixed(3);
    find(".readout").textContent =
      `λ = ${signed(frame.lambda, 2)}  ·  latent predictor ` +
      `${frame.latent.toFixed(3)}  ·  mean change ` +
      `${(100 * frame.distance).toFixed(1)}%` +
      (frame.flipped ? "  ·  decision flipped" : "");
    card.slider.setAttribute(
      "aria-valuetext", `${place}, ${f}, ${decision}`);
    const now = find(".now");
    now.setAttribute("x1", index);
    now.setAttribute("x2", index);
    find(".here").setAttribute("d", `M${index},${1 - frame.f}h0`);
    card.element.classList.toggle("is-flipped", frame.flipped);
  }

  async function show(card) {
    const index = Number(card.slider.value);
    write(card, index);
    const [reference, ...pictures] = await picturesOf(card);
    if (index !== Number(card.slider.value)) return;
    paintFrame(card.element.querySelector(".frame"), pictures[index]);
    if (exact) {
      const canvas = card.element.querySelector(".difference");
      paintDifference(canvas, pictures[index], reference);
    }
    card.element.dataset.shown = index;
  }

  function move(card, index) {
    card.slider.value = index;
    show(card);
  }

  /* J and K go to the next and the previous image. */
  function step(by) {
    const middle = window.innerHeight / 2;
    const seen = cards.filter((c) => !c.element.hidden);
    let at = seen.findIndex((c) => c.element.contains(document.activeElement));
    if (at < 0) {
      const below = seen.findIndex(
        (c) => c.element.getBoundingClientRect().bottom > middle);
      at = by > 0 ? below - 1 : below;
    }
    const card = seen[Math.max(0, Math.min(seen.length - 1, at + by))];
    if (!card) return;
    card.slider.focus({ preventScroll: true });
    card.element.scrollIntoView({ block: "center" });
  }

  /* Hides what the menus leave out, and kinds of which nothing is left. */
  function filter(form) {
    const wanted = [...new FormData(form)].filter(([, value]) => value);
    let count = 0;
    for (const { element } of cards) {
      element.hidden = wanted.some(
        ([name, value]) => element.dataset[name] !== value);
      count += element.hidden ? 0 : 1;
    }
    for (const kind of document.querySelectorAll("[data-kind]")) {
      kind.hidden = !kind.querySelector(".card:not([hidden])");
    }
    form.querySelector("[role=status]").textContent =
      `${count} of ${cards.length} images`;
  }

  const exact = pixelsAreExact();
  document.body.classList.toggle("no-pixels", !exact);
  const coming = new IntersectionObserver(
    (entries) => entries.filter((e) => e.isIntersecting).forEach((entry) => {
      coming.unobserve(entry.target);
      show(cards.find((card) => card.element === entry.target));
    }),
    { rootMargin: "800px" },
  );
  cards.forEach((card) => {
    coming.observe(card.element);
    card.slider.addEventListener("input", () => show(card));
    card.element.querySelectorAll("button").forEach((button) =>
      button.addEventListener("click", () =>
        move(card, Number(button.dataset.frame))));
  });
  const form = document.querySelector(".filters");
  form.hidden = false;
  form.addEventListener("change", () => filter(form));
  form.addEventListener("submit", (event) => event.preventDefault());
  filter(form);
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const key = event.key.toLowerCase();
    if (key === "j") step(1);
    if (key === "k") step(-1);
  });
})();
