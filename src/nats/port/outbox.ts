// Write buffer of one client: joins all writes of one turn of the event loop, and limits the pending bytes.

import type { Socket } from 'node:net';

const FIRST_SIZE = 4 * 1024;
/** A larger buffer is given to the socket and a new one allocated; a smaller one is copied from and reused. */
const KEPT_SIZE = 64 * 1024;

export class Outbox {
  readonly #socket: Socket;
  readonly #max: number;
  readonly #overflow: () => void;
  #bytes: Buffer = Buffer.allocUnsafeSlow(FIRST_SIZE);
  #length = 0;
  #scheduled = false;

  /**
   * `overflow` is called when more than `max` bytes are pending for a client that does not read; the message is then
   * dropped.
   */
  constructor(socket: Socket, max: number, overflow: () => void) {
    this.#socket = socket;
    this.#max = max;
    this.#overflow = overflow;
  }

  /** Appends a line; `text` has no line end. */
  line(text: string): void {
    if (!this.#begin(3 * text.length + 2)) return;
    this.#text(text);
    this.#text('\r\n');
  }

  /** Appends a message: its line, its headers if it has any, and its payload. */
  message(line: string, header: Uint8Array | undefined, payload: Uint8Array): void {
    // A character of UTF-16 takes at most three bytes.
    if (!this.#begin(3 * line.length + (header?.length ?? 0) + payload.length + 4)) return;
    this.#text(line);
    this.#text('\r\n');
    if (header) this.#copy(header);
    this.#copy(payload);
    this.#text('\r\n');
  }

  /** Writes the pending bytes now. */
  readonly flush = (): void => {
    this.#scheduled = false;
    if (this.#length === 0 || this.#socket.destroyed) return;
    const ready = this.#bytes.subarray(0, this.#length);
    this.#length = 0;
    if (this.#bytes.length > KEPT_SIZE) {
      this.#bytes = Buffer.allocUnsafeSlow(FIRST_SIZE);
      this.#socket.write(ready);
    } else this.#socket.write(Buffer.from(ready));
  };

  /** Reserves space; false when the client has fallen too far behind. */
  #begin(size: number): boolean {
    if (this.#socket.destroyed) return false;
    const needed = this.#length + size;
    if (needed + this.#socket.writableLength > this.#max) {
      this.#overflow();
      return false;
    }
    if (needed > this.#bytes.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(needed, 2 * this.#bytes.length));
      this.#bytes.copy(larger, 0, 0, this.#length);
      this.#bytes = larger;
    }
    if (!this.#scheduled) {
      this.#scheduled = true;
      setImmediate(this.flush);
    }
    return true;
  }

  #text(text: string): void {
    this.#length += this.#bytes.write(text, this.#length);
  }

  #copy(bytes: Uint8Array): void {
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }
}
