// Shrink what is wider than its column until it fits: displayed formulas and tables, once MathJax is done and at resizes.
window.addEventListener("load", () => {
  const shrink = (block, place) => {
    const pixels = (element) => parseFloat(getComputedStyle(element).fontSize);
    block.dataset.size ??= 100 * pixels(block) / pixels(place);
    let size = Number(block.dataset.size);
    block.style.fontSize = `${size}%`;
    // The parts of a formula or of a table do not scale evenly: their distances stay.
    for (let attempt = 0; attempt < 12 && place.scrollWidth > place.clientWidth; attempt += 1) {
      size *= 0.98 * place.clientWidth / place.scrollWidth;
      block.style.fontSize = `${size}%`;
    }
  };
  const fit = () => {
    document.querySelectorAll("mjx-container[display='true']").forEach((each) => shrink(each, each.parentElement));
    document.querySelectorAll("div.table-wrapper > table").forEach((each) => shrink(each, each.parentElement));
  };
  const startup = window.MathJax && window.MathJax.startup;
  window.fitted = startup ? startup.promise.then(fit) : Promise.resolve().then(fit);
  window.addEventListener("resize", fit);
});
