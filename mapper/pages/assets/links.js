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
