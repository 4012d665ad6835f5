// Shrink each displayed formula that is wider than its column until it fits: once MathJax is done, and at resizes.
window.addEventListener("load", () => {
  const shrink = (formula) => {
    const place = formula.parentElement;
    formula.dataset.size ??= parseFloat(formula.style.fontSize) || 100;
    let size = Number(formula.dataset.size);
    formula.style.fontSize = `${size}%`;
    // The parts of a formula do not scale evenly: number and formula keep their distance.
    for (let attempt = 0; attempt < 6 && place.scrollWidth > place.clientWidth; attempt += 1) {
      size *= 0.98 * place.clientWidth / place.scrollWidth;
      formula.style.fontSize = `${size}%`;
    }
  };
  const fit = () => document.querySelectorAll("mjx-container[display='true']").forEach(shrink);
  const startup = window.MathJax && window.MathJax.startup;
  window.fitted = startup ? startup.promise.then(fit) : Promise.resolve();
  window.addEventListener("resize", fit);
});
