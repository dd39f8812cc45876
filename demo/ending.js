// Keeps the end of a list in view for as long as the person reads there.

// How near to the end counts as being there, in pixels.
const NEAR = 80;

export class Ending {
  #list;
  /** The size of the list when it was last put in order. */
  #size;
  isShown = true;

  /** `moved` is called when the person has scrolled. */
  constructor(list, moved = () => {}) {
    this.#list = list;
    list.onscroll = () => {
      // A list whose room has changed is moved by the browser, and not by the person.
      if (sizeOf(list) !== this.#size) return;
      this.isShown = list.scrollHeight - list.scrollTop - list.clientHeight < NEAR;
      moved();
    };
    new ResizeObserver(() => {
      this.#size = sizeOf(list);
      this.follow();
    }).observe(list);
  }

  /** To be called when the list has grown. */
  follow() {
    if (this.isShown) this.#list.scrollTop = this.#list.scrollHeight;
  }

  /** Goes there, wherever the person reads. */
  show() {
    this.isShown = true;
    this.follow();
  }
}

function sizeOf({ clientWidth, clientHeight }) {
  return `${clientWidth} ${clientHeight}`;
}
