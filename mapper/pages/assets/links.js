// What scripts add to the pages of links.

/** Buttons that copy a text. */
for (const button of document.querySelectorAll('[data-copies-text]')) {
  if (navigator.clipboard === undefined) break;
  const label = button.textContent;
  button.hidden = false;
  const say = () => {
    button.textContent = 'Copied';
    announce('Copied');
    setTimeout(() => {
      button.textContent = label;
    }, 2_000);
  };
  button.addEventListener('click', () => {
    navigator.clipboard.writeText(button.dataset.copiesText).then(say, () => undefined);
  });
}

/** Chooses all links of a list, or none. */
for (const button of document.querySelectorAll('[data-chooses-all]')) {
  const boxes = [...button.form.querySelectorAll('[name=key]')];
  button.hidden = false;
  button.addEventListener('click', () => {
    const areAll = boxes.every((box) => box.checked);
    for (const box of boxes) box.checked = !areAll;
    announce(areAll ? 'No link is chosen' : `${boxes.length} links are chosen`);
  });
}

/** Clicks of a link as they happen. */
const MAX_SHOWN = 20;
for (const section of document.querySelectorAll('[data-live]')) {
  const state = section.querySelector('[data-live-state]');
  const list = section.querySelector('.live');
  const source = new EventSource(section.dataset.live);
  const say = (text) => {
    if (state.textContent !== text) state.textContent = text;
  };
  const add = (text) => {
    const item = document.createElement('li');
    const words = document.createElement('bdi');
    words.textContent = text;
    item.append(words);
    list.prepend(item);
    while (list.children.length > MAX_SHOWN) list.lastElementChild.remove();
  };
  source.addEventListener('open', () => say('Waiting for clicks …'));
  source.addEventListener('click', ({ data }) => {
    const click = JSON.parse(data);
    const about = [click.country, click.browser, click.os, click.device].filter(Boolean).join(', ');
    const from = click.referrer === null || click.referrer === '' ? '' : ` from ${click.referrer}`;
    const at = new Date(click.at).toLocaleTimeString();
    say('These are new:');
    add(`${at}: ${click.is_bot ? 'a bot' : 'somebody'}${from}${about === '' ? '' : ` (${about})`}`);
  });
  source.addEventListener('more', ({ data }) => add(`and ${JSON.parse(data).clicks} more at the same time`));
  source.addEventListener('error', () =>
    say(source.readyState === EventSource.CLOSED ? 'Clicks cannot be shown just now.' : 'Connecting again …'),
  );
}

/**
 * How far an import is. It is asked for with pauses; the status says it only when it has changed. When the
 * import is over, nothing on the page is exchanged under the reader: the link leads to what has become of it.
 */
const PAUSE_MS = 5_000;
const LONG_PAUSE_MS = 30_000;
for (const section of document.querySelectorAll('[data-import]')) {
  const state = section.querySelector('[data-import-state]');
  const bar = section.querySelector('progress');
  const link = section.querySelector('a');
  const button = section.querySelector('button');
  let timer;
  const say = (text) => {
    if (state.textContent !== text) state.textContent = text;
  };
  const show = ({ state: name, records, done }) => {
    if (name === 'done' || name === 'failed') {
      say(name === 'done' ? 'The import is done.' : 'The import has failed.');
      link.textContent = 'Show the result';
      if (document.activeElement === button) link.focus();
      button.hidden = true;
      bar.parentElement.hidden = true;
      return;
    }
    if (records !== null && records > 0) Object.assign(bar, { max: records, value: done });
    say(
      `${done.toLocaleString('en')}${records === null ? '' : ` of ${records.toLocaleString('en')}`} records`,
    );
    wait(PAUSE_MS);
  };
  const ask = async () => {
    if (document.hidden) return wait(PAUSE_MS);
    try {
      const answer = await fetch(section.dataset.import, { headers: { accept: 'application/json' } });
      if (answer.ok) return show(await answer.json());
      if (answer.status !== 429 && answer.status < 500) {
        button.hidden = true;
        return say('This cannot be shown any more. Look again.');
      }
    } catch {
      // The network is away: it is like a service that is.
    }
    say('There is no answer just now.');
    wait(LONG_PAUSE_MS);
  };
  const wait = (ms) => {
    clearTimeout(timer);
    if (button.getAttribute('aria-pressed') !== 'true') timer = setTimeout(ask, ms);
  };
  button.hidden = false;
  button.setAttribute('aria-pressed', 'false');
  button.addEventListener('click', () => {
    const isPaused = button.getAttribute('aria-pressed') !== 'true';
    button.setAttribute('aria-pressed', String(isPaused));
    clearTimeout(timer);
    if (!isPaused) void ask();
  });
  wait(PAUSE_MS);
}
