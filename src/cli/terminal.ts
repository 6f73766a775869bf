// The terminal of a conversation: what happens is written above the line that is being typed.
import { clearLine, createInterface, cursorTo, type Interface } from 'node:readline';

export class Terminal {
  /** Whether a person sits there; a pipe is read line by line, each when the one before is dealt with. */
  readonly interactive: boolean = Boolean(process.stdin.isTTY && process.stdout.isTTY);
  readonly #lines: Interface;
  readonly #typed: AsyncIterable<string>;
  #fresh = true;

  constructor(prompt = '› ') {
    const { stdin: input, stdout: output } = process;
    this.#lines = createInterface(this.interactive ? { input, output, prompt } : { input });
    this.#lines.on('SIGINT', () => this.close());
    // Begun at once: what comes before anybody iterates would be lost.
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

  /** What is typed, until the end of the input or `close`. */
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
