// Runs in the page: how many presses of Tab it takes, at the least, from the focus to the wanted element.
(() => {
  const wanted = globalThis.keymillWanted;
  const tabbable = [
    ...document.querySelectorAll('a[href], button, input, select, textarea, summary, [tabindex]'),
  ].filter(
    (element) =>
      element === wanted ||
      element === document.activeElement ||
      (!element.disabled &&
        element.tabIndex >= 0 &&
        element.type !== 'hidden' &&
        element.type !== 'radio' &&
        element.checkVisibility({ visibilityProperty: true })),
  );
  const from = tabbable.indexOf(document.activeElement);
  const to = tabbable.indexOf(wanted);
  return Math.max(0, to - from);
})();
