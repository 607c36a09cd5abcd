// Runs in the page, before and after letters become larger: returns what has not grown by half since the
// first time.
(() => {
  const sizeOf = (element) => Number.parseFloat(getComputedStyle(element).fontSize);
  if (globalThis.keymillSizes === undefined) {
    const texts = [...document.body.querySelectorAll('*')].filter(
      (element) =>
        element.checkVisibility() &&
        !element.closest('svg') &&
        [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim() !== ''),
    );
    globalThis.keymillSizes = texts.map((element) => [element, sizeOf(element)]);
  }
  return globalThis.keymillSizes
    .filter(([element, before]) => sizeOf(element) < before * 1.5)
    .slice(0, 6)
    .map(
      ([element, before]) =>
        `<${element.localName}> "${element.textContent.trim().slice(0, 30)}": ${before} to ${sizeOf(element)} px`,
    );
})();
