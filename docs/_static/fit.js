// Shrink what is wider than its column until it fits: displayed formulas and tables, once MathJax is done and at resizes.
// Letters stay readable: what does not fit at the least size is scrolled in its own box.
window.addEventListener("load", () => {
  const LEAST = 9; // pixels
  const pixels = (element) => parseFloat(getComputedStyle(element).fontSize);
  const shrink = (block) => {
    const place = block.parentElement;
    block.dataset.size ??= 100 * pixels(block) / pixels(place);
    let size = Number(block.dataset.size);
    block.style.fontSize = `${size}%`;
    // The parts of a formula or of a table do not scale evenly: their distances stay.
    for (let attempt = 0; attempt < 12 && place.scrollWidth > place.clientWidth; attempt += 1) {
      size *= 0.98 * place.clientWidth / place.scrollWidth;
      block.style.fontSize = `${size}%`;
    }
    place.classList.toggle("scrolls", pixels(block) < LEAST);
    if (pixels(block) < LEAST) { block.style.fontSize = `${LEAST}px`; }
  };
  const wide = "mjx-container[display='true'], div.table-wrapper > table, table.dataframe";
  const fit = () => document.querySelectorAll(wide).forEach(shrink);
  const startup = window.MathJax && window.MathJax.startup;
  window.fitted = Promise.resolve(startup && startup.promise).then(fit);
  window.addEventListener("resize", fit);
});
