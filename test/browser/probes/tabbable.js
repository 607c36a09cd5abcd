// Runs in the page: what must be reached by Tab. Of radio buttons with one name, one is reached.
(() => {
  const names = new Set();
  const reached = [];
  for (const element of document.querySelectorAll(
    'a[href], button, input, select, textarea, summary, [tabindex]',
  )) {
    if (element.disabled || element.tabIndex < 0 || element.type === 'hidden' || element.closest('[inert]'))
      continue;
    if (!element.checkVisibility({ visibilityProperty: true })) continue;
    if (element.type === 'radio') {
      const group = `${element.form?.id}/${element.name}`;
      if (names.has(group)) continue;
      names.add(group);
    }
    reached.push(element);
  }
  globalThis.keymillFocus = [];
  return reached.length;
})();
