// Runs in the page: what moves by itself, or takes time to change. Returns sentences.
(() => {
  const found = document
    .getAnimations()
    .map((animation) => `an animation of <${animation.effect?.target?.localName}>`);
  const seconds = (list) => Math.max(...list.split(',').map((time) => Number.parseFloat(time)));
  for (const element of document.querySelectorAll('*')) {
    const { transitionDuration, scrollBehavior } = getComputedStyle(element);
    if (seconds(transitionDuration) > 0.01 && found.length < 5)
      found.push(`<${element.localName}> changes slowly`);
    if (scrollBehavior === 'smooth' && found.length < 5)
      found.push(`<${element.localName}> scrolls smoothly`);
  }
  return found;
})();
