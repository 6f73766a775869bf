// What is still to be handed over: first in, first out, never on the stack of whoever put it in.

type Delivery = () => void;

// So many deliveries and then timers and sockets get a turn: two handlers that answer each other must not starve them.
const TURN = 1024;

export class Deliveries {
  #waiting: Delivery[] = [];
  #current: Delivery[] = [];
  #next = 0;
  #scheduled = false;

  /** A delivery must not throw. */
  add(delivery: Delivery): void {
    this.#waiting.push(delivery);
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(this.#run);
  }

  #run = (): void => {
    for (let n = 0; n < TURN; n++) {
      const delivery = this.#take();
      if (!delivery) {
        this.#scheduled = false;
        return;
      }
      delivery();
    }
    setImmediate(this.#run);
  };

  // Two arrays change places, so taking from the front costs nothing however far behind we are.
  #take(): Delivery | undefined {
    if (this.#next === this.#current.length) {
      this.#current = this.#waiting;
      this.#waiting = [];
      this.#next = 0;
    }
    const delivery = this.#current[this.#next];
    if (delivery) this.#next += 1;
    return delivery;
  }
}
