// Runs in the page: where the focus is, and whether one sees it.
(() => {
  const element = document.activeElement;
  if (!element || element === document.body || element === document.documentElement) return null;
  const text = (
    element.getAttribute('aria-label') ??
    element.labels?.[0]?.textContent ??
    element.textContent ??
    ''
  )
    .replaceAll(/\s+/g, ' ')
    .trim()
    .slice(0, 40);
  const style = getComputedStyle(element);
  const box = element.getBoundingClientRect();
  const isOutlined = style.outlineStyle !== 'none' && Number.parseFloat(style.outlineWidth) >= 2;
  const isRinged = style.boxShadow !== 'none';
  // Some point of it must be seen: of a link in two lines, the middle of its box may be beside it, and that of
  // a long list below the window.
  const boxes = [...element.getClientRects()];
  const isSeen = boxes.some((part) => {
    const [left, top] = [Math.max(part.left, 0), Math.max(part.top, 0)];
    const [right, bottom] = [Math.min(part.right, innerWidth), Math.min(part.bottom, innerHeight)];
    if (right <= left || bottom <= top) return false;
    for (const x of [0.5, 0.1, 0.9])
      for (const y of [0.5, 0.1, 0.9]) {
        const at = document.elementFromPoint(left + (right - left) * x, top + (bottom - top) * y);
        if (at && (at === element || element.contains(at) || at.closest('label')?.control === element))
          return true;
      }
    return false;
  });
  globalThis.keymillFocus ??= [];
  const before = globalThis.keymillFocus;
  const seenAt = before.indexOf(element);
  if (seenAt === -1) before.push(element);
  const previous = seenAt === -1 ? before.at(-2) : undefined;
  const isInOrder =
    previous === undefined ||
    !previous.isConnected ||
    (previous.compareDocumentPosition(element) & Node.DOCUMENT_POSITION_FOLLOWING) !== 0;
  return {
    name: `<${element.localName}> "${text}"`,
    isAgain: seenAt !== -1,
    isStill: seenAt !== -1 && seenAt === before.length - 1,
    isWanted: element === globalThis.keymillWanted,
    isMarked: isOutlined || isRinged,
    isSeen: isSeen && box.width > 1 && box.height > 1,
    isInOrder,
    tabIndex: element.tabIndex,
  };
})();
