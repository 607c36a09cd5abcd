// What scripts add to pages. Every page works without it.

const announcer = document.createElement('p');
announcer.className = 'unseen';
announcer.setAttribute('role', 'status');
document.body.append(announcer);

/** Tells what has happened to those who do not see it. */
function announce(text) {
  announcer.textContent = '';
  setTimeout(() => {
    announcer.textContent = text;
  }, 50);
}

/** Buttons that copy the value of a field. Where a script may not copy, it selects the value. */
for (const button of document.querySelectorAll('[data-copies]')) {
  const field = document.getElementById(button.dataset.copies);
  const label = button.textContent;
  let timer;
  button.hidden = false;
  const copied = () => {
    button.textContent = 'Copied';
    announce('Copied');
    clearTimeout(timer);
    timer = setTimeout(() => {
      button.textContent = label;
    }, 2_000);
  };
  button.addEventListener('click', () => {
    field.select();
    // Pages without https have no clipboard.
    const copying = navigator.clipboard?.writeText(field.value) ?? Promise.reject();
    copying.then(copied, () => announce('Press Ctrl+C to copy.'));
  });
}

/**
 * A form that is on its way is not sent again: who clicks twice would read that his email is taken, by the
 * account that his first click has made. After a while it may be sent again, as no answer may come.
 */
const ON_ITS_WAY_MS = 5_000;
let sentAt = new WeakMap();
document.addEventListener('submit', (event) => {
  const form = event.target;
  if (form.getAttribute('method') !== 'post') return;
  const isOnItsWay = performance.now() - (sentAt.get(form) ?? -ON_ITS_WAY_MS) < ON_ITS_WAY_MS;
  if (isOnItsWay) event.preventDefault();
  else sentAt.set(form, performance.now());
});
// Whoever comes back to the page may send its forms anew.
addEventListener('pageshow', () => {
  sentAt = new WeakMap();
});

/** What is only for those who have scripts. */
for (const element of document.querySelectorAll('[data-scripted]')) element.hidden = false;

/** Links to be dragged, not followed: our own pages may not run them. */
for (const link of document.querySelectorAll('[data-dragged]')) {
  link.addEventListener('click', (event) => {
    event.preventDefault();
    const hint = document.getElementById(link.dataset.dragged);
    hint.hidden = false;
    announce(hint.textContent);
  });
}

/** Times in the zone of the reader. */
for (const time of document.querySelectorAll('time[datetime]')) {
  const at = new Date(time.dateTime);
  if (!Number.isNaN(at.getTime())) {
    time.title = time.textContent;
    time.textContent = at.toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' });
  }
}
