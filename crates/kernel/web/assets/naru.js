// Makes pages live. Everything works without it: pages are plain HTML, actions are plain forms.
//
// An element with `data-live="/path"` subscribes to that path. Each event carries parts: [[element id, its new
// content], …], put in place at once. The id of the last event goes along when the stream is asked for again, so only
// what was missed comes back; `data-seen` is the id of what the page came with. A hidden tab lets go of its stream: browsers allow six connections to a house.
"use strict";
(() => {
  const RETRY_MS_MIN = 1000;
  const RETRY_MS_MAX = 30000;
  const PREVIEW_MS = 300;
  const lostNotice = document.getElementById("live-lost");
  const lost = new Set();

  class Live {
    constructor({ live, seen }) {
      this.path = live;
      this.seen = seen ?? null;
      this.source = null;
      this.timer = 0;
      this.retryMs = RETRY_MS_MIN;
      document.addEventListener("visibilitychange", () => (document.hidden ? this.close() : this.open()));
      // A page that comes back from the browser's memory has lost its stream.
      window.addEventListener("pageshow", (event) => event.persisted && this.open());
      window.addEventListener("online", () => this.open());
      if (!document.hidden) this.open();
    }

    open() {
      this.close();
      const mark = this.path.includes("?") ? "&" : "?";
      const source = new EventSource(this.seen === null ? this.path : `${this.path}${mark}after=${this.seen}`);
      this.source = source;
      source.onopen = () => {
        this.retryMs = RETRY_MS_MIN;
        this.say(true);
      };
      source.onmessage = (event) => {
        this.seen = event.lastEventId;
        for (const [id, html] of JSON.parse(event.data)) patch(id, html);
      };
      source.onerror = () => {
        this.say(false);
        // The browser tries again by itself unless the answer was not a stream.
        if (source.readyState === EventSource.CLOSED) this.later();
      };
    }

    close() {
      clearTimeout(this.timer);
      if (this.source) this.source.close();
      this.source = null;
    }

    later() {
      this.close();
      this.timer = setTimeout(() => this.open(), this.retryMs * (0.5 + Math.random() / 2));
      this.retryMs = Math.min(this.retryMs * 2, RETRY_MS_MAX);
    }

    say(connected) {
      if (connected) lost.delete(this.path);
      else lost.add(this.path);
      if (lostNotice) lostNotice.hidden = lost.size === 0;
    }
  }

  // Leaves alone what a person is typing into, and gives the focus back to what had it.
  function patch(id, html) {
    const element = document.getElementById(id);
    const focused = document.activeElement;
    const inside = element && element !== focused && element.contains(focused);
    if (!element || (inside && focused.matches("input, select, textarea"))) return;
    const focusedId = inside && focused.id;
    const open = [...element.querySelectorAll("details")].map((details) => details.open);
    element.innerHTML = html;
    element.querySelectorAll("details").forEach((details, at) => (details.open = open[at] ?? details.open));
    if (focusedId) document.getElementById(focusedId)?.focus();
    reach();
  }

  // What is wider than its place is scrolled by keyboard too, and says what it is; what fits is no stop on the way.
  function reach() {
    for (const place of document.querySelectorAll(".scroll")) {
      const wide = place.scrollWidth > place.clientWidth;
      if (wide === place.hasAttribute("tabindex")) continue;
      const title = place.closest("section")?.querySelector("h2") ?? document.querySelector("h1");
      const own = { tabindex: 0, role: "region", "aria-label": title?.textContent ?? document.title };
      for (const [name, value] of Object.entries(own)) wide ? place.setAttribute(name, value) : place.removeAttribute(name);
    }
  }
  window.addEventListener("resize", reach);
  document.addEventListener("toggle", reach, true);
  reach();

  for (const element of document.querySelectorAll("[data-live]")) new Live(element.dataset);

  // A form with `data-preview="id id"` is asked for again while it is filled in, and those parts of the answer are shown.
  for (const form of document.querySelectorAll("form[data-preview]")) {
    let timer = 0;
    let asked = 0;
    const look = async () => {
      const mine = ++asked;
      const answer = await fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)) });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      // What was typed since then is on its way.
      if (mine !== asked) return;
      for (const id of form.dataset.preview.split(" ")) {
        const part = page.getElementById(id);
        if (part) patch(id, part.innerHTML);
      }
    };
    form.addEventListener("input", () => {
      clearTimeout(timer);
      // Whoever is offline has the button.
      timer = setTimeout(() => look().catch(() => {}), PREVIEW_MS);
    });
  }

  // A form goes once: a second click while the first is on its way does nothing.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    const question = event.submitter?.dataset.confirm ?? form.dataset.confirm;
    if (form.dataset.sent || (question && !window.confirm(question))) event.preventDefault();
    else form.dataset.sent = "yes";
  });
  window.addEventListener("pageshow", () => {
    for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
  });
})();
