// Runs in the page: doubles the letters. Returns what did not grow.
(() => {
  const texts = [...document.body.querySelectorAll('*')].filter(
    (element) =>
      element.checkVisibility() &&
      !element.closest('svg') &&
      [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim() !== ''),
  );
  const before = texts.map((element) => Number.parseFloat(getComputedStyle(element).fontSize));
  document.documentElement.style.fontSize = '200%';
  return texts
    .flatMap((element, index) => {
      const now = Number.parseFloat(getComputedStyle(element).fontSize);
      return now < before[index] * 1.5
        ? [
            `<${element.localName}> "${element.textContent.trim().slice(0, 30)}": ${before[index]} to ${now} px`,
          ]
        : [];
    })
    .slice(0, 6);
})();
