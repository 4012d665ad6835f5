// Shrink what is wider than its column until it fits: displayed formulas and tables, once MathJax is done and at resizes.
window.addEventListener("load", () => {
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
  };
  const wide = "mjx-container[display='true'], div.table-wrapper > table";
  const fit = () => document.querySelectorAll(wide).forEach(shrink);
  const startup = window.MathJax && window.MathJax.startup;
  window.fitted = Promise.resolve(startup && startup.promise).then(fit);
  window.addEventListener("resize", fit);
});
