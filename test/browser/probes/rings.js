// Runs in the page, after a press of Tab: which elements do not show that they have the focus. The browser
// takes it for the keyboard's as long as scripts only move it.
(() => {
  const found = [];
  const elements = [
    ...document.querySelectorAll('a[href], button, input, select, textarea, summary, [tabindex]'),
  ].filter(
    (element) =>
      !element.disabled &&
      element.tabIndex >= 0 &&
      element.type !== 'hidden' &&
      element.checkVisibility({ visibilityProperty: true }),
  );
  for (const element of elements) {
    element.focus();
    const { outlineStyle, outlineWidth, outlineColor } = getComputedStyle(element);
    const isMarked =
      element.matches(':focus-visible') &&
      outlineStyle !== 'none' &&
      Number.parseFloat(outlineWidth) >= 2 &&
      !/^rgba\(.*, 0\)$/.test(outlineColor);
    if (!isMarked && found.length < 6)
      found.push(
        `<${element.localName} class="${element.className}"> "${(element.textContent ?? '').trim().slice(0, 30)}"`,
      );
  }
  return found;
})();
