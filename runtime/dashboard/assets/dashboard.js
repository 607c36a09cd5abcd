/*
 * Keeps the page up to date. Without it the page is a snapshot: everything here only adds.
 */
'use strict';

(() => {
  const live = document.getElementById('live');
  const pause = document.getElementById('pause');
  const said = document.getElementById('said');
  /** Elements that came while the page was paused, by id. */
  const waiting = new Map();
  let isPaused = false;
  let lastHeardMs = Date.now();
  let isConnected = false;
  let isSignedOut = false;

  const MAX_SAID = 10;
  /** The server sends something at least this often. */
  const SILENT_MS = 12_000;

  function replace(id, text) {
    const element = document.getElementById(id);
    if (element === null) return;
    element.outerHTML = text;
  }

  function show(patch) {
    for (const [id, text] of Object.entries(patch)) {
      // What came last is shown last: a block may have replaced its rows in between.
      waiting.delete(id);
      if (isPaused) waiting.set(id, text);
      else replace(id, text);
    }
    if (!isPaused) showAges();
  }

  function showWaiting() {
    for (const [id, text] of waiting) replace(id, text);
    waiting.clear();
    showAges();
  }

  function ageOf(ms) {
    const seconds = Math.max(0, Math.round(ms / 1_000));
    if (seconds < 60) return `${seconds} s`;
    if (seconds < 3_600) return `${Math.floor(seconds / 60)} min`;
    if (seconds < 172_800)
      return `${Math.floor(seconds / 3_600)} h ${Math.floor((seconds % 3_600) / 60)} min`;
    return `${Math.floor(seconds / 86_400)} days`;
  }

  function showAges() {
    const now = Date.now();
    for (const time of document.querySelectorAll('time[data-age]')) {
      const text = ageOf(now - Date.parse(time.dateTime));
      if (time.textContent !== text) time.textContent = text;
    }
  }

  /** Only a change is written: screen readers say it aloud. */
  function say(text) {
    if (live.textContent !== text) live.textContent = text;
  }

  function askToSignIn() {
    isSignedOut = true;
    document.body.classList.add('stale');
    const link = document.createElement('a');
    link.href = '/dashboard';
    link.textContent = 'Sign in again';
    live.replaceChildren('You are signed out, or the token has changed. ', link);
  }

  function showState() {
    if (isSignedOut) return;
    const isSilent = !isConnected || Date.now() - lastHeardMs > SILENT_MS;
    document.body.classList.toggle('stale', isSilent);
    if (isSilent)
      say(`No answer since ${new Date(lastHeardMs).toISOString().slice(11, 19)} UTC. Trying again.`);
    else say(isPaused ? 'Paused' : 'Live');
  }

  function heard() {
    lastHeardMs = Date.now();
    isConnected = true;
    showState();
  }

  function open() {
    const events = new EventSource('/dashboard/events');
    events.addEventListener('patch', (event) => {
      heard();
      show(JSON.parse(event.data));
    });
    events.addEventListener('news', (event) => {
      heard();
      if (isPaused) return;
      for (const text of JSON.parse(event.data)) {
        const line = document.createElement('p');
        line.textContent = text;
        said.append(line);
      }
      while (said.childElementCount > MAX_SAID) said.firstElementChild.remove();
    });
    events.addEventListener('beat', heard);
    events.addEventListener('error', () => {
      isConnected = false;
      showState();
      // Refused, and not only cut off: the browser does not try again by itself.
      if (events.readyState === EventSource.CLOSED) {
        events.close();
        void openAgain();
      }
    });
  }

  /** Only a 401 lasts: a page too many, or a process that starts, is asked again. */
  async function openAgain() {
    const answer = await fetch('/dashboard/events', { method: 'HEAD', cache: 'no-store' }).catch(
      () => undefined,
    );
    if (answer?.status === 401) askToSignIn();
    else setTimeout(open, 3_000);
  }

  pause.hidden = false;
  pause.addEventListener('click', () => {
    isPaused = !isPaused;
    pause.setAttribute('aria-pressed', String(isPaused));
    if (!isPaused) showWaiting();
    showState();
  });
  setInterval(() => {
    showState();
    if (!isPaused) showAges();
  }, 1_000);
  showAges();
  open();
})();
