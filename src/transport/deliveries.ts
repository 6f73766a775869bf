// FIFO queue of deliveries, which run later than the call that adds them and never on its stack.

type Delivery = () => void;

// Deliveries before timers and sockets get a turn: two handlers that reply to each other must not starve them.
const TURN = 1024;

export class Deliveries {
  #waiting: Delivery[] = [];
  #current: Delivery[] = [];
  #next = 0;
  #scheduled = false;

  /** Appends a delivery, which must not throw. */
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

  // Two arrays are swapped, so taking from the front is O(1) for any backlog.
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
