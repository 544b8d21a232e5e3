// Plays the race on the front page once more; without scripts it has run once, and the button is not there.
document.addEventListener("DOMContentLoaded", () => {
  const still = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
  for (const button of document.querySelectorAll("button.again")) {
    button.hidden = still;
    button.addEventListener("click", () => {
      for (const move of document.querySelector(".races").getAnimations({ subtree: true })) {
        move.cancel();
        move.play();
      }
    });
  }
});
