// The terminal of a conversation: events are printed above the line that the person is typing.
import { clearLine, createInterface, cursorTo, type Interface } from 'node:readline';

export class Terminal {
  /** Whether a person is typing; from a pipe, lines are read one at a time, each after the one before is done. */
  readonly interactive: boolean = Boolean(process.stdin.isTTY && process.stdout.isTTY);
  readonly #lines: Interface;
  readonly #typed: AsyncIterable<string>;
  #fresh = true;

  constructor(prompt = '› ') {
    const { stdin: input, stdout: output } = process;
    this.#lines = createInterface(this.interactive ? { input, output, prompt } : { input });
    this.#lines.on('SIGINT', () => this.close());
    // Created at once: readline drops lines that arrive before the first iteration.
    this.#typed = this.#lines[Symbol.asyncIterator]();
  }

  write = (text: string): void => {
    const { stdout } = process;
    if (this.interactive && this.#fresh) {
      cursorTo(stdout, 0);
      clearLine(stdout, 0);
    }
    stdout.write(text);
    this.#fresh = text.endsWith('\n');
    if (this.interactive && this.#fresh) this.#lines.prompt(true);
  };

  /** Yields the typed lines until the input ends or `close` is called. */
  async *typed(): AsyncGenerator<string> {
    if (this.interactive) this.#lines.prompt();
    for await (const line of this.#typed) {
      const text = line.trim();
      if (text !== '') yield text;
      else if (this.interactive) this.#lines.prompt();
    }
  }

  close(): void {
    this.#lines.close();
  }
}
