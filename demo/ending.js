// Keeps the end of a list in view for as long as the person reads there.

// How near to the end counts as being there, in pixels.
const NEAR = 80;

export class Ending {
  #list;
  isShown = true;

  /** `moved` is called when the person has scrolled. */
  constructor(list, moved = () => {}) {
    this.#list = list;
    list.onscroll = () => {
      this.isShown = list.scrollHeight - list.scrollTop - list.clientHeight < NEAR;
      moved();
    };
    // The list may appear only later, and a call may take its room.
    new ResizeObserver(() => this.follow()).observe(list);
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
