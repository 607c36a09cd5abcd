// Runs in the page: what is wrong with its layout. Returns sentences.
(() => {
  const found = [];
  const name = (element) => {
    const text = (element.getAttribute('aria-label') ?? element.textContent ?? '').trim().slice(0, 40);
    return `<${element.localName}${element.id ? `#${element.id}` : ''}${element.className && typeof element.className === 'string' ? `.${element.className.trim().replaceAll(/\s+/g, '.')}` : ''}> "${text}"`;
  };
  const isShown = (element) =>
    element.checkVisibility({ opacityProperty: true, visibilityProperty: true, contentVisibilityAuto: true });
  // Hidden for the eye only: one pixel, or cut to nothing.
  const isUnseen = (element) => {
    const { width, height } = element.getBoundingClientRect();
    return width <= 1 || height <= 1;
  };
  const scrolls = (element) => {
    for (let at = element.parentElement; at && at !== document.body; at = at.parentElement) {
      const { overflowX } = getComputedStyle(at);
      if (overflowX === 'auto' || overflowX === 'scroll') return true;
    }
    return false;
  };
  const isHiddenByParent = (element) => {
    for (let at = element.parentElement; at; at = at.parentElement) if (isUnseen(at)) return true;
    return false;
  };

  const { scrollWidth, clientWidth } = document.documentElement;
  if (scrollWidth > clientWidth) {
    found.push(`the page is ${scrollWidth} px wide in a window of ${clientWidth}`);
    for (const element of document.body.querySelectorAll('*')) {
      const { right } = element.getBoundingClientRect();
      if (right > clientWidth + 1 && isShown(element) && !scrolls(element) && found.length < 6)
        found.push(`${name(element)} ends at ${Math.round(right)} px`);
    }
    if (found.length === 1)
      for (const element of document.body.querySelectorAll('*')) {
        const { position } = getComputedStyle(element);
        const { right } = element.getBoundingClientRect();
        // It stands outside the box that would scroll it.
        if (right > clientWidth + 1 && (position === 'absolute' || position === 'fixed'))
          found.push(`${name(element)} is positioned, and ends at ${Math.round(right)} px`);
      }
  }

  for (const element of document.body.querySelectorAll('*')) {
    if (!isShown(element) || isUnseen(element) || isHiddenByParent(element)) continue;
    const { overflowX, overflowY, textOverflow, webkitLineClamp } = getComputedStyle(element);
    // An ellipsis says that there is more.
    if (webkitLineClamp !== 'none') continue;
    const cuts = (value) => value === 'hidden' || value === 'clip';
    if (element.localName === 'svg' || element.closest('svg')) continue;
    const isCutX =
      cuts(overflowX) && textOverflow !== 'ellipsis' && element.scrollWidth > element.clientWidth + 2;
    const isCutY = cuts(overflowY) && element.scrollHeight > element.clientHeight + 2;
    if ((isCutX || isCutY) && element.textContent.trim() !== '') found.push(`${name(element)} is cut off`);
  }

  // A column so narrow that a word has a letter in each line.
  for (const element of document.body.querySelectorAll('*')) {
    if (!isShown(element) || isUnseen(element) || isHiddenByParent(element) || element.closest('svg'))
      continue;
    const words = [...element.childNodes].filter((node) => node.nodeType === 3 && /\S{4}/.test(node.data));
    for (const word of words) {
      const range = document.createRange();
      range.selectNodeContents(word);
      const lines = [...range.getClientRects()].filter(({ width }) => width > 0);
      const letters = Number.parseFloat(getComputedStyle(element).fontSize);
      if (lines.length > 4 && lines.every(({ width }) => width < 2 * letters) && found.length < 8)
        found.push(`${name(element)} has its text in ${lines.length} lines of a letter or two`);
    }
  }

  const controls = [
    ...document.body.querySelectorAll('a[href], button, input:not([type=hidden]), select, textarea, summary'),
  ].filter(
    (element) =>
      isShown(element) && !isUnseen(element) && !isHiddenByParent(element) && !element.closest('svg'),
  );
  const boxes = controls.map((element) => [element, [...element.getClientRects()]]);
  const overlap = (a, b) =>
    Math.min(a.right, b.right) - Math.max(a.left, b.left) > 2 &&
    Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 2;
  for (const [index, [one, ones]] of boxes.entries())
    for (const [other, others] of boxes.slice(index + 1)) {
      if (one.contains(other) || other.contains(one) || found.length > 12) continue;
      if (getComputedStyle(one).position === 'fixed' || getComputedStyle(other).position === 'fixed')
        continue;
      if (ones.some((a) => others.some((b) => overlap(a, b))))
        found.push(`${name(one)} lies over ${name(other)}`);
    }
  return found;
})();
